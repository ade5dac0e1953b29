//! The scenarios that are part of the binary.

use include_dir::{Dir, include_dir};

use super::suggest::nearest;
use super::{Scenario, ScenarioError};

static FILES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../scenarios");

/// Names and texts of all shipped scenarios, by name.
pub fn shipped() -> Vec<(&'static str, &'static str)> {
    let mut list: Vec<_> = FILES
        .files()
        .filter_map(|file| Some((file.path().file_name()?.to_str()?.strip_suffix(".toml")?, file.contents_utf8()?)))
        .collect();
    list.sort_unstable();
    list
}

/// Reads a shipped scenario by its name.
pub fn load_shipped(name: &str) -> Result<Scenario, ScenarioError> {
    let list = shipped();
    let Some((name, text)) = list.iter().find(|(known, _)| *known == name) else {
        return Err(ScenarioError::Unknown {
            name: name.to_owned(),
            suggestion: nearest(name, list.iter().map(|(known, _)| *known)).map(str::to_owned),
            known: list.iter().map(|(known, _)| (*known).to_owned()).collect(),
        });
    };
    Scenario::parse(&format!("{name}.toml"), text)
}
