use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use super::tree::Mistake;

/// Why a configuration was refused.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("{}: cannot be read: {source}; give the path of a YAML or JSON file that exists", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The file says something that cannot be.
    #[error("{}", lines(path, mistakes))]
    Mistakes {
        /// The file.
        path: PathBuf,
        /// Every mistake, in the order of the file; at least one.
        mistakes: Vec<Mistake>,
    },
    /// A variable of the environment says something that cannot be.
    #[error("environment variable {name} is `{value}`: {what}")]
    Variable {
        /// Its name.
        name: &'static str,
        /// What it holds.
        value: String,
        /// What is wrong with that.
        what: String,
    },
}

/// One line for each, as compilers print them.
fn lines(path: &Path, mistakes: &[Mistake]) -> String {
    mistakes.iter().enumerate().fold(String::new(), |mut text, (number, Mistake { line, column, what })| {
        let separator = if number == 0 { "" } else { "\n" };
        let _ = write!(text, "{separator}{}:{line}:{column}: {what}", path.display());
        text
    })
}
