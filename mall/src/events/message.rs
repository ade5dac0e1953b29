//! One event as the fields of a stream's entry.

use std::str::FromStr;

use http::{HeaderMap, HeaderName, HeaderValue};
use opentelemetry::Context;
use opentelemetry::trace::{SpanContext, TraceContextExt};

use super::Fields;
use crate::order::EventKind;
use crate::telemetry;

const EVENT_ID: &str = "event_id";
const KIND: &str = "kind";
const ORDER_ID: &str = "order_id";
const PAYMENT_ID: &str = "payment_id";
const AMOUNT: &str = "amount";
const DATA: &str = "data";
const PUBLISHER: &str = "publisher";
/// Fields of the trace that published the message, as W3C names them.
const TRACE: [&str; 2] = ["traceparent", "tracestate"];

const SUCCEEDED: &str = "SUCCEEDED";
const FAILED: &str = "FAILED";

/// An event on its way.
#[derive(Debug, Clone)]
pub struct Message {
    /// Unique over all events of the shop's data.
    pub event_id: String,
    /// How the payment ended.
    pub kind: EventKind,
    /// What was paid for.
    pub order_id: i64,
    /// Which payment.
    pub payment_id: i64,
    /// Minor units.
    pub amount: i64,
    /// Identity of the data that it is about.
    pub data: String,
    /// Who waits for the confirmation: one life of one publisher.
    pub publisher: String,
    /// The span that published it.
    pub producer: Option<SpanContext>,
}

/// Why a message cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Poison {
    /// A field is not there.
    #[error("field `{0}` is missing")]
    Missing(&'static str),
    /// A field holds something else.
    #[error("field `{field}` cannot be `{value}`")]
    Wrong {
        /// Which one.
        field: &'static str,
        /// What it holds, shortened.
        value: String,
    },
    /// It is about other data, which was here before.
    #[error("it is about other data: {0}")]
    OtherData(String),
}

impl Message {
    /// The entry's fields, with `context` as the span that publishes.
    pub fn fields(&self, context: &Context) -> Vec<(&'static str, String)> {
        let kind = match self.kind {
            EventKind::Succeeded => SUCCEEDED,
            EventKind::Failed => FAILED,
        };
        let mut fields = vec![
            (EVENT_ID, self.event_id.clone()),
            (KIND, kind.to_owned()),
            (ORDER_ID, self.order_id.to_string()),
            (PAYMENT_ID, self.payment_id.to_string()),
            (AMOUNT, self.amount.to_string()),
            (DATA, self.data.clone()),
            (PUBLISHER, self.publisher.clone()),
        ];
        let mut headers = HeaderMap::new();
        telemetry::inject(context, &mut headers);
        for name in TRACE {
            let value = headers.get(name).and_then(|value| value.to_str().ok());
            fields.extend(value.map(|value| (name, value.to_owned())));
        }
        fields
    }

    /// Reads an entry about this data. Fields that it does not know are left alone: a newer publisher may add some.
    pub fn read(fields: &Fields, data: &str) -> Result<Self, Poison> {
        let kind = match text(fields, KIND)?.as_str() {
            SUCCEEDED => EventKind::Succeeded,
            FAILED => EventKind::Failed,
            other => return Err(Poison::Wrong { field: KIND, value: shortened(other) }),
        };
        let of = text(fields, DATA)?;
        if of != data {
            return Err(Poison::OtherData(shortened(&of)));
        }
        Ok(Self {
            data: of,
            event_id: identity(fields, EVENT_ID)?,
            kind,
            order_id: number(fields, ORDER_ID)?,
            payment_id: number(fields, PAYMENT_ID)?,
            amount: number(fields, AMOUNT)?,
            publisher: identity(fields, PUBLISHER)?,
            producer: producer(fields),
        })
    }

