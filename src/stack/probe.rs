//! Whether something answers at an address: one question in the protocol of each server, within two seconds.
//!
//! No client library and no login to a database: a look must be cheap, and say the system's own words when it fails.

use std::io;
use std::time::Duration;

use mall::config::Secret;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long one question may take, connecting included.
const LIMIT: Duration = Duration::from_secs(2);

/// Most bytes of an answer that are read.
const MOST: usize = 4_096;

/// An answer over HTTP, cut after a few kilobytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// Its body.
    pub body: String,
}

/// `GET http://address/path`.
pub async fn get(address: &str, path: &str) -> io::Result<Answer> {
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nAccept: */*\r\nConnection: close\r\n\r\n");
    let text = ask(address, request.as_bytes(), |_| false).await?;
    let text = String::from_utf8_lossy(&text);
    answer(&text).ok_or_else(|| io::Error::other("what answers does not speak HTTP"))
}

/// As [`get`]; an answer other than 200 is an error that says so.
pub async fn get_ok(address: &str, path: &str) -> io::Result<Answer> {
    match get(address, path).await? {
        answer if answer.status == 200 => Ok(answer),
        answer => Err(io::Error::other(format!("{path} is answered with {}", answer.status))),
    }
}

/// The version that a MySQL or MariaDB says when one connects.
pub async fn mysql(address: &str) -> io::Result<String> {
    let greeting = ask(address, b"", |bytes| greeted(bytes).is_some()).await?;
    greeted(&greeting).ok_or_else(|| io::Error::other("what answers is no MySQL, or refuses this host"))
}

/// The version of a Redis that takes our login.
pub async fn redis(address: &str, user: &str, pass: &Secret) -> io::Result<String> {
    let mut request = String::new();
    let login: Vec<&str> = ["AUTH", user, pass.expose()].into_iter().filter(|word| !word.is_empty()).collect();
    if !pass.is_empty() {
        request.push_str(&command(&login));
    }
    request.push_str(&command(&["INFO", "server"]));
    request.push_str(&command(&["PING"]));
    let told =
        ask(address, request.as_bytes(), |bytes| bytes.starts_with(b"-") || bytes.ends_with(b"+PONG\r\n")).await?;
    let told = String::from_utf8_lossy(&told);
    if let Some(refusal) = told.lines().find(|line| line.starts_with('-')) {
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, refusal.trim_start_matches('-').to_owned()));
    }
    let version = told.lines().find_map(|line| line.strip_prefix("redis_version:"));
    version.map(|version| version.trim().to_owned()).ok_or_else(|| io::Error::other("what answers is no Redis"))
}

/// Sends, then reads until enough was read, the other side closes, or the time is over.
async fn ask(address: &str, request: &[u8], enough: impl Fn(&[u8]) -> bool) -> io::Result<Vec<u8>> {
    let exchange = async {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(request).await?;
        let mut told = Vec::new();
        let mut bytes = [0; MOST];
        while told.len() < MOST && !enough(&told) {
            match stream.read(&mut bytes).await? {
                0 => break,
                read => told.extend(bytes.iter().take(read)),
            }
        }
        Ok(told)
    };
    timeout(LIMIT, exchange).await.unwrap_or_else(|_| Err(io::Error::other(format!("no answer within {LIMIT:?}"))))
}

fn answer(text: &str) -> Option<Answer> {
    let (head, body) = text.split_once("\r\n\r\n")?;
    let status = head.strip_prefix("HTTP/1.")?.split(' ').nth(1)?.parse().ok()?;
    Some(Answer { status, body: body.to_owned() })
}

/// A packet begins with three bytes of length and a number; then stand the protocol (10) and the version up to a zero.
fn greeted(packet: &[u8]) -> Option<String> {
    let version = packet.get(4..)?.strip_prefix(&[10])?;
    let end = version.iter().position(|byte| *byte == 0)?;
    Some(String::from_utf8_lossy(version.get(..end)?).into_owned())
}

/// A command in Redis' protocol.
fn command(words: &[&str]) -> String {
    words.iter().fold(format!("*{}\r\n", words.len()), |text, word| format!("{text}${}\r\n{word}\r\n", word.len()))
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    /// A server that says one thing to one client.
    async fn server(says: &'static [u8]) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
        let address = listener.local_addr().expect("has an address").to_string();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.expect("accepts");
            let mut request = [0; 512];
            stream.write_all(says).await.expect("says it");
            // The question is of no interest; reading it keeps the close from being a reset.
            let _ = stream.read(&mut request).await;
        });
        address
    }

    #[tokio::test]
    async fn a_server_is_known_by_its_first_words() {
        let greeting = b"\x4a\0\0\0\x0a5.5.5-10.11.6-MariaDB\0rest";
        assert_eq!(mysql(&server(greeting).await).await.expect("greets"), "5.5.5-10.11.6-MariaDB");
        let none = Secret::default();
        let told = b"$24\r\n# Server\r\nredis_version:7.0.15\r\n\r\n+PONG\r\n";
        assert_eq!(redis(&server(told).await, "", &none).await.expect("answers"), "7.0.15");
        let told = b"+OK\r\n$22\r\nredis_version:7.2.4\r\n\r\n+PONG\r\n";
        assert_eq!(redis(&server(told).await, "shop", &"x".into()).await.expect("answers"), "7.2.4");
        let refused = redis(&server(b"-NOAUTH Authentication required.\r\n").await, "", &none).await;
        assert!(refused.is_err_and(|error| error.to_string().starts_with("NOAUTH")));
        let found =
            get(&server(b"HTTP/1.1 503 Service Unavailable\r\n\r\nno").await, "/readyz").await.expect("answers");
        assert_eq!(found, Answer { status: 503, body: "no".to_owned() });
    }

    #[tokio::test]
    async fn a_stranger_is_not_taken_for_a_server() {
        assert!(mysql(&server(b"-ERR wrong port\r\n").await).await.is_err());
        assert!(redis(&server(b"HTTP/1.1 400 Bad Request\r\n\r\n").await, "", &Secret::default()).await.is_err());
        assert!(get(&server(b"+PONG\r\n").await, "/").await.is_err());
        assert!(get("127.0.0.1:1", "/").await.is_err());
    }

    #[test]
    fn commands_are_written_with_their_lengths() {
        assert_eq!(command(&["AUTH", "päss"]), "*2\r\n$4\r\nAUTH\r\n$5\r\npäss\r\n");
    }
}
