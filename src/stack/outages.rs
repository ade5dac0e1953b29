//! Servers under a running shop that stop answering, and answer again: an event each, and a line of the status.
//!
//! A service sees only its own failures, and a breaker only that calls fail. Who stands at fault is known here: each server
//! is asked all the time over a connection that stays open, which costs it nothing and which no limit of refused logins
//! counts.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use collector::NewEvent;
use futures::future::join_all;
use mall::config::{Database as Pool, Redis as RedisAt};
use mall::redis::{Redis, RedisError};
use mall::store::{Database, StoreError};
use mall::telemetry::Meters;
use mall_api::control::Server;

use super::probe;
use super::servers::members;
use super::shared::{Shared, unix_ns};
use crate::topology::{CacheAt, Topology};

/// Between two questions.
const PAUSE: Duration = Duration::from_millis(500);

/// How long an answer may take.
const LIMIT: Duration = Duration::from_secs(2);

/// Questions in a row without an answer after which a server is away: one may be lost with its connection.
const MISSES: u32 = 2;

/// What is known of the servers of a stack.
#[derive(Debug, Default)]
pub struct Outages {
    seen: Mutex<Vec<Server>>,
}

impl Outages {
    /// Every server as it was seen last; none before the shop is ready.
    pub fn servers(&self) -> Vec<Server> {
        self.seen().clone()
    }

    fn seen(&self) -> MutexGuard<'_, Vec<Server>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How a server is asked.
enum Question {
    Mysql(Box<Database>),
    Redis(Redis),
    Http { address: String, path: &'static str },
}

impl Question {
    async fn ask(&self) -> Result<(), String> {
        match self {
            Self::Mysql(database) => database.data_id().await.map(|_| ()).map_err(|error| match error {
                // It begins with the address, as the event does.
                StoreError::Unreachable(why) => why.split_once(": ").map_or(why.clone(), |(_, why)| why.to_owned()),
                other => other.to_string(),
            }),
            Self::Redis(redis) => redis.ping().await.map_err(|error| match error {
                RedisError::Away { cause, .. } => cause.to_string(),
                RedisError::Late { command, .. } => format!("no answer to {command} in time"),
                other => other.to_string(),
            }),
            Self::Http { address, path } => {
                probe::get_ok(address, path).await.map(|_| ()).map_err(|error| error.to_string())
            }
        }
    }

    async fn answer(&self) -> Result<(), String> {
        let late = |_| Err(format!("no answer within {LIMIT:?}"));
        tokio::time::timeout(LIMIT, self.ask()).await.unwrap_or_else(late)
    }
}

/// Every server of a topology, with a way to ask it.
async fn questions(topology: &Topology, folder: &Path) -> Vec<(Server, Question)> {
    let mut questions = Vec::new();
    let server =
        |kind: &str, address: &str| Server { kind: kind.to_owned(), address: address.to_owned(), ..Server::default() };
    if let Some(address) = topology.store.address() {
        let pool = Pool { max_open_conns: 1, max_idle_conns: 1, ..Pool::default() };
        let source = topology.store.sources(folder).order;
        match Database::open_with(&source, &pool, "order", Meters::disabled()).await {
            Ok(database) => questions.push((server("mysql", &address), Question::Mysql(Box::new(database)))),
            Err(error) => tracing::warn!(%error, "the database is not watched"),
        }
    }
    if let CacheAt::Redis { host, user, pass } = &topology.cache {
        let at = RedisAt { host: host.clone(), user: user.clone(), pass: pass.clone() };
        questions.push((server("redis", host), Question::Redis(Redis::open(&at, &Meters::disabled()))));
    }
    let (kind, hosts, path) = members(&topology.registry);
    let http = |host: &String| (server(kind, host), Question::Http { address: host.clone(), path });
    questions.extend(hosts.iter().map(http));
    questions
}

/// What is made of answers: a server is away from its first miss on, once there are [`MISSES`].
#[derive(Debug, Default)]
struct Record {
    misses: u32,
    since_unix_ns: u64,
}

/// What an answer changed.
#[derive(Debug, PartialEq, Eq)]
enum Turn {
    Same,
    Away { since_unix_ns: u64 },
    Back,
}

impl Record {
    fn note(&mut self, answers: bool, now_unix_ns: u64) -> Turn {
        if answers {
            let was_away = self.misses >= MISSES;
            self.misses = 0;
            return if was_away { Turn::Back } else { Turn::Same };
        }
        if self.misses == 0 {
            self.since_unix_ns = now_unix_ns;
        }
        self.misses = self.misses.saturating_add(1);
        if self.misses == MISSES { Turn::Away { since_unix_ns: self.since_unix_ns } } else { Turn::Same }
    }
}

impl Shared {
    /// Asks every server that the shop stands on, as long as the stack is up.
    pub async fn watch_servers(self: Arc<Self>) {
        let Some(shop) = &self.order.shop else { return };
        let (servers, questions): (Vec<Server>, Vec<Question>) =
            questions(&shop.topology, &self.folder.data()).await.into_iter().unzip();
        *self.outages.seen() = servers;
        join_all(questions.iter().enumerate().map(|(at, question)| self.watch_server(at, question))).await;
    }

