//! Templates: text with `@NAME@` where something is filled in. YAML and nginx have no use for the at sign.

use std::fmt::Write as _;

/// Fills `@NAME@` for every name. A value of several lines is indented like the line that it stands alone on.
pub fn fill(template: &str, values: &[(&str, &str)]) -> String {
    let mut text = String::with_capacity(template.len());
    for line in template.lines() {
        let value = alone(line).and_then(|name| values.iter().find(|(known, _)| *known == name));
        if let Some((_, value)) = value {
            let indent: String = line.chars().take_while(|c| *c == ' ').collect();
            for line in value.lines() {
                let indent = if line.is_empty() { "" } else { &indent };
                // Writing into a String cannot fail.
                let _ = writeln!(text, "{indent}{line}");
            }
        } else {
            let filled =
                values.iter().fold(line.to_owned(), |line, (name, value)| line.replace(&format!("@{name}@"), value));
            let _ = writeln!(text, "{filled}");
        }
    }
    text
}

/// A line for each item.
pub fn lines<T: std::fmt::Display>(items: impl IntoIterator<Item = T>) -> String {
    items.into_iter().fold(String::new(), |mut text, line| {
        let _ = writeln!(text, "{line}");
        text
    })
}

/// The name of a placeholder that has its line for itself.
fn alone(line: &str) -> Option<&str> {
    let name = line.trim().strip_prefix('@')?.strip_suffix('@')?;
    is_name(name).then_some(name)
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_uppercase() || c == '_')
}

/// Names that are still to be filled.
#[cfg(test)]
pub fn placeholders(text: &str) -> Vec<&str> {
    text.split('@').skip(1).step_by(1).filter(|between| is_name(between)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_stand_in_lines_or_on_lines_of_their_own() {
        let filled = fill("a: @NAME@\nlist:\n  @ITEMS@\nend\n", &[("NAME", "x"), ("ITEMS", "- one\n\n- two")]);
        assert_eq!(filled, "a: x\nlist:\n  - one\n\n  - two\nend\n");
    }

    #[test]
    fn an_empty_value_leaves_no_line() {
        assert_eq!(fill("a\n@REST@\nb\n", &[("REST", "")]), "a\nb\n");
    }

    #[test]
    fn what_was_not_filled_is_found() {
        assert_eq!(placeholders(&fill("x: @ONE@ y\n", &[])), ["ONE"]);
        assert!(placeholders("mail@example and USER@").is_empty());
    }
}
