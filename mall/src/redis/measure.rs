//! What commands cost, under go-zero's names and under the conventions'.

use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, Histogram};

use super::command::Command;
use super::error::RedisError;
use crate::telemetry::Meters;

/// From here on a command is slow, as in go-zero.
const SLOW: Duration = Duration::from_millis(100);

/// Commands whose errors are counted from zero on, so that the first one is an increase of something.
const EVERYDAY: [&str; 5] = ["get", "set", "setex", "del", "evalsha"];

/// The instruments of one connection.
pub(super) struct Measure {
    milliseconds: Histogram<f64>,
    seconds: Histogram<f64>,
    errors: Counter<u64>,
    slow: Counter<u64>,
}

impl Measure {
    pub(super) fn new(meters: &Meters) -> Self {
        let (milliseconds, seconds) = meters.store_durations("redis_client_requests_duration_ms");
        let counter = |name: &'static str| meters.meter().u64_counter(name).build();
        let errors = counter("redis_client_requests_error_total");
        for command in EVERYDAY {
            for kind in RedisError::KINDS {
                errors.add(0, &[KeyValue::new("command", command), KeyValue::new("error", kind)]);
            }
        }
        Self { milliseconds, seconds, errors, slow: counter("redis_client_requests_slow_total") }
    }

    pub(super) fn command(&self, command: Command, elapsed: Duration, error: Option<&RedisError>) {
        let label = KeyValue::new("command", command.label);
        // go-zero observes whole milliseconds.
        self.milliseconds.record(elapsed.as_millis() as f64, std::slice::from_ref(&label));
        let conventions = [KeyValue::new("db.system.name", "redis"), KeyValue::new("db.operation.name", command.name)];
        self.seconds.record(elapsed.as_secs_f64(), &conventions);
        if elapsed >= SLOW {
            self.slow.add(1, std::slice::from_ref(&label));
            tracing::warn!(command = command.name, duration_ms = elapsed.as_secs_f64() * 1e3, "slow redis command");
        }
        if let Some(error) = error {
            self.errors.add(1, &[label, KeyValue::new("error", error.kind())]);
        }
    }
}
