//! Text from the wire, made safe to print.
//!
//! Terminals obey control characters, and readers are fooled by invisible ones. Everything that a stranger can put into
//! a name, an attribute or a log line passes here before it reaches a screen, a report or a log.

use std::borrow::Cow;

/// Whether a character may do something other than be seen: C0 and C1 controls, DEL, and Unicode's bidirectional,
/// invisible and line-breaking format characters.
pub fn is_unsafe(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// Replaces every unsafe character: a line break or tab by a space, anything else by `\u{…}` in ASCII.
///
/// Text without such characters is returned as it is, without a copy.
pub fn clean(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_unsafe) {
        return Cow::Borrowed(text);
    }
    let mut cleaned = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        match character {
            '\n' | '\r' | '\t' => cleaned.push(' '),
            c if is_unsafe(c) => cleaned.extend(c.escape_unicode()),
            c => cleaned.push(c),
        }
    }
    Cow::Owned(cleaned)
}

/// Cuts text to at most `max` bytes at a character boundary; the second part tells whether something was cut.
pub fn truncate(text: &str, max: usize) -> (&str, bool) {
    if text.len() <= max {
        return (text, false);
    }
    let end = (0..=max).rev().find(|i| text.is_char_boundary(*i)).unwrap_or(0);
    (text.get(..end).unwrap_or_default(), true)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn escape_sequences_lose_their_power() {
        assert_eq!(clean("pay\x1b]52;c;AAAA\x07"), "pay\\u{1b}]52;c;AAAA\\u{7}");
        assert_eq!(clean("a\u{202e}b"), "a\\u{202e}b");
        assert_eq!(clean("two\nlines\u{9b}31m"), "two lines\\u{9b}31m");
    }

    #[test]
    fn plain_text_is_not_copied() {
        assert!(matches!(clean("mall.Pay/InitiatePayment 支付"), Cow::Borrowed(_)));
    }

    proptest! {
        #[test]
        fn nothing_unsafe_survives(text in any::<String>()) {
            prop_assert!(!clean(&text).chars().any(is_unsafe));
        }

        #[test]
        fn truncation_is_a_prefix_within_the_limit(text in any::<String>(), max in 0_usize..40) {
            let (cut, was_cut) = truncate(&text, max);
            prop_assert!(text.starts_with(cut) && cut.len() <= max);
            prop_assert_eq!(was_cut, text.len() > max);
        }
    }
}
