//! The trace query language: what matches, what is refused and where.

mod trace_builder;

use std::sync::Arc;

use collector::model::{Kind, Span};
use collector::query::parse;
use proptest::prelude::*;
use trace_builder::{int, span, text};

const MS: u64 = 1_000_000;

fn trace() -> Vec<Arc<Span>> {
    vec![
        span(1, 0, 0, 120 * MS)
            .of("gateway", "gateway/1")
            .named("POST /api/order/create")
            .kind(Kind::Server)
            .with(int("http.response.status_code", 503))
            .with(text("http.route", "/api/order/create"))
            .build(),
        span(2, 1, 10 * MS, 90 * MS)
            .of("pay-rpc", "pay-rpc/2")
            .named("pay.Pay/Initiate")
            .kind(Kind::Client)
            .failed()
            .with(text("error.type", "Unavailable"))
            .event("breaker.tripped", vec![text("breaker.name", "pay")])
            .build(),
    ]
}

#[test]
fn queries_match_when_one_span_satisfies_all() {
    let matching = [
        "",
        "service=pay-rpc && duration>50ms && status=error",
        "service=pay-rpc duration>50ms status=error",
        "service==gateway || service=nobody",
        "operation=\"POST /api/order/create\"",
        "name~=\"^POST\"",
        "name!~Initiate",
        "instance=pay-rpc/2 && kind=client",
        "kind!=client status!=error",
        "trace.duration>=120ms && trace.duration<=0.12s",
        "trace.spans=2 && trace.errors=1 && trace.services=2",
        "spans>1",
        "trace.id=00000000000000000000000000000007",
        ".http.response.status_code>=500",
        ".http.response.status_code=503",
        ".http.response.status_code!=200",
        ".http.route=/api/order/create",
        ".error.type~=avail",
        ".error.type",
        "!.error.type",
        ".breaker.name=pay",
        "event=breaker.tripped",
        "INITIATE",
        "order unavailable || pay unavailable",
        "!(service=gateway) && !status=ok",
        "duration<100ms",
        "duration=80000us",
    ];
    for query in matching {
        assert!(parse(query).expect(query).matches(&trace()), "{query} should match");
    }
    let others = [
        "service=gateway && status=error",
        "service=pay",
        "duration>1s",
        "kind=producer",
        ".http.response.status_code<500",
        ".absent",
        ".absent=1",
        ".absent>1",
        "nothing-like-this",
        "event=shed.drop",
        "trace.errors=0",
        "service=gateway service=pay-rpc",
        "gateway pay.Pay",
    ];
    for query in others {
        assert!(!parse(query).expect(query).matches(&trace()), "{query} should not match");
    }
}

#[test]
fn mistakes_name_their_place_and_the_mend() {
    let table = [
        ("servce=gateway", 0, "servce", "did you mean service"),
        ("a && duratoin>1s", 5, "duratoin", "did you mean duration"),
        ("http.route=/x", 0, "http.route", ".http.route"),
        ("duration>50", 9, "50", "such as 50ms"),
        ("duration~=5ms", 10, "duration", "use = != <"),
        ("status=broken", 7, "broken", "error, ok, unset"),
        ("kind>client", 5, "kind", "= or !="),
        ("service>gateway", 8, "service", "~="),
        ("a & b", 2, "&", "&&"),
        ("(a || b", 7, "(", ")"),
        ("a)", 1, ")", ""),
        ("name=\"open", 5, "no end", "\""),
        ("a &&", 4, "ends", "service=gateway"),
        ("=x", 0, "condition", "service=gateway"),
        ("service=", 8, "value", ""),
        ("name~=\"(\"", 6, "regular expression", ""),
        ("trace.spans>few", 12, "few", ""),
        (".size>big", 6, "big", "~="),
    ];
    for (query, position, message, suggestion) in table {
        let error = parse(query).expect_err(query);
        assert_eq!(error.position, position, "{query}: {error}");
        assert!(error.message.contains(message), "{query}: {error}");
        assert!(error.suggestion.clone().unwrap_or_default().contains(suggestion), "{query}: {error}");
    }
}

#[test]
fn size_and_nesting_are_bounded() {
    assert!(parse(&"a ".repeat(3_000)).is_err());
    assert!(parse(&format!("{}a{}", "(".repeat(1_000), ")".repeat(1_000))).is_err());
    assert!(parse(&format!("{}a", "!".repeat(1_000))).is_err());
    assert!(parse(&format!("{}a{}", "(".repeat(40), ")".repeat(40))).is_ok());
}

fn any_query() -> impl Strategy<Value = String> {
    let test = prop_oneof![
        "[a-z/.-]{1,8}",
        Just("service=gateway".to_owned()),
        Just("status!=error".to_owned()),
        Just("kind=server".to_owned()),
        Just(".a.b".to_owned()),
        Just("name!~\"a|b\"".to_owned()),
        Just("'it''s \"quoted\\\\'".to_owned()),
        "duration[<>]=?[0-9]{1,4}(ns|us|ms|s)",
        "trace\\.duration>[0-9]\\.[0-9]{1,3}ms",
        "\\.size(<|>=|=|!=)-?[0-9]{1,4}(\\.[0-9]{1,2})?",
        "\\.[a-z]{1,3}=\"[^\"\\\\]{0,5}\"",
        "spans!=[0-9]{1,3}",
    ];
    test.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 1..4).prop_map(|parts| format!("({})", parts.join(" && "))),
            prop::collection::vec(inner.clone(), 1..4).prop_map(|parts| format!("({})", parts.join("||"))),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("{a} {b}")),
            inner.prop_map(|inner| format!("!{inner}")),
        ]
    })
}

proptest! {
    #[test]
    fn nothing_makes_the_parser_panic(text in any::<String>()) {
        let _ = parse(&text);
    }

    #[test]
    fn noise_of_the_alphabet_does_not_either(text in "[a-z.0-9 ()!=<>~&|\"'\\\\]{0,60}") {
        if let Ok(query) = parse(&text) {
            prop_assert_eq!(parse(&query.to_string()), Ok(query));
        }
    }

    #[test]
    fn the_text_form_parses_to_the_same_query(text in any_query()) {
        let query = parse(&text).map_err(|error| TestCaseError::fail(format!("{text}: {error}")))?;
        prop_assert_eq!(parse(&query.to_string()), Ok(query.clone()), "{} became {}", text, query);
        query.matches(&trace());
    }
}
