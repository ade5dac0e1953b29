//! A stack of its own for every test: a temporary state folder, ports chosen by the system, and an end whatever happens.

#![allow(dead_code, reason = "every test file uses its own part")]

use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// How long anything that is waited for may take on a slow machine.
pub const PATIENCE: Duration = Duration::from_mins(1);

/// The program under test.
pub fn binary() -> &'static str {
    env!("CARGO_BIN_EXE_mallctl")
}

/// A state folder; whatever still runs in it ends with it.
pub struct Home {
    folder: TempDir,
}

impl Home {
    /// An empty one.
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("temporary folder") }
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// A command with this state folder and no terminal.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(binary());
        command.args(args).env("MALL_STATE", self.path()).stdin(std::process::Stdio::null());
        command
    }

    /// Runs a command to its end.
    pub fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().expect("mallctl runs")
    }

    /// Runs a command that must succeed; answers its standard output.
    pub fn ok(&self, args: &[&str]) -> String {
        let output = self.run(args);
        assert!(output.status.success(), "{args:?}: {}", text(&output));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Runs a command with `--json` that must succeed.
    pub fn json(&self, args: &[&str]) -> Value {
        let mut args = args.to_vec();
        args.push("--json");
        let answer = self.ok(&args);
        serde_json::from_str(&answer).unwrap_or_else(|error| panic!("{args:?}: {error}: {answer}"))
    }

    /// Starts a stack in the background.
    pub fn up(&self, stack: &str) -> Value {
        self.json(&["up", "-d", "--isolated", "--stack", stack])
    }

    /// A file in the state folder.
    pub fn write(&self, name: &str, content: &str) -> String {
        let path = self.path().join(name);
        std::fs::write(&path, content).expect("writes");
        path.display().to_string()
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        // The test has its verdict; this only makes sure that nothing stays behind.
        let _ = self.run(&["down", "--all"]);
    }
}

/// Everything that a command said.
pub fn text(output: &Output) -> String {
    format!(
        "exit {:?}\n{}\n{}",
        output.status.code(),
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// The exit code of a command and what it said on standard error.
pub fn failure(output: &Output) -> (i32, String) {
    (output.status.code().unwrap_or(-1), String::from_utf8_lossy(&output.stderr).into_owned())
}

/// Waits until something holds, looking often.
pub fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < PATIENCE, "{what}: not within {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Processes of a status.
pub fn processes(status: &Value) -> Vec<Value> {
    status.get("processes").and_then(Value::as_array).cloned().unwrap_or_default()
}

/// Process id of `pay-rpc/1`, or of `supervisor`.
pub fn pid(status: &Value, name: &str) -> u32 {
    let (role, replica) = name.split_once('/').unwrap_or((name, "0"));
    let is_meant = |process: &&Value| {
        process.get("role").and_then(Value::as_str) == Some(role)
            && process.get("replica").and_then(Value::as_u64).map(|number| number.to_string()).as_deref()
                == Some(replica)
    };
    let pid = processes(status).iter().find(is_meant).and_then(|process| process.get("pid").and_then(Value::as_u64));
    u32::try_from(pid.unwrap_or_else(|| panic!("no {name} in {status}"))).expect("a process id")
}

/// Whether a process runs; a zombie does not.
pub fn is_alive(pid: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| stat.rsplit_once(')').is_some_and(|(_, rest)| !rest.trim_start().starts_with('Z')))
}

/// Sends a signal by number.
pub fn signal(pid: u32, signal: nix::sys::signal::Signal) {
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid.cast_signed()), signal)
        .expect("the process can be signalled");
}

/// `host:port` of a status.
pub fn address(status: &Value, name: &str) -> String {
    let address = status.pointer(&format!("/addresses/{name}")).and_then(Value::as_str);
    address.unwrap_or_else(|| panic!("no {name} in {status}")).to_owned()
}

/// A scenario of orders: so many a second, for so long.
pub fn orders(rate: u32, seconds: u32) -> String {
    format!(
        r#"
name = "orders"
summary = "steady orders"
target = "gateway"
[arrival]
kind = "constant"
rate = {rate}
for = "{seconds}s"
[data]
user = {{ kind = "pool", size = 5 }}
product = {{ kind = "pool", size = 10 }}
[[flow]]
name = "place-order"
  [[flow.once]]
  name = "login"
  request = "POST /api/user/login"
  json = {{ mobile = "{{{{user.mobile}}}}", password = "{{{{user.password}}}}" }}
  save = {{ token = "$.access_token" }}
  [[flow.step]]
  name = "create"
  request = "POST /api/order/create"
  headers = {{ Authorization = "Bearer {{{{token}}}}", Idempotency-Key = "{{{{uuid}}}}" }}
  json = {{ items = [ {{ product_id = "{{{{product.id}}}}", quantity = 1 }} ] }}
  expect = {{ status = 200 }}
  record = {{ op = "order.create", key = "{{{{sent.Idempotency-Key}}}}", args = {{ product_id = "{{{{product.id}}}}", quantity = 1 }}, result = {{ order_id = "$.order_id" }} }}
"#
    )
}
