//! `Log.Level`: a word of go-zero or of tracing, or a filter made of them.
//!
//! A filter by itself takes any word for the name of a target. A misspelt level would silence the log, so a word that stands
//! alone must be a level here.

use tracing_subscriber::filter::{EnvFilter, LevelFilter};

use crate::nearest::nearest;

/// Levels by name. go-zero's `severe` is the worst that it logs, which is an error here.
const WORDS: [&str; 7] = ["debug", "info", "warn", "error", "severe", "trace", "off"];

/// The filter that a level or a list of directives stands for; the error says what is wrong and what would be right.
pub(crate) fn filter(text: &str) -> Result<EnvFilter, String> {
    let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
    let directives: Vec<String> = parts.map(directive).collect::<Result<_, _>>()?;
    EnvFilter::try_new(directives.join(",")).map_err(|error| format!("{error}; {}", mend()))
}

/// One directive as the filter reads it.
fn directive(part: &str) -> Result<String, String> {
    let (target, word) = match part.rsplit_once('=') {
        // It belongs to a span's fields, and no level follows.
        Some((_, rest)) if rest.contains([']', '}']) => return Ok(part.to_owned()),
        Some((target, word)) => (format!("{target}="), word),
        None if part.contains('[') => return Ok(part.to_owned()),
        None => (String::new(), part),
    };
    let level = if word.eq_ignore_ascii_case("severe") { "error" } else { word };
    if level.parse::<LevelFilter>().is_ok() {
        return Ok(format!("{target}{level}"));
    }
    let hint = nearest(word, WORDS).map(|word| format!("; did you mean `{word}`?")).unwrap_or_default();
    Err(format!("`{word}` is no level; {}{hint}", mend()))
}

fn mend() -> String {
    format!("write one of {}, or a filter such as `info,mall=debug`", WORDS.map(|word| format!("`{word}`")).join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reads(text: &str) -> String {
        filter(text).unwrap_or_else(|error| panic!("{text}: {error}")).to_string()
    }

    #[test]
    fn words_of_both_worlds_are_levels() {
        for word in ["debug", "info", "warn", "error", "trace", "off"] {
            assert_eq!(reads(word), word);
        }
        assert_eq!(reads("severe"), "error");
        assert_eq!(reads("Severe"), "error");
        assert_eq!(reads("INFO"), "info");
    }

    #[test]
    fn filters_keep_their_targets_and_spans() {
        assert_eq!(reads("mall=severe, info"), reads("mall=error,info"));
        assert_ne!(reads("mall=error,info"), "info");
        for directives in ["info,access=warn", "[span]=debug", "mall[span{id=7}]", "mall[span{id=7}]=warn"] {
            assert_eq!(reads(directives), EnvFilter::new(directives).to_string());
        }
    }

    #[test]
    fn a_word_that_is_no_level_is_refused_with_the_nearest() {
        for text in ["wran", "info,wran", "mall=wran"] {
            let refusal = filter(text).expect_err(text);
            assert!(refusal.starts_with("`wran` is no level; write one of `debug`"), "{refusal}");
            assert!(refusal.ends_with("did you mean `warn`?"), "{refusal}");
        }
        assert!(filter("mall").is_err());
        assert!(filter("{=info").expect_err("no directive").contains("info,mall=debug"));
    }
}