    async fn watch_server(&self, at: usize, question: &Question) {
        let (mut record, mut event) = (Record::default(), None);
        loop {
            let answer = question.answer().await;
            let now = unix_ns();
            match (record.note(answer.is_ok(), now), answer) {
                (Turn::Away { since_unix_ns }, Err(why)) => event = Some(self.away(at, since_unix_ns, why)),
                (Turn::Back, _) => self.back(at, event.take().flatten(), now),
                _ => {}
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Tells of a server that went away; answers the event's identity.
    fn away(&self, at: usize, since_unix_ns: u64, why: String) -> Option<u64> {
        let server = {
            let mut seen = self.outages.seen();
            let server = seen.get_mut(at)?;
            server.away_since_unix_ns = since_unix_ns;
            server.why = why;
            server.clone()
        };
        let Server { kind, address, why, .. } = server;
        tracing::warn!(server = %kind, %address, why, "a server of the shop does not answer");
        self.board.changed();
        Some(self.hub.open_event(NewEvent {
            kind: "server".to_owned(),
            begins_unix_ns: since_unix_ns,
            detail: format!("{kind} at {address} does not answer: {why}"),
            service: kind,
            target: address,
            ..NewEvent::default()
        }))
    }

    fn back(&self, at: usize, event: Option<u64>, now_unix_ns: u64) {
        if let Some(server) = self.outages.seen().get_mut(at) {
            tracing::info!(server = %server.kind, address = %server.address, "a server of the shop answers again");
            server.away_since_unix_ns = 0;
            server.why.clear();
        }
        if let Some(event) = event {
            self.hub.close_event(event, now_unix_ns);
        }
        self.board.changed();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_away_from_its_first_miss_and_back_with_its_first_answer() {
        let mut record = Record::default();
        let turns = [(true, 1), (false, 2), (true, 3), (false, 4), (false, 5), (false, 6), (true, 7), (true, 8)]
            .map(|(answers, now)| record.note(answers, now));
        let away = Turn::Away { since_unix_ns: 4 };
        let expected = [Turn::Same, Turn::Same, Turn::Same, Turn::Same, away, Turn::Same, Turn::Back, Turn::Same];
        assert_eq!(turns, expected, "a single miss is nothing");
    }

    #[tokio::test]
    async fn every_server_is_asked_and_embedded_parts_are_not() {
        let folder = Path::new("/nowhere");
        assert!(questions(&Topology::default(), folder).await.is_empty());
        let topology = Topology {
            cache: "redis://127.0.0.1:1".parse().expect("a cache"),
            registry: "etcd://127.0.0.1:1,127.0.0.1:2".parse().expect("a registry"),
            ..Topology::default()
        };
        let questions = questions(&topology, folder).await;
        let named: Vec<_> = questions.iter().map(|(server, _)| format!("{} {}", server.kind, server.address)).collect();
        assert_eq!(named, ["redis 127.0.0.1:1", "etcd 127.0.0.1:1", "etcd 127.0.0.1:2"]);
        for (server, question) in &questions {
            assert!(question.answer().await.is_err(), "nobody listens at {}", server.address);
        }
    }
}
