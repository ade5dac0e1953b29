//! `mallctl doctor`: whether this machine is ready for a stack.

use std::io::IsTerminal;
use std::net::TcpListener;

use futures::future::join_all;
use serde_json::json;

use crate::exit::{Exit, Outcome};
use crate::output::{self, SCHEMA};
use crate::stack::ports::holder;
use crate::stack::process::boot_id;
use crate::stack::servers::look;
use crate::stack::state::StateFolder;

/// Open files that a stack under load needs in one process, with room.
const NEEDED_FILES: u64 = 4_096;

/// Ports that `mallctl up` takes unless told otherwise.
const PORTS: [(u16, &str); 4] = [(8888, "gateway"), (4317, "OTLP/gRPC"), (4318, "OTLP/HTTP"), (4320, "console")];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Passed,
    Warning,
    Failed,
}

struct Check {
    name: &'static str,
    verdict: Verdict,
    says: String,
}

impl Check {
    fn new(name: &'static str, verdict: Verdict, says: impl Into<String>) -> Self {
        Self { name, verdict, says: says.into() }
    }
}

/// Runs every check; one that fails makes the exit code 1.
pub async fn run(json: bool) -> Outcome {
    let mut checks =
        vec![state_folder(), stacks(), ports(), loopback(), open_files(), proc_files(), cores(), terminal()];
    checks.extend(servers().await);
    let count = |verdict| checks.iter().filter(|check| check.verdict == verdict).count();
    let (passed, warnings, failed) = (count(Verdict::Passed), count(Verdict::Warning), count(Verdict::Failed));
    if json {
        let documents: Vec<_> = checks
            .iter()
            .map(|check| json!({ "name": check.name, "verdict": word(check.verdict), "says": check.says }))
            .collect();
        output::json(&json!({
            "schema": SCHEMA, "passed": passed, "warnings": warnings, "failed": failed, "checks": documents
        }))?;
    } else {
        for check in &checks {
            output::line(&format!("{:<8} {:<13} {}", word(check.verdict), check.name, check.says));
        }
        output::line(&format!("{passed} passed, {warnings} warnings, {failed} failed"));
    }
    Ok(if failed == 0 { Exit::Ok } else { Exit::Failure })
}

const fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Passed => "passed",
        Verdict::Warning => "warning",
        Verdict::Failed => "failed",
    }
}

fn state_folder() -> Check {
    const NAME: &str = "state folder";
    let folder = match StateFolder::of("default").and_then(|folder| folder.create().map(|()| folder)) {
        Ok(folder) => folder,
        Err(failure) => return Check::new(NAME, Verdict::Failed, failure.to_string().replace('\n', ";")),
    };
    match folder.try_lock() {
        Ok(_) => Check::new(NAME, Verdict::Passed, format!("{} can be written and locked", folder.root().display())),
        Err(failure) => Check::new(NAME, Verdict::Failed, failure.to_string().replace('\n', ";")),
    }
}

fn stacks() -> Check {
    const NAME: &str = "stacks";
    let folders = StateFolder::all().unwrap_or_default();
    let (running, idle): (Vec<_>, Vec<_>) = folders.iter().partition(|folder| folder.is_running());
    let survivors: Vec<String> = idle
        .iter()
        .filter_map(|folder| folder.read().ok().flatten())
        .filter(|file| file.boot_id == boot_id())
        .flat_map(|file| file.replicas)
        .filter(|replica| replica.mark.is_alive())
        .map(|replica| format!("{}/{} (pid {})", replica.role, replica.replica, replica.mark.pid))
        .collect();
    if !survivors.is_empty() {
        return Check::new(NAME, Verdict::Failed, format!("processes without a supervisor: {}", survivors.join(", ")));
    }
    let names: Vec<&str> = running.iter().map(|folder| folder.stack()).collect();
    let says = if names.is_empty() {
        "none runs, none left anything behind".to_owned()
    } else {
        format!("running: {}", names.join(", "))
    };
    Check::new(NAME, Verdict::Passed, says)
}

