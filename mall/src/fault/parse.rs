//! From words to a fault.

use super::kind::{KINDS, Kind, Param, Shape};
use crate::config::Role;
use crate::nearest::nearest;
use crate::rpc::{CODES, code_name};
use std::collections::HashMap;
use std::fmt;
use std::hash::BuildHasher;
use std::time::Duration;
use tonic::Code;

const LONGEST_DELAY: Duration = Duration::from_mins(1);

/// A fault that makes sense.
#[derive(Debug, Clone, PartialEq)]
pub struct Fault {
    /// Service whose replicas it touches.
    pub service: Role,
    /// Which of them.
    pub replica: Replica,
    /// What it does to them.
    pub effect: Effect,
}

/// Which replicas of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replica {
    /// `pay-rpc`.
    Every,
    /// `pay-rpc/1`, counted from 1.
    One(u32),
    /// `pay-rpc/any`: one that the supervisor draws; for `kill` only.
    Any,
}

/// What a fault does.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Effect {
    /// Delays by a fixed time, or log-normally when `p99` is above `p50`.
    Latency {
        /// Median delay.
        p50: Duration,
        /// Delay that one in a hundred exceeds.
        p99: Duration,
    },
    /// Fails a share of requests.
    Error {
        /// 0 to 1.
        rate: f64,
        /// What they are answered with.
        code: Code,
    },
    /// Ends the process; done by the supervisor.
    Kill,
}

/// What is wrong with a fault's words, and what would be right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FaultError {
    /// No such kind.
    #[error("unknown kind of fault `{kind}`; did you mean `{nearest}`? `mallctl fault kinds` lists them")]
    Kind {
        /// What was given.
        kind: String,
        /// What looks most like it.
        nearest: &'static str,
    },
    /// No such target.
    #[error("unknown target `{target}`; give a service such as `pay-rpc`, or a replica such as `pay-rpc/1`")]
    Target {
        /// What was given.
        target: String,
    },
    /// No such parameter.
    #[error("`{kind}` has no parameter `{param}`; it takes {valid}")]
    Param {
        /// The kind.
        kind: &'static str,
        /// What was given.
        param: String,
        /// The valid ones in words.
        valid: String,
    },
    /// A parameter that has no default is absent.
    #[error("`{kind}` needs `{param}`: {help}; for example `{param}={example}`")]
    Missing {
        /// The kind.
        kind: &'static str,
        /// The parameter.
        param: &'static str,
        /// What it means.
        help: &'static str,
        /// A value that works.
        example: &'static str,
    },
    /// A value outside of its range.
    #[error("`{param}={value}` is not {expected}")]
    Value {
        /// The parameter.
        param: &'static str,
        /// What was given.
        value: String,
        /// What is valid.
        expected: &'static str,
    },
    /// More faults than a process holds.
    #[error("{given} faults are more than the {most} that a process holds; clear some first")]
    TooMany {
        /// How many were given.
        given: usize,
        /// How many are held.
        most: usize,
    },
    /// The slow end is faster than the middle.
    #[error("p99={p99:?} is below p50={p50:?}; one in a hundred cannot be faster than the median")]
    Inverted {
        /// Median.
        p50: Duration,
        /// The slow end.
        p99: Duration,
    },
}

