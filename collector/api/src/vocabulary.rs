//! What the shop says beyond the OpenTelemetry conventions.
//!
//! Two crates that do not know each other must use the same words: the shop writes them, the collector reads them. The
//! constants are for code, [`TERMS`] is for documents and help; a test keeps both and `docs/vocabulary.md` equal.

use std::fmt::Write as _;

/// Where a word is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Name of an event on a span.
    SpanEvent,
    /// Name of a span.
    Span,
    /// Attribute of a span, an event or a metric point.
    Attribute,
    /// Attribute of a resource.
    Resource,
    /// Name of a metric.
    Metric,
}

/// One word and what it means.
#[derive(Debug, Clone, Copy)]
pub struct Term {
    /// The word on the wire.
    pub name: &'static str,
    /// Where it stands.
    pub place: Place,
    /// Unit or type, then meaning.
    pub meaning: &'static str,
}

macro_rules! vocabulary {
    ($($constant:ident = $name:literal, $place:ident, $meaning:literal;)*) => {
        $(#[doc = $meaning] pub const $constant: &str = $name;)*
        /// Every word, in the order of the document.
        pub const TERMS: &[Term] = &[$(Term { name: $name, place: Place::$place, meaning: $meaning },)*];
    };
}

vocabulary! {
    // Balancing
    P2C_PICK = "p2c.pick", SpanEvent, "A balancer chose a replica; on the CLIENT span.";
    P2C_A_TARGET = "a.target", Attribute, "host:port of the first candidate.";
    P2C_A_LOAD = "a.load", Attribute, "Its load when picked: floor(sqrt(lag + 1)) * (in flight + 1).";
    P2C_A_EWMA_NS = "a.ewma_ns", Attribute, "Its latency average when picked, nanoseconds.";
    P2C_B_TARGET = "b.target", Attribute, "host:port of the second candidate; absent with a single replica.";
    P2C_B_LOAD = "b.load", Attribute, "Load of the second candidate.";
    P2C_B_EWMA_NS = "b.ewma_ns", Attribute, "Latency average of the second candidate, nanoseconds.";
    P2C_CHOSEN = "chosen", Attribute, "host:port of the replica that was chosen.";
    P2C_FORCED = "forced", Attribute, "True when the worse candidate was taken because it had not been picked for over a second.";
    LB_ALGORITHM = "loadbalancer.algorithm", Attribute, "`p2c` on CLIENT spans that were balanced.";
    LB_TARGET = "loadbalancer.target", Attribute, "host:port of the picked replica.";
    P2C_SERVICE = "p2c.service", Attribute, "Service whose replicas a metric point describes.";
    P2C_INSTANCE = "p2c.instance", Attribute, "Replica that a metric point describes, such as `pay-rpc/1`.";
    P2C_PICKS = "p2c.picks", Metric, "Counter: picks by p2c.service, p2c.instance and forced; zero from the start.";
    P2C_EWMA = "p2c.ewma", Metric, "Gauge, nanoseconds: latency average of a replica as its caller sees it.";
    P2C_INFLIGHT = "p2c.inflight", Metric, "Gauge: calls in flight to a replica.";
    P2C_SUCCESS = "p2c.success", Metric, "Gauge, 0 to 1,000: success average of a replica; healthy above 500.";
    P2C_LOAD = "p2c.load", Metric, "Gauge: load of a replica as its caller sees it.";

    // Discovery
    DISCOVERY_SERVICE = "discovery.service", Attribute, "Service whose replicas are looked for.";
    DISCOVERY_ENDPOINTS = "discovery.endpoints", Metric, "Gauge: replicas of a service that the process balances over, at most 32.";
    DISCOVERY_LEFT_OUT = "discovery.left_out", Metric, "Gauge: replicas that were found beyond 32 and are not used.";
    DISCOVERY_RELOADS = "discovery.reloads", Metric, "Counter: full answers of a registry by discovery.service; zero from the start.";

    // Breakers
    BREAKER_TRIPPED = "breaker.tripped", SpanEvent, "The drop ratio went from at most 0 to above 0.";
    BREAKER_REJECTED = "breaker.rejected", SpanEvent, "A breaker refused the call.";
    BREAKER_PLACE = "breaker.place", Attribute, "`client`, `server` or `route`.";
    BREAKER_NAME = "breaker.name", Attribute, "What the breaker guards: a target and method, a method, or a route.";
    BREAKER_ACCEPTS = "accepts", Attribute, "Accepted calls in the breaker's window.";
    BREAKER_TOTAL = "total", Attribute, "All calls in the breaker's window, rejections included.";
    BREAKER_WEIGHT = "weight", Attribute, "The factor w of the drop ratio, between 1.1 and 1.5.";
    BREAKER_RATIO = "ratio", Attribute, "Drop ratio ((total - 5) - w * accepts) / (total + 1).";
    BREAKER_TRIPS = "breaker.trips", Metric, "Counter: trips by breaker.place and breaker.name; zero from the start.";
    BREAKER_REJECTIONS = "breaker.rejections", Metric, "Counter: rejections by breaker.place and breaker.name; zero from the start.";
    BREAKER_CALLS = "breaker.calls", Metric, "Counter: calls that ran, by breaker.place, breaker.name and outcome (`ok`, `failed`).";
    BREAKER_OUTCOME = "outcome", Attribute, "`ok` or `failed`, on breaker.calls.";
    BREAKER_STATE_ACCEPTS = "breaker.accepts", Metric, "Gauge: accepted calls in the breaker's window.";
    BREAKER_STATE_TOTAL = "breaker.total", Metric, "Gauge: all calls in the breaker's window.";
    BREAKER_STATE_WEIGHT = "breaker.weight", Metric, "Gauge: the factor w now.";
    BREAKER_STATE_RATIO = "breaker.ratio", Metric, "Gauge: the drop ratio now, at most 0 when nothing is dropped.";

    // Shedding, limits, faults
    SHED_DROP = "shed.drop", SpanEvent, "The shedder refused a request.";
    SHED_PLACE = "shed.place", Attribute, "Which shedder: `http`, `http-priority` (routes that are refused last) or `rpc`; on shed.drop and on the metrics.";
    SHED_CPU = "cpu", Attribute, "Thousandths of the processor share in use.";
    SHED_LIMIT = "limit", Attribute, "Requests in flight that the shedder allows.";
    SHED_FLYING = "flying", Attribute, "Requests in flight.";
    SHED_AVG_FLYING = "avg_flying", Attribute, "Moving average of requests in flight.";
    SHED_DROPS = "shed.drops", Metric, "Counter: requests refused by the shedder, by shed.place; zero from the start.";
    SHED_PASSES = "shed.passes", Metric, "Counter: requests that the shedder let pass, by shed.place; zero from the start.";
    SHED_STATE_CPU = "shed.cpu", Metric, "Gauge: thousandths of the processor share in use, as the shedder sees it.";
    SHED_STATE_THRESHOLD = "shed.cpu_threshold", Metric, "Gauge: thousandths from which requests may be shed.";
    SHED_STATE_LIMIT = "shed.limit", Metric, "Gauge: requests in flight that the shedder allows now.";
    SHED_STATE_FLYING = "shed.flying", Metric, "Gauge: requests in flight.";
    SHED_STATE_AVG_FLYING = "shed.avg_flying", Metric, "Gauge: moving average of requests in flight.";
    LIMITER_REJECT = "limiter.reject", SpanEvent, "A rate or connection limit refused a request.";
    LIMITER_NAME = "limiter", Attribute, "Name of the limit.";
    LIMITER_KEY = "key", Attribute, "What the limit counts by.";
    LIMITER_REJECTIONS = "limiter.rejections", Metric, "Counter: requests refused by a limit; zero from the start.";
    LIMITER_PASSES = "limiter.passes", Metric, "Counter: requests that a limit let pass; zero from the start.";
    LIMITER_RESCUES = "limiter.rescues", Metric, "Counter: decisions of a limit made within the process because Redis did not answer.";
    LIMITER_EVICTIONS = "limiter.evictions", Metric, "Counter: callers that a limit forgot too early because there were too many.";
    FAULT_INJECTED = "fault.injected", SpanEvent, "An injected fault touched this call.";
    FAULT_ID = "fault.id", Attribute, "Identity of the fault, such as `f1`.";
    FAULT_KIND = "kind", Attribute, "`latency`, `error` or `kill`.";
    FAULT_DELAY_NS = "delay_ns", Attribute, "Nanoseconds that a latency fault added.";

    // Caches, stores, events
    CACHE_NAME = "cache.name", Attribute, "What is cached, such as `user`.";
    CACHE_OUTCOME = "cache.outcome", Attribute, "`hit` or `miss`, on cache.requests.";
    CACHE_REQUESTS = "cache.requests", Metric, "Counter: look-ups by cache.name and cache.outcome; zero from the start.";
    CACHE_DB_FAILS = "cache.db_fails", Metric, "Counter: look-ups whose query failed, by cache.name; zero from the start.";
    CACHE_DELETES_PUT_OFF = "cache.deletes_put_off", Metric, "Counter: deletions that failed and will be tried again, by cache.name; zero from the start.";
    CACHE_DELETES_LOST = "cache.deletes_lost", Metric, "Counter: deletions that were given up: a key may hold an old row until it expires; zero from the start.";
    STORE_RETRY = "store.retry", SpanEvent, "A database transaction is run a second time.";
    STORE_RETRY_CAUSE = "cause", Attribute, "`deadlock` or `unique` (another transaction wrote the same key first).";
    STORE_RETRIES = "store.retries", Metric, "Counter: database transactions run a second time, by db.query.summary and cause.";
    EVENTS_PUBLISHED = "events.published", Metric, "Counter: order events that the relay delivered.";
    EVENTS_APPLIED = "events.applied", Metric, "Counter: order events that changed an order.";
    EVENTS_DUPLICATE = "events.duplicate", Metric, "Counter: order events that had been applied before.";
    EVENTS_WAITING = "events.waiting", Metric, "Gauge: order events in the outbox that are not delivered yet.";
    EVENTS_REPUBLISHED = "events.republished", Metric, "Counter: messages about order events that were lost on their way and published again; zero from the start.";
    EVENTS_CLAIMED = "events.claimed", Metric, "Counter: messages that a replica took over from one that left them; zero from the start.";
    EVENTS_DEAD = "events.dead", Metric, "Counter: messages that could not be read and were set aside; zero from the start.";

    // The seed's spans and attributes
    CREATE_ORDER_SPAN = "CreateOrderLogic.CreateOrder", Span, "The gateway's order flow.";
    VERIFY_USER_SPAN = "verify_user", Span, "First step of the flow.";
    CREATE_ORDER_STEP_SPAN = "create_order", Span, "Second step of the flow.";
    INITIATE_PAYMENT_SPAN = "initiate_payment", Span, "Third step of the flow.";
    USER_VIP = "user.vip", Attribute, "True on verify_user for a VIP: a collector keeps the trace.";
    USER_NAME = "user.name", Attribute, "Name of the verified user, on verify_user.";
    ORDER_USER_ID = "order.user_id", Attribute, "User that orders.";
    ORDER_ITEMS_COUNT = "order.items_count", Attribute, "Lines of the order.";
    ORDER_ID = "order.id", Attribute, "Identity of the order.";
    ORDER_TOTAL = "order.total", Attribute, "Minor units (cents).";
    PAYMENT_ID = "payment.id", Attribute, "Identity of the payment.";
    PAYMENT_STATUS = "payment.status", Attribute, "`pending`, `success` or `failed`.";

    // Where a process listens, and what a load run says of a request
    MALL_LISTEN = "mall.listen", Resource, "host:port that the process listens on.";
    MALL_SAMPLER_RATIO = "mall.sampler.ratio", Resource, "Share of the traces beginning in the process that it samples, when it is below 1.";
    SAMPLING_PRIORITY = "sampling.priority", Attribute, "Any span's wish, also of foreign services: above 0 a collector keeps the trace.";
    RUN_ID = "mall.run.id", Attribute, "Load run that sent the request; on the load tool's CLIENT spans.";
    RUN_FLOW = "mall.flow", Attribute, "Flow of the scenario.";
    RUN_STEP = "mall.step", Attribute, "Step of the flow.";
    RUN_INTENDED_UNIX_NS = "mall.intended_unix_ns", Attribute, "When the request should have been sent, nanoseconds since the epoch.";
    RUN_OUTCOME = "mall.outcome", Attribute, "`ok`, or why the request failed.";
    TELEMETRY_DROPPED = "telemetry.spans.dropped", Metric, "Counter: spans that ended and were lost before they were sent; zero from the start.";
    TELEMETRY_EXPORTED = "telemetry.spans.exported", Metric, "Counter: spans that a collector acknowledged.";
}

/// Value of `service.name` of the load tool.
pub const LOADGEN_SERVICE: &str = "loadgen";

/// Value of `loadbalancer.algorithm`.
pub const ALGORITHM_P2C: &str = "p2c";

/// The vocabulary as the Markdown document that `docs/vocabulary.md` holds.
pub fn markdown() -> String {
    let mut document = String::from(
        "# Vocabulary\n\nWhat the shop says beyond the OpenTelemetry conventions. Kept equal to the code by a test.\n\n| word | where | meaning |\n|---|---|---|\n",
    );
    for term in TERMS {
        let place = match term.place {
            Place::SpanEvent => "span event",
            Place::Span => "span",
            Place::Attribute => "attribute",
            Place::Resource => "resource attribute",
            Place::Metric => "metric",
        };
        // Writing to a String cannot fail.
        let _ = writeln!(document, "| `{}` | {place} | {} |", term.name, term.meaning);
    }
    document
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_word_stands_twice_in_one_place() {
        for (at, term) in TERMS.iter().enumerate() {
            let twin = TERMS.iter().skip(at + 1).find(|other| other.name == term.name && other.place == term.place);
            assert!(twin.is_none(), "{} is listed twice", term.name);
        }
    }

    #[test]
    fn the_document_lists_the_same_words() {
        let document = include_str!("../../../docs/vocabulary.md");
        assert_eq!(document, markdown(), "docs/vocabulary.md differs: write what `vocabulary::markdown()` returns");
    }
}
