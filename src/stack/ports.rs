//! Who holds a port, so that a taken one can be named instead of guessed at.

use std::fs;
use std::net::{IpAddr, SocketAddr, TcpListener};

use super::process::command_line;
use crate::exit::{Exit, Failure};

/// State number of a listening socket in `/proc/net/tcp`.
const LISTEN: &str = "0A";

/// A port that the stack wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    /// What it is for.
    pub purpose: &'static str,
    /// The flag that changes it.
    pub flag: &'static str,
    /// The number; 0 lets the system choose, and is always free.
    pub port: u16,
}

/// Refuses with all holders named when any of the ports is taken; nothing has been started then.
pub fn check(bind: IpAddr, wanted: &[Wanted]) -> Result<(), Failure> {
    let taken: Vec<&Wanted> = wanted.iter().filter(|wanted| !is_free(bind, wanted.port)).collect();
    let Some(first) = taken.first() else { return Ok(()) };
    let lines: Vec<String> = taken
        .iter()
        .map(|wanted| {
            let holder = holder(wanted.port)
                .map_or_else(|| "a process of another user".to_owned(), |(pid, line)| format!("pid {pid} ({line})"));
            format!("port {} ({}) is held by {holder}", wanted.port, wanted.purpose)
        })
        .collect();
    Err(Failure::new(Exit::Conflict, lines.join("\n"))
        .mend(format!("choose another with {}, or let the system choose all with --isolated", first.flag)))
}

fn is_free(bind: IpAddr, port: u16) -> bool {
    port == 0 || TcpListener::bind(SocketAddr::new(bind, port)).is_ok()
}

/// Process id and command line of the process that listens on a port, when it is one that we may look into.
pub fn holder(port: u16) -> Option<(u32, String)> {
    let inodes: Vec<String> = ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .filter_map(|path| fs::read_to_string(path).ok())
        .flat_map(|text| listening_inodes(&text, port))
        .collect();
    let pid = processes().find(|pid| holds_socket(*pid, &inodes))?;
    Some((pid, command_line(pid).unwrap_or_else(|| "unknown command".to_owned())))
}

fn listening_inodes(table: &str, port: u16) -> Vec<String> {
    table
        .lines()
        .skip(1)
        .filter_map(|line| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let (_, hexadecimal) = fields.get(1)?.rsplit_once(':')?;
            let matches = u16::from_str_radix(hexadecimal, 16).ok()? == port && *fields.get(3)? == LISTEN;
            matches.then(|| fields.get(9).map(|inode| (*inode).to_owned()))?
        })
        .collect()
}

fn processes() -> impl Iterator<Item = u32> {
    fs::read_dir("/proc").into_iter().flatten().flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

fn holds_socket(pid: u32, inodes: &[String]) -> bool {
    fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten().any(|entry| {
        fs::read_link(entry.path()).is_ok_and(|target| {
            let target = target.to_string_lossy();
            target
                .strip_prefix("socket:[")
                .and_then(|rest| rest.strip_suffix(']'))
                .is_some_and(|inode| inodes.iter().any(|wanted| wanted == inode))
        })
    })
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn a_taken_port_names_this_very_process() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("binds");
        let port = listener.local_addr().expect("has an address").port();
        let (pid, line) = holder(port).expect("is found");
        assert_eq!(pid, std::process::id());
        assert!(!line.is_empty());

        let wanted = [Wanted { purpose: "gateway", flag: "--gateway-port", port }];
        let failure = check(IpAddr::V4(Ipv4Addr::LOCALHOST), &wanted).expect_err("is taken");
        assert_eq!(failure.exit, Exit::Conflict);
        assert!(failure.what.contains(&format!("pid {pid}")), "{failure}");
        assert!(failure.mend.contains("--gateway-port") && failure.mend.contains("--isolated"));
    }

    #[test]
    fn port_zero_is_always_free() {
        let wanted = [Wanted { purpose: "gateway", flag: "--gateway-port", port: 0 }];
        assert!(check(IpAddr::V4(Ipv4Addr::LOCALHOST), &wanted).is_ok());
    }

    #[test]
    fn only_listening_sockets_of_the_port_count() {
        let table = "  sl  local_address rem_address   st tx rx tr tm retrnsmt uid timeout inode\n\
             0: 0100007F:22B8 00000000:0000 0A 0:0 0:0 0 1000 0 111 1\n\
             1: 0100007F:22B8 0100007F:9999 01 0:0 0:0 0 1000 0 222 1\n\
             2: 0100007F:22B9 00000000:0000 0A 0:0 0:0 0 1000 0 333 1\n";
        assert_eq!(listening_inodes(table, 8888), ["111"]);
    }
}
