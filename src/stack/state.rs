//! The state folder of a stack: where things lie, who holds the lock, and what `stack.json` says.
//!
//! A stack is alive exactly as long as its supervisor holds the lock on `lock`; the kernel releases it on any death, so
//! no stale mark can exist. `stack.json` is replaced by rename and readable by its owner only, for it holds the token.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::stack_file::{SCHEMA, StackFile};
use crate::exit::{Exit, Failure};
use crate::hint;

/// Where a stack keeps what outlives its processes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateFolder {
    stack: String,
    root: PathBuf,
}

/// The lock that says "alive"; it is released when this is dropped, and at the latest when the process ends.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl StateFolder {
    /// The folder of a stack, whether or not it exists.
    pub fn of(stack: &str) -> Result<Self, Failure> {
        check_name(stack)?;
        Ok(Self { stack: stack.to_owned(), root: home()?.join(stack) })
    }

    /// Every stack that ever left a folder, by name.
    pub fn all() -> Result<Vec<Self>, Failure> {
        let home = home()?;
        let entries = match fs::read_dir(&home) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(Failure::runtime(format!("cannot list {}", home.display())).because(error)),
        };
        let mut names: Vec<String> = entries
            .flatten()
            .filter(|entry| entry.path().join("lock").exists())
            .filter_map(|entry| entry.file_name().into_string().ok())
            .filter(|name| check_name(name).is_ok())
            .collect();
        names.sort();
        names.iter().map(|name| Self::of(name)).collect()
    }

    /// The stack's name.
    pub fn stack(&self) -> &str {
        &self.stack
    }

    /// The folder itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Output of every process: `<role>-<replica>.log`.
    pub fn logs(&self) -> PathBuf {
        self.root.join("logs")
    }

    /// Databases.
    pub fn data(&self) -> PathBuf {
        self.root.join("data")
    }

    /// Histories of load runs, read by `verify`.
    pub fn history(&self) -> PathBuf {
        self.root.join("history")
    }

    /// Results of load runs.
    pub fn runs(&self) -> PathBuf {
        self.root.join("runs")
    }

    /// Configuration files of the services.
    pub fn config(&self) -> PathBuf {
        self.root.join("config")
    }

    fn file(&self) -> PathBuf {
        self.root.join("stack.json")
    }

    /// Makes the folder and everything in it, readable by its owner only.
    pub fn create(&self) -> Result<(), Failure> {
        let folders = [self.root.clone(), self.logs(), self.data(), self.history(), self.runs(), self.config()];
        for folder in folders {
            DirBuilder::new().recursive(true).mode(0o700).create(&folder).map_err(|error| {
                Failure::runtime(format!("cannot create {}", folder.display()))
                    .because(error)
                    .mend("set MALL_STATE to a folder that can be written")
            })?;
        }
        Ok(())
    }

    /// Takes the lock, or answers `None` when another process holds it.
    pub fn try_lock(&self) -> Result<Option<Lock>, Failure> {
        let path = self.root.join("lock");
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(&path)
            .map_err(|error| Failure::runtime(format!("cannot open {}", path.display())).because(error))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Lock { _file: file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => {
                Err(Failure::runtime(format!("cannot lock {}", path.display())).because(error))
            }
        }
    }

    /// Whether a supervisor lives. A folder that does not exist has none.
    pub fn is_running(&self) -> bool {
        self.root.join("lock").exists() && matches!(self.try_lock(), Ok(None))
    }

    /// Returns once no supervisor holds the lock. Blocks: call it where blocking is allowed.
    pub fn wait_unlocked(&self) {
        if let Ok(file) = OpenOptions::new().write(true).open(self.root.join("lock")) {
            // An error means that locks do not work here; then nobody can hold one either.
            let _ = file.lock();
        }
    }

    /// What `stack.json` says, or `None` when there is none.
    pub fn read(&self) -> Result<Option<StackFile>, Failure> {
        let path = self.file();
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Failure::runtime(format!("cannot read {}", path.display())).because(error)),
        };
        let unreadable = |why: String| {
            Failure::new(Exit::Conflict, format!("cannot understand {}", path.display()))
                .because(why)
                .mend(format!("run {} with the version that wrote it", hint::command(&self.stack, "down --purge")))
        };
        let json: serde_json::Value = serde_json::from_str(&text).map_err(|error| unreadable(error.to_string()))?;
        let schema = json.get("schema").cloned().unwrap_or_default();
        if schema != SCHEMA {
            return Err(unreadable(format!("it has schema {schema}, this version reads {SCHEMA}")));
        }
        serde_json::from_value(json).map(Some).map_err(|error| unreadable(error.to_string()))
    }

    /// Replaces `stack.json` by rename. One at a time in this process, each with what holds when it is its turn: two would
    /// take the temporary file from each other, and the older could be the last.
    pub fn write(&self, file: impl FnOnce() -> StackFile) -> Result<(), Failure> {
        static TURN: Mutex<()> = Mutex::new(());
        let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let text = serde_json::to_vec_pretty(&file())
            .map_err(|error| Failure::runtime("cannot write stack.json").because(error))?;
        write_private(&self.file(), &text)
    }

    /// Removes data, histories and what belongs to them; logs and runs stay.
    pub fn purge(&self) -> Result<(), Failure> {
        for path in [self.data(), self.history(), self.config()] {
            remove_folder(&path)?;
        }
        match fs::remove_file(self.file()) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(Failure::runtime(format!("cannot remove {}", self.file().display())).because(error))
            }
            _ => Ok(()),
        }
    }
}

