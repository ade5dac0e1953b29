use crate::nearest::nearest;
use std::path::{Path, PathBuf};

/// Why a configuration was refused.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("{}: cannot be read: {source}; give the path of a JSON file that exists", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// A key that does not exist.
    #[error("{}:{line}:{column}: unknown key `{key}`; did you mean `{nearest}`?", path.display())]
    UnknownKey {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// Counted from 1, where the key ends.
        column: usize,
        /// What stands there.
        key: String,
        /// The valid key that looks most like it.
        nearest: String,
    },
    /// Anything else that does not fit.
    #[error("{}:{line}:{column}: {what}", path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// Counted from 1.
        column: usize,
        /// What is wrong, and what was expected.
        what: String,
    },
}

impl ConfigError {
    pub(super) fn from_json(path: &Path, error: &serde_json::Error) -> Self {
        let path = path.to_owned();
        let (line, column) = (error.line(), error.column());
        let text = error.to_string();
        let what = text.split(" at line ").next().unwrap_or(&text).to_owned();
        // serde's wording is the only place where it tells the key and the valid ones.
        let mut quoted = what.split('`').skip(1).step_by(2);
        match quoted.next() {
            Some(key) if what.starts_with("unknown field") => match nearest(key, quoted) {
                Some(nearest) => {
                    Self::UnknownKey { path, line, column, key: key.to_owned(), nearest: nearest.to_owned() }
                }
                None => Self::Invalid { path, line, column, what },
            },
            _ => Self::Invalid { path, line, column, what },
        }
    }
}