/// Checks the words of a fault: kind, target (`pay-rpc`, `pay-rpc/1`) and parameters by name.
pub fn parse<S: BuildHasher>(
    kind: &str,
    target: &str,
    params: &HashMap<String, String, S>,
) -> Result<Fault, FaultError> {
    let Some(known) = KINDS.iter().find(|known| known.name == kind) else {
        let nearest = nearest(kind, KINDS.iter().map(|known| known.name)).unwrap_or_default();
        return Err(FaultError::Kind { kind: kind.to_owned(), nearest });
    };
    let (service, replica) = parse_target(target, known)?;
    if let Some(param) = params.keys().find(|name| known.params.iter().all(|param| param.name != name.as_str())) {
        let names: Vec<_> = known.params.iter().map(|param| format!("`{}`", param.name)).collect();
        let valid = if names.is_empty() { "none".to_owned() } else { names.join(" and ") };
        return Err(FaultError::Param { kind: known.name, param: param.clone(), valid });
    }
    let value = |name: &str| -> Result<Value, FaultError> {
        let param = known.params.iter().find(|param| param.name == name);
        param.map_or(Ok(Value::Absent), |param| read(known, param, params.get(name)))
    };
    let effect = match known.name {
        "latency" => {
            let p50 = value("p50")?.duration().unwrap_or_default();
            let p99 = value("p99")?.duration().unwrap_or(p50);
            if p99 < p50 {
                return Err(FaultError::Inverted { p50, p99 });
            }
            Effect::Latency { p50, p99 }
        }
        "error" => Effect::Error {
            rate: value("rate")?.share().unwrap_or(1.0),
            code: value("code")?.code().unwrap_or(Code::Unavailable),
        },
        _ => Effect::Kill,
    };
    Ok(Fault { service, replica, effect })
}

impl Fault {
    /// Whether it touches this instance.
    pub fn touches(&self, instance: &str) -> bool {
        let (service, number) = instance.split_once('/').unwrap_or((instance, "1"));
        service == self.service.name()
            && match self.replica {
                Replica::Every | Replica::Any => true,
                Replica::One(wanted) => number.parse() == Ok(wanted),
            }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.effect {
            Effect::Latency { p50, p99 } if p50 == p99 => write!(out, "latency {p50:?}")?,
            Effect::Latency { p50, p99 } => write!(out, "latency p50={p50:?} p99={p99:?}")?,
            Effect::Error { rate, code } => write!(out, "error rate={rate} code={}", code_name(code))?,
            Effect::Kill => write!(out, "kill")?,
        }
        match self.replica {
            Replica::Every => write!(out, " on {}", self.service),
            Replica::One(number) => write!(out, " on {}/{number}", self.service),
            Replica::Any => write!(out, " on one {}", self.service),
        }
    }
}

fn parse_target(target: &str, kind: &Kind) -> Result<(Role, Replica), FaultError> {
    let unknown = || FaultError::Target { target: target.to_owned() };
    let (service, replica) = target.split_once('/').map_or((target, None), |(service, one)| (service, Some(one)));
    let service: Role = service.parse().map_err(|_| unknown())?;
    if service == Role::Migrate {
        return Err(unknown());
    }
    let replica = match replica {
        None => Replica::Every,
        Some("any") if kind.name == "kill" => Replica::Any,
        Some(number) => match number.parse() {
            Ok(number) if number > 0 => Replica::One(number),
            _ => return Err(unknown()),
        },
    };
    Ok((service, replica))
}

enum Value {
    Absent,
    Duration(Duration),
    Share(f64),
    Code(Code),
}

impl Value {
    fn duration(self) -> Option<Duration> {
        if let Self::Duration(duration) = self { Some(duration) } else { None }
    }

    fn share(self) -> Option<f64> {
        if let Self::Share(share) = self { Some(share) } else { None }
    }

    fn code(self) -> Option<Code> {
        if let Self::Code(code) = self { Some(code) } else { None }
    }
}

fn read(kind: &Kind, param: &Param, given: Option<&String>) -> Result<Value, FaultError> {
    let text = match (given, param.default) {
        (Some(text), _) => text.trim(),
        (None, Some("")) => return Ok(Value::Absent),
        (None, Some(default)) => default,
        (None, None) => {
            let (kind, param, help) = (kind.name, param.name, param.help);
            return Err(FaultError::Missing { kind, param, help, example: "200ms" });
        }
    };
    let value = match param.shape {
        Shape::Duration => parse_duration(text).map(Value::Duration),
        Shape::Share => parse_share(text).map(Value::Share),
        Shape::Code => parse_code(text).map(Value::Code),
    };
    let outside = FaultError::Value { param: param.name, value: text.to_owned(), expected: param.shape.expected() };
    value.ok_or(outside)
}

