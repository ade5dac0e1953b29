//! A server of one test alone, which it may kill and restart.

use std::path::PathBuf;
use std::process::Command;

/// A private server; it ends, and its folder with it, when this is dropped.
pub struct Private {
    name: &'static str,
    folder: tempfile::TempDir,
    /// host:port.
    pub address: String,
}

impl Private {
    /// Starts `mariadb`, `redis` or `etcd`, empty.
    pub fn start(name: &'static str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        run(&["start", &folder.path().display().to_string(), name]);
        let port = std::fs::read_to_string(folder.path().join(format!("{name}.port"))).expect("a port");
        Self { name, folder, address: format!("127.0.0.1:{}", port.trim()) }
    }

    /// Ends it as a crash would.
    pub fn kill(&self) {
        self.verb("kill");
    }

    /// Starts it again on the same port and data.
    pub fn restart(&self) {
        self.verb("restart");
    }

    /// Kills it and takes its data away; [`Private::restart`] then finds nothing.
    pub fn kill_and_forget(&self) {
        self.kill();
        let data = self.folder.path().join(self.name);
        std::fs::remove_dir_all(&data).expect("data that can be removed");
    }

    /// It keeps its connections and answers no more.
    pub fn freeze(&self) {
        self.signal("-STOP");
    }

    /// It goes on.
    pub fn thaw(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, signal: &str) {
        let pid = std::fs::read_to_string(self.folder.path().join(format!("{}.pid", self.name))).expect("it runs");
        let status = Command::new("kill").args([signal, pid.trim()]).status().expect("kill runs");
        assert!(status.success(), "kill {signal} {pid}: {status}");
    }

    fn verb(&self, verb: &str) {
        run(&[verb, &self.folder.path().display().to_string(), self.name]);
    }
}

impl Drop for Private {
    fn drop(&mut self) {
        let _ = command().args(["kill", &self.folder.path().display().to_string(), self.name]).status();
    }
}

fn command() -> Command {
    Command::new(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../deploy/local/servers"))
}

fn run(arguments: &[&str]) {
    let output = command().args(arguments).output().expect("deploy/local/servers runs");
    assert!(output.status.success(), "servers {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}
