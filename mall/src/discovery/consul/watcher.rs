use super::agent::{Agent, Answer, encoded};
use super::{Backoff, ConsulError};
use crate::discovery::Endpoint;
use crate::discovery::known::Known;
use crate::discovery::listed::Listed;
use http::Method;
use serde::Deserialize;
use std::collections::{BTreeSet, HashMap};
use std::time::Duration;
use tokio::time::Instant;

/// How long Consul may hold back an answer in which nothing changed.
const WAIT_S: u64 = 30;
/// Consul adds up to a sixteenth; then there is the way back.
const ANSWER: Duration = Duration::from_secs(WAIT_S + WAIT_S / 16 + 5);
/// Least time between two questions, however often the service changes.
const LEAST: Duration = Duration::from_millis(100);

/// Copies the passing replicas into `listed` until nobody watches it. A loss leaves the list as it is.
pub(in super::super) async fn follow(agent: Agent, mut listed: Listed) {
    let mut unwatched = std::pin::pin!(listed.unwatched());
    let mut backoff = Backoff::new();
    let mut cursor = Cursor::default();
    let mut known = Known::default();
    loop {
        let answer = tokio::select! {
            answer = ask(&agent, cursor.next) => answer,
            () = &mut unwatched => return,
        };
        let pause = match answer {
            Ok((index, found)) => {
                backoff.reset();
                known.replace(found, cursor.advance(index), Instant::now());
                listed.reloaded();
                listed.publish(&known.all(Instant::now()));
                tokio::time::sleep(LEAST)
            }
            Err(error) => {
                listed.lost(&error);
                cursor.begin_anew();
                backoff.pause()
            }
        };
        tokio::select! {
            () = pause => {}
            () = &mut unwatched => return,
        }
    }
}

/// How far the answers are known, by Consul's rules for clients.
#[derive(Debug, Default)]
struct Cursor {
    /// Index of the next question; 0 asks without waiting for a change.
    next: u64,
    seen: u64,
}

impl Cursor {
    /// Takes the index of an answer. True when it fell, as it does when Consul's state was lost: then the next question
    /// does not wait. An index of 0 would never wait at all, so it counts as 1.
    fn advance(&mut self, said: u64) -> bool {
        let said = said.max(1);
        let has_fallen = said < self.seen;
        self.next = if has_fallen { 0 } else { said };
        self.seen = said;
        has_fallen
    }

    /// After a loss the next question does not wait.
    fn begin_anew(&mut self) {
        self.next = 0;
    }
}

async fn ask(agent: &Agent, index: u64) -> Result<(u64, BTreeSet<Endpoint>), ConsulError> {
    let path = format!("/v1/health/service/{}", encoded(agent.key()));
    let query = if index == 0 { String::new() } else { format!("&index={index}&wait={WAIT_S}s") };
    let answer = agent.ask(Method::GET, &format!("{path}?passing=true{query}"), None, ANSWER).await?;
    let unread = |what: String| ConsulError::Answer { request: format!("GET {path}"), what };
    let index = index_of(&answer).ok_or_else(|| unread("X-Consul-Index is no number".to_owned()))?;
    let entries: Vec<Entry> = serde_json::from_slice(&answer.body).map_err(|error| unread(error.to_string()))?;
    Ok((index, entries.into_iter().map(Entry::endpoint).collect()))
}

fn index_of(answer: &Answer) -> Option<u64> {
    answer.headers.get("x-consul-index")?.to_str().ok()?.parse().ok()
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Entry {
    node: Node,
    service: Service,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Node {
    address: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Service {
    /// Empty when the service listens at the node's address.
    #[serde(default)]
    address: String,
    port: u16,
    #[serde(default)]
    meta: Option<HashMap<String, String>>,
}

impl Entry {
    fn endpoint(self) -> Endpoint {
        let host = if self.service.address.is_empty() { self.node.address } else { self.service.address };
        let port = self.service.port;
        let address = if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
        match self.service.meta.and_then(|mut meta| meta.remove("instance")) {
            Some(instance) if !instance.is_empty() => Endpoint::new(instance, address),
            _ => Endpoint::at(&address),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_index_follows_consuls_rules() {
        let mut cursor = Cursor::default();
        assert!(!cursor.advance(41));
        assert_eq!(cursor.next, 41);
        assert!(cursor.advance(7), "it fell");
        assert_eq!(cursor.next, 0);
        assert!(!cursor.advance(7));
        assert_eq!(cursor.next, 7);
        cursor.begin_anew();
        assert_eq!(cursor.next, 0);
        assert!(cursor.advance(0), "0 counts as 1, which is less than 7");
        assert!(!cursor.advance(0));
        assert_eq!(cursor.next, 1, "0 would never wait");
    }

    #[test]
    fn a_service_without_an_address_listens_at_its_node() {
        let text = r#"[{"Node":{"Address":"10.0.0.7"},"Service":{"ID":"x","Address":"","Port":80,"Meta":null}},
            {"Node":{"Address":"10.0.0.7"},"Service":{"Address":"fd00::1","Port":81,"Meta":{"instance":"user-rpc/2"}}}]"#;
        let entries: Vec<Entry> = serde_json::from_str(text).expect("an answer");
        let endpoints: Vec<Endpoint> = entries.into_iter().map(Entry::endpoint).collect();
        assert_eq!(endpoints, [Endpoint::at("10.0.0.7:80"), Endpoint::new("user-rpc/2", "[fd00::1]:81")]);
    }
}