/// The servers that stacks were last started on. A stack on embedded parts needs none, and then there is nothing to say.
async fn servers() -> Vec<Check> {
    let looks = StateFolder::all().unwrap_or_default().into_iter().map(|folder| async move {
        let places = folder.read().ok().flatten().and_then(|file| file.places).unwrap_or_default();
        // A stack that is down can do without them until it is started again.
        let silent = if folder.is_running() { Verdict::Failed } else { Verdict::Warning };
        let checks = look(&places).await.into_iter().map(move |look| {
            let of = format!("{} of stack '{}'", look.server, folder.stack());
            match look.says {
                Ok(says) => Check::new("server", Verdict::Passed, format!("{of} answers: {says}")),
                Err(why) => Check::new("server", silent, format!("{of} {why}")),
            }
        });
        checks.collect::<Vec<_>>()
    });
    join_all(looks).await.into_iter().flatten().collect()
}

fn ports() -> Check {
    const NAME: &str = "ports";
    let taken: Vec<String> = PORTS
        .iter()
        .filter(|(port, _)| TcpListener::bind(("127.0.0.1", *port)).is_err())
        .map(|(port, purpose)| {
            let who =
                holder(*port).map_or_else(|| "someone else".to_owned(), |(pid, line)| format!("pid {pid} ({line})"));
            format!("{port} ({purpose}) by {who}")
        })
        .collect();
    if taken.is_empty() {
        Check::new(NAME, Verdict::Passed, "8888, 4317, 4318 and 4320 are free")
    } else {
        Check::new(NAME, Verdict::Warning, format!("taken: {}; use --isolated", taken.join(", ")))
    }
}

fn loopback() -> Check {
    match TcpListener::bind(("127.0.0.1", 0)) {
        Ok(_) => Check::new("loopback", Verdict::Passed, "127.0.0.1 can be listened on"),
        Err(error) => Check::new("loopback", Verdict::Failed, format!("127.0.0.1 cannot be listened on: {error}")),
    }
}

fn open_files() -> Check {
    const NAME: &str = "open files";
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    match soft_limit(&limits, "Max open files") {
        Some(limit) if limit < NEEDED_FILES => Check::new(
            NAME,
            Verdict::Warning,
            format!("limit {limit}, high loads need {NEEDED_FILES}: `ulimit -n {NEEDED_FILES}`"),
        ),
        Some(limit) => Check::new(NAME, Verdict::Passed, format!("limit {limit}")),
        None => Check::new(NAME, Verdict::Warning, "the limit cannot be read"),
    }
}

fn soft_limit(limits: &str, name: &str) -> Option<u64> {
    let line = limits.lines().find_map(|line| line.strip_prefix(name))?;
    match line.split_whitespace().next()? {
        "unlimited" => Some(u64::MAX),
        number => number.parse().ok(),
    }
}

fn proc_files() -> Check {
    const NAME: &str = "process info";
    if std::path::Path::new("/proc/self/smaps_rollup").exists() {
        Check::new(NAME, Verdict::Passed, "/proc tells memory shares and start times")
    } else {
        Check::new(NAME, Verdict::Warning, "/proc tells no memory shares: status shows 0 MiB")
    }
}

fn cores() -> Check {
    const NAME: &str = "cores";
    match std::thread::available_parallelism().map_or(0, std::num::NonZero::get) {
        0 => Check::new(NAME, Verdict::Warning, "the number of cores cannot be read"),
        1 => {
            Check::new(NAME, Verdict::Warning, "one core: shop and load generator share it, expect a limited generator")
        }
        cores => Check::new(NAME, Verdict::Passed, format!("{cores}")),
    }
}

fn terminal() -> Check {
    const NAME: &str = "terminal";
    if std::io::stdout().is_terminal() {
        let name = std::env::var("TERM").unwrap_or_default();
        let colour = if std::env::var_os("NO_COLOR").is_some() { "no colour wanted" } else { "colour" };
        Check::new(NAME, Verdict::Passed, format!("{name}, {colour}"))
    } else {
        Check::new(NAME, Verdict::Warning, "none: `up` shows lines instead of the console")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_soft_limit_is_the_first_number() {
        let limits = "Limit  Soft Limit  Hard Limit  Units\nMax open files            1024                 524288               files\n";
        assert_eq!(soft_limit(limits, "Max open files"), Some(1024));
        assert_eq!(soft_limit("Max open files unlimited unlimited files", "Max open files"), Some(u64::MAX));
        assert_eq!(soft_limit("", "Max open files"), None);
    }
}
