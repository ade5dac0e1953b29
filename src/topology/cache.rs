//! Where the cache, the rate limits and the order events are.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use mall::config::Secret;
use percent_encoding::percent_decode_str;
use serde::{Deserialize, Serialize};

use super::place::{BadPlace, address};

/// Where the cache, the rate limits and the order events are.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum CacheAt {
    /// Within the processes, events by polling the outbox.
    #[default]
    Embedded,
    /// Redis at host:port.
    Redis {
        /// host:port.
        host: String,
        /// Empty when Redis asks for none.
        user: String,
        /// Empty when Redis asks for none.
        pass: Secret,
    },
}

impl FromStr for CacheAt {
    type Err = BadPlace;

    fn from_str(text: &str) -> Result<Self, BadPlace> {
        if text == "embedded" {
            return Ok(Self::Embedded);
        }
        // What was written may hold a password, so it is not repeated.
        let refused =
            || BadPlace("this is no cache: write `embedded` or `redis://[user:pass@]host:6379[/0]`".to_owned());
        let rest = text.strip_prefix("redis://").ok_or_else(refused)?;
        let (login, place) = rest.rsplit_once('@').unwrap_or(("", rest));
        let (host, database) = place.split_once('/').unwrap_or((place, ""));
        match database {
            "" | "0" => {}
            number if number.bytes().all(|byte| byte.is_ascii_digit()) => {
                return Err(BadPlace(format!(
                    "database `/{number}` of Redis cannot be had, only `/0`: write `/0` or leave it out; stacks that share \
                     a Redis have names of their own for their keys"
                )));
            }
            _ => return Err(refused()),
        }
        let (user, pass) = login.split_once(':').unwrap_or((login, ""));
        let (host, user, pass) = (
            address(host).ok_or_else(refused)?,
            decoded(user).ok_or_else(refused)?,
            decoded(pass).ok_or_else(refused)?,
        );
        Ok(Self::Redis { host, user, pass: pass.into() })
    }
}

/// A part of a URL without its percent signs: a password may hold any character.
fn decoded(part: &str) -> Option<String> {
    percent_decode_str(part).decode_utf8().ok().map(Cow::into_owned)
}

impl fmt::Display for CacheAt {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Embedded => formatter.write_str("embedded"),
            Self::Redis { host, .. } => write!(formatter, "redis://{host}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::CacheAt;

    fn redis(host: &str, user: &str, pass: &str) -> CacheAt {
        CacheAt::Redis { host: host.to_owned(), user: user.to_owned(), pass: pass.into() }
    }

    fn refusal(text: &str) -> String {
        text.parse::<CacheAt>().expect_err("must be refused").to_string()
    }

    #[test]
    fn caches_read_as_they_are_documented() {
        assert_eq!("embedded".parse(), Ok(CacheAt::Embedded));
        assert_eq!("redis://cache:6379".parse(), Ok(redis("cache:6379", "", "")));
        assert_eq!("redis://u:p:q@cache:6379".parse(), Ok(redis("cache:6379", "u", "p:q")));
        assert!(refusal("redis://cache").contains("redis://[user:pass@]host:6379"));
    }

    #[test]
    fn a_login_may_hold_any_character_as_in_the_url_of_a_store() {
        assert_eq!("redis://:p%40ss%2F1@h:6379".parse(), Ok(redis("h:6379", "", "p@ss/1")));
        assert_eq!("redis://a%3Ab:100%25@h:6379".parse(), Ok(redis("h:6379", "a:b", "100%")));
        let refused = refusal("redis://:hunter%FF@h:6379");
        assert!(!refused.contains("hunter"), "{refused}");
    }

    #[test]
    fn only_the_first_database_can_be_had_and_another_is_refused_by_name() {
        for text in ["redis://h:6379", "redis://h:6379/", "redis://h:6379/0"] {
            assert_eq!(text.parse(), Ok(redis("h:6379", "", "")));
        }
        let refused = refusal("redis://:hunter2@h:6379/3");
        assert!(refused.contains("`/3`") && refused.contains("write `/0`") && !refused.contains("hunter"), "{refused}");
        assert!(refusal("redis://h:6379/0?timeout=1").contains("[/0]"));
    }
}