    /// The fields of the confirmation.
    pub fn confirmation(&self) -> [(&'static str, &str); 2] {
        [(PUBLISHER, &self.publisher), (EVENT_ID, &self.event_id)]
    }
}

/// The event that a confirmation is about, if it is meant for `publisher`.
pub fn confirmed(fields: &Fields, publisher: &str) -> Option<String> {
    let meant = text(fields, PUBLISHER).is_ok_and(|name| name == publisher);
    if meant { text(fields, EVENT_ID).ok() } else { None }
}

fn text(fields: &Fields, field: &'static str) -> Result<String, Poison> {
    let value = fields.iter().find(|(name, _)| name == field.as_bytes()).map(|(_, value)| value);
    let value = value.ok_or(Poison::Missing(field))?;
    String::from_utf8(value.clone())
        .map_err(|error| Poison::Wrong { field, value: shortened(&String::from_utf8_lossy(error.as_bytes())) })
}

/// As long as a key of the inbox may be.
fn identity(fields: &Fields, field: &'static str) -> Result<String, Poison> {
    let value = text(fields, field)?;
    let fits = !value.is_empty() && value.len() <= crate::order::MAX_KEY;
    if fits { Ok(value) } else { Err(Poison::Wrong { field, value: shortened(&value) }) }
}

fn number(fields: &Fields, field: &'static str) -> Result<i64, Poison> {
    let value = text(fields, field)?;
    i64::from_str(&value).map_err(|_| Poison::Wrong { field, value: shortened(&value) })
}

/// A broken trace context is no reason not to apply an event.
fn producer(fields: &Fields) -> Option<SpanContext> {
    let mut headers = HeaderMap::new();
    for name in TRACE {
        let value = text(fields, name).ok().and_then(|value| HeaderValue::try_from(value).ok());
        headers.extend(value.map(|value| (HeaderName::from_static(name), value)));
    }
    let context = telemetry::extract(&headers);
    let span = context.span();
    let id = span.span_context();
    id.is_valid().then(|| id.clone())
}

fn shortened(value: &str) -> String {
    value.chars().take(64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message() -> Message {
        Message {
            event_id: "payment-7".to_owned(),
            kind: EventKind::Failed,
            order_id: 70,
            payment_id: 7,
            amount: 990,
            data: "ours".to_owned(),
            publisher: "pay-rpc/1".to_owned(),
            producer: None,
        }
    }

    fn wire(message: &Message, context: &Context) -> Fields {
        let fields = message.fields(context);
        fields.into_iter().map(|(name, value)| (name.as_bytes().to_vec(), value.into_bytes())).collect()
    }

    fn published() -> Context {
        let mut headers = HeaderMap::new();
        let parent = HeaderValue::from_static("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
        headers.insert("traceparent", parent);
        headers.insert("tracestate", HeaderValue::from_static("vendor=1"));
        telemetry::extract(&headers)
    }

    #[test]
    fn what_is_written_reads_back_with_its_trace() {
        let read = Message::read(&wire(&message(), &published()), "ours").expect("reads");
        assert_eq!((read.event_id.as_str(), read.kind, read.order_id), ("payment-7", EventKind::Failed, 70));
        assert_eq!((read.payment_id, read.amount, read.publisher.as_str()), (7, 990, "pay-rpc/1"));
        let producer = read.producer.expect("a trace");
        assert_eq!(producer.span_id().to_string(), "b7ad6b7169203331");
        assert_eq!(producer.trace_state().header(), "vendor=1");
    }

    #[test]
    fn a_message_without_a_trace_is_still_an_event() {
        let mut fields = wire(&message(), &Context::new());
        assert_eq!(fields.len(), 7);
        fields.push((b"traceparent".to_vec(), b"\xff\xfe".to_vec()));
        fields.push((b"later".to_vec(), b"unknown".to_vec()));
        assert!(Message::read(&fields, "ours").expect("reads").producer.is_none());
    }

    #[test]
    fn what_cannot_be_read_says_why() {
        let with = |field: &str, value: &[u8]| {
            let mut fields = wire(&message(), &Context::new());
            let place = fields.iter_mut().find(|(name, _)| name == field.as_bytes()).expect("is there");
            place.1 = value.to_vec();
            Message::read(&fields, "ours").expect_err("must be refused").to_string()
        };
        assert_eq!(with("order_id", b"seven"), "field `order_id` cannot be `seven`");
        assert_eq!(with("kind", b"REFUNDED"), "field `kind` cannot be `REFUNDED`");
        assert_eq!(with("event_id", b""), "field `event_id` cannot be ``");
        assert!(with("amount", &[0xff]).starts_with("field `amount` cannot be"));
        assert!(with("event_id", &[b'x'; 4_000]).len() < 120, "a message is shortened in the log");
        let mut fields = wire(&message(), &Context::new());
        fields.retain(|(name, _)| name != b"amount");
        assert_eq!(Message::read(&fields, "ours").expect_err("refused"), Poison::Missing("amount"));
        assert_eq!(Message::read(&fields, "theirs").expect_err("refused"), Poison::OtherData("ours".to_owned()));
    }

    #[test]
    fn a_confirmation_counts_only_for_its_publisher() {
        let message = message();
        let fields: Fields = message
            .confirmation()
            .iter()
            .map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec()))
            .collect();
        assert_eq!(confirmed(&fields, "pay-rpc/1").as_deref(), Some("payment-7"));
        assert_eq!(confirmed(&fields, "pay-rpc/2"), None);
    }
}