/// Writes a file that only its owner may read, by temporary file and rename.
pub fn write_private(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let temporary = path.with_extension("tmp");
    let write = || -> std::io::Result<()> {
        let mut file = OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&temporary, path)
    };
    write().map_err(|error| Failure::runtime(format!("cannot write {}", path.display())).because(error))
}

fn remove_folder(path: &Path) -> Result<(), Failure> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(Failure::runtime(format!("cannot remove {}", path.display())).because(error))
        }
        _ => Ok(()),
    }
}

fn home() -> Result<PathBuf, Failure> {
    let from = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    from("MALL_STATE")
        .or_else(|| from("XDG_STATE_HOME"))
        .or_else(|| from("HOME").map(|home| home.join(".local/state")))
        .map(|folder| folder.join("mallctl"))
        .ok_or_else(|| Failure::usage("there is no place for state").because("HOME is not set").mend("set MALL_STATE"))
}

fn check_name(stack: &str) -> Result<(), Failure> {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
    if stack.is_empty() || stack.len() > 40 || !stack.chars().all(allowed) {
        return Err(
            Failure::usage(format!("'{stack}' cannot name a stack")).mend("use 1 to 40 of a-z, 0-9, '-' and '_'")
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use mall::store::DataSources;

    use super::*;
    use crate::stack::process::Mark;
    use crate::stack::stack_file::{Data, ReplicaMark};
    use crate::topology::Topology;

    fn folder(root: &Path) -> StateFolder {
        let folder = StateFolder { stack: "t".into(), root: root.join("t") };
        folder.create().expect("creates");
        folder
    }

    #[test]
    fn names_cannot_leave_the_state_home() {
        for name in ["", "..", "a/b", "A", "x y", &"a".repeat(41)] {
            assert!(check_name(name).is_err(), "{name}");
        }
        assert!(check_name("blue_2-x").is_ok());
    }

    #[test]
    fn the_lock_is_exclusive_and_ends_with_its_holder() {
        let temporary = tempfile::tempdir().expect("temporary folder");
        let folder = folder(temporary.path());
        assert!(!folder.is_running());
        let lock = folder.try_lock().expect("locks").expect("is free");
        assert!(folder.is_running());
        assert!(folder.try_lock().expect("asks").is_none());
        drop(lock);
        assert!(!folder.is_running());
    }

    #[test]
    fn stack_json_is_private_and_survives_a_round_trip() {
        use std::os::unix::fs::PermissionsExt;
        let temporary = tempfile::tempdir().expect("temporary folder");
        let folder = folder(temporary.path());
        assert_eq!(folder.read().expect("reads"), None);
        let file = StackFile {
            data_sources: Some(DataSources::in_folder(Path::new("/data"))),
            data: Some(Data { id: "d".into(), made_here: true }),
            places: Some(Topology::default()),
            replicas: vec![ReplicaMark { role: "pay-rpc".into(), replica: 1, mark: Mark { pid: 5, start_ticks: 6 } }],
            ..StackFile::blank("t")
        };
        folder.write(|| file.clone()).expect("writes");
        assert_eq!(folder.read().expect("reads"), Some(file));
        let mode = fs::metadata(folder.file()).expect("exists").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn many_may_write_stack_json_at_once() {
        let temporary = tempfile::tempdir().expect("temporary folder");
        let folder = folder(temporary.path());
        let write = || (0..50).try_for_each(|_| folder.write(|| StackFile::blank("t")));
        std::thread::scope(|scope| {
            let writers: Vec<_> = (0..4).map(|_| scope.spawn(write)).collect();
            for writer in writers {
                assert_eq!(writer.join().expect("does not panic"), Ok(()));
            }
        });
        assert_eq!(folder.read().expect("reads"), Some(StackFile::blank("t")));
    }

    #[test]
    fn a_foreign_schema_is_refused_with_a_mend() {
        let temporary = tempfile::tempdir().expect("temporary folder");
        let folder = folder(temporary.path());
        fs::write(folder.file(), "{\"schema\": 99}").expect("writes");
        let failure = folder.read().expect_err("refuses");
        assert_eq!(failure.exit, Exit::Conflict);
        assert!(failure.mend.contains("down --purge"));
    }
}
