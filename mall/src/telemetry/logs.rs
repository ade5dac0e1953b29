//! Log lines: to standard error or a file for people, over OTLP for the collector, both with the ids of the current trace.

use super::TelemetryError;
use crate::config::{Log, log_filter};
use opentelemetry::Context;
use opentelemetry::trace::TraceContextExt;
use opentelemetry_appender_tracing::layer::OpenTelemetryTracingBridge;
use opentelemetry_sdk::logs::SdkLoggerProvider;
use serde_json::{Map, Value};
use std::fmt::{self, Write as _};
use std::fs::OpenOptions;
use std::path::Path;
use std::sync::Mutex;
use std::time::{SystemTime, UNIX_EPOCH};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::filter::{EnvFilter, LevelFilter, ParseError, filter_fn};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{self as lines, FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{Layer, Registry};

/// Libraries below the exporter: a line of theirs over OTLP would beget the next one.
const BELOW_THE_EXPORTER: [&str; 5] = ["opentelemetry", "h2", "hyper", "tonic", "tower"];

/// Makes `config` the process's log. A subscriber that is there already, as in a test, stays.
pub(super) fn install(config: &Log, name: &str, provider: &SdkLoggerProvider) -> Result<(), TelemetryError> {
    let filter = filter(&config.level)?;
    let is_ours = filter_fn(|line| {
        // The line of an ordinary request says what its SERVER span says.
        let is_access = line.target() == "access" && *line.level() > tracing::Level::WARN;
        let root = line.target().split("::").next();
        !is_access && !BELOW_THE_EXPORTER.iter().any(|name| root == Some(*name))
    });
    let bridge = OpenTelemetryTracingBridge::new(provider).with_filter(is_ours);
    let format = Lines { is_json: config.encoding != "plain" };
    let printed: Box<dyn Layer<Registry> + Send + Sync> = match config.mode.as_str() {
        "file" => {
            let path = Path::new(&config.path)
                .join(format!("{}.log", if config.service_name.is_empty() { name } else { &config.service_name }));
            let opened = std::fs::create_dir_all(&config.path)
                .and_then(|()| OpenOptions::new().create(true).append(true).open(&path));
            let file = opened.map_err(|source| TelemetryError::LogFile { path: path.display().to_string(), source })?;
            lines::layer().with_ansi(false).event_format(format).with_writer(Mutex::new(file)).boxed()
        }
        _ => lines::layer().with_ansi(false).event_format(format).with_writer(std::io::stderr).boxed(),
    };
    // It filters nothing, but a layer without a filter beside one with a filter would not see what that one refuses.
    let printed = printed.with_filter(LevelFilter::TRACE);
    let layers: Vec<Box<dyn Layer<Registry> + Send + Sync>> = vec![printed.boxed(), bridge.boxed()];
    let subscriber = tracing_subscriber::registry().with(layers).with(filter);
    if tracing::subscriber::set_global_default(subscriber).is_err() {
        tracing::debug!("another log is in use already");
    }
    Ok(())
}

/// The configured filter; the SDK is silent unless it is named, since what it has to say is counted already.
fn filter(level: &str) -> Result<EnvFilter, TelemetryError> {
    let refused = |what| TelemetryError::LogLevel { level: level.to_owned(), what };
    let filter = log_filter(level).map_err(refused)?;
    if level.contains("opentelemetry") {
        return Ok(filter);
    }
    let quiet = ["opentelemetry=off", "opentelemetry_sdk=off", "opentelemetry_otlp=off"];
    quiet.into_iter().try_fold(filter, |filter, directive| {
        let directive = directive.parse().map_err(|error: ParseError| refused(error.to_string()))?;
        Ok(filter.add_directive(directive))
    })
}

/// One line per event, with go-zero's field names.
struct Lines {
    is_json: bool,
}

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let metadata = event.metadata();
        let level = metadata.level().as_str().to_lowercase();
        let ids = Context::map_current(|context| {
            let span = context.span();
            let id = span.span_context();
            id.is_valid().then(|| (id.trace_id().to_string(), id.span_id().to_string()))
        });
        if !self.is_json {
            write!(writer, "{} {level:5} {}", timestamp(), fields.message)?;
            for (key, value) in &fields.others {
                write!(writer, " {key}={value}")?;
            }
            if let Some((trace, _)) = ids {
                write!(writer, " trace={trace}")?;
            }
            return writeln!(writer);
        }
        let mut line = Map::new();
        line.insert("@timestamp".to_owned(), timestamp().into());
        line.insert("level".to_owned(), level.into());
        line.insert("content".to_owned(), fields.message.into());
        line.insert("target".to_owned(), metadata.target().into());
        if let Some((trace, span)) = ids {
            line.insert("trace".to_owned(), trace.into());
            line.insert("span".to_owned(), span.into());
        }
        line.extend(fields.others);
        let text = serde_json::to_string(&line).map_err(|_| fmt::Error)?;
        writeln!(writer, "{text}")
    }
}

#[derive(Default)]
struct Fields {
    message: String,
    others: Map<String, Value>,
}

impl Fields {
    fn keep(&mut self, field: &Field, value: Value) {
        self.others.insert(field.name().to_owned(), value);
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            // Writing to a string cannot fail.
            let _ = write!(self.message, "{value:?}");
        } else {
            self.keep(field, format!("{value:?}").into());
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" { value.clone_into(&mut self.message) } else { self.keep(field, value.into()) }
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.keep(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.keep(field, value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.keep(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.keep(field, value.into());
    }
}

/// RFC 3339 in UTC with milliseconds.
fn timestamp() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let (days, second) = ((since.as_secs() / 86_400) as i64, since.as_secs() % 86_400);
    let (year, month, day) = civil(days);
    let (hour, minute, second_of) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second_of:02}.{:03}Z", since.subsec_millis())
}

/// Date of a day counted from 1970-01-01, in the proleptic Gregorian calendar (Howard Hinnant's `civil_from_days`).
fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::{civil, filter};
    use tracing::Level;
    use tracing_subscriber::layer::SubscriberExt;

    /// Which of the levels a log of `level` shows, from a target of ours.
    fn shown(level: &str) -> Vec<Level> {
        let subscriber = tracing_subscriber::registry().with(filter(level).expect("a level"));
        tracing::subscriber::with_default(subscriber, || {
            let levels = [
                (Level::ERROR, tracing::enabled!(target: "mall", Level::ERROR)),
                (Level::INFO, tracing::enabled!(target: "mall", Level::INFO)),
                (Level::DEBUG, tracing::enabled!(target: "mall", Level::DEBUG)),
            ];
            levels.into_iter().filter_map(|(level, is_shown)| is_shown.then_some(level)).collect()
        })
    }

    #[test]
    fn a_severe_log_shows_errors_and_an_unknown_level_is_refused() {
        assert_eq!(shown("severe"), [Level::ERROR]);
        assert_eq!(shown("info"), [Level::ERROR, Level::INFO]);
        assert_eq!(shown("error,mall=debug"), [Level::ERROR, Level::INFO, Level::DEBUG]);
        let refusal = filter("wran").expect_err("no level").to_string();
        assert!(refusal.contains("log level `wran`") && refusal.contains("`warn`"), "{refusal}");
    }

    #[test]
    fn days_are_dates() {
        assert_eq!(civil(0), (1970, 1, 1));
        assert_eq!(civil(59), (1970, 3, 1));
        assert_eq!(civil(11_016), (2000, 2, 29));
        assert_eq!(civil(20_779), (2026, 11, 22));
        assert_eq!(civil(-1), (1969, 12, 31));
    }
}