/// `250us`, `200ms`, `1.5s`, `1m`.
fn parse_duration(text: &str) -> Option<Duration> {
    let unit_at = text.find(|letter: char| letter.is_ascii_alphabetic())?;
    let (number, unit) = text.split_at_checked(unit_at)?;
    let scale = match unit {
        "us" => 1e-6,
        "ms" => 1e-3,
        "s" => 1.0,
        "m" => 60.0,
        _ => return None,
    };
    let duration = Duration::try_from_secs_f64(number.trim().parse::<f64>().ok()? * scale).ok()?;
    (duration <= LONGEST_DELAY).then_some(duration)
}

/// `0.5` or `50%`.
fn parse_share(text: &str) -> Option<f64> {
    let share = match text.strip_suffix('%') {
        Some(percent) => percent.trim().parse::<f64>().ok()? / 100.0,
        None => text.parse().ok()?,
    };
    (0.0..=1.0).contains(&share).then_some(share)
}

fn parse_code(text: &str) -> Option<Code> {
    let name = text.to_ascii_uppercase();
    CODES.into_iter().find(|code| *code != Code::Ok && code_name(*code) == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn params<const N: usize>(pairs: [(&str, &str); N]) -> HashMap<String, String> {
        pairs.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
    }

    #[test]
    fn the_kinds_of_the_table_parse() {
        let slow = parse("latency", "pay-rpc/1", &params([("p50", "200ms"), ("p99", "2s")])).expect("valid");
        assert_eq!(slow.effect, Effect::Latency { p50: Duration::from_millis(200), p99: Duration::from_secs(2) });
        assert!(slow.touches("pay-rpc/1"));
        assert!(!slow.touches("pay-rpc/2"));
        assert!(!slow.touches("order-rpc/1"));
        let failing = parse("error", "order-rpc", &params([("rate", "60%")])).expect("valid");
        assert_eq!(failing.effect, Effect::Error { rate: 0.6, code: Code::Unavailable });
        assert!(failing.touches("order-rpc/3"));
        assert_eq!(parse("kill", "order-rpc/any", &params([])).map(|fault| fault.replica), Ok(Replica::Any));
    }

    #[test]
    fn an_absent_p99_means_a_fixed_delay() {
        let fault = parse("latency", "gateway", &params([("p50", "1.5s")])).expect("valid");
        assert_eq!(fault.to_string(), "latency 1.5s on gateway");
        assert!(fault.touches("gateway"));
    }

    #[test]
    fn mistakes_say_what_would_be_right() {
        let cases = [
            (parse("latancy", "pay-rpc", &params([])), "did you mean `latency`?"),
            (parse("error", "pay", &params([])), "unknown target `pay`"),
            (parse("error", "pay-rpc/0", &params([])), "unknown target `pay-rpc/0`"),
            (parse("error", "pay-rpc/any", &params([])), "unknown target"),
            (parse("error", "migrate", &params([])), "unknown target"),
            (parse("error", "pay-rpc", &params([("rate", "1.5")])), "`rate=1.5` is not a share from 0 to 1"),
            (parse("error", "pay-rpc", &params([("rate", "NaN")])), "is not a share"),
            (parse("error", "pay-rpc", &params([("code", "OK")])), "is not a gRPC code"),
            (parse("error", "pay-rpc", &params([("p50", "1s")])), "it takes `rate` and `code`"),
            (parse("latency", "pay-rpc", &params([])), "needs `p50`"),
            (parse("latency", "pay-rpc", &params([("p50", "2m")])), "is not a duration"),
            (parse("latency", "pay-rpc", &params([("p50", "2s"), ("p99", "1s")])), "is below"),
            (parse("kill", "pay-rpc/1", &params([("rate", "1")])), "it takes none"),
        ];
        for (parsed, expected) in cases {
            let message = parsed.expect_err(expected).to_string();
            assert!(message.contains(expected), "{message}");
        }
    }

    proptest! {
        #[test]
        fn no_words_panic(kind in "[a-z]{0,8}|latency|error", target in "[a-z/0-9-]{0,12}|pay-rpc", value in "[ -~]{0,10}") {
            let _ = parse(&kind, &target, &params([("p50", value.as_str())]));
            let _ = parse(&kind, &target, &params([("rate", value.as_str()), ("code", value.as_str())]));
        }
    }
}
