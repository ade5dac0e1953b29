//! A second as the collector tells it.

use std::collections::{BTreeMap, HashMap};

use collector_api::console as wire;
use collector_api::sketch::Sketch;

use super::{BEGIN_S, RATE, Request, Tally};

/// One second from its tally, its cells by service and instance, its latencies and its requests.
pub(super) fn wire_second(
    at: u64,
    tally: &Tally,
    cells: BTreeMap<(&str, String), (u64, u64, Sketch)>,
    ok: &Sketch,
    failed: &Sketch,
    requests: &[Request],
) -> wire::Second {
    let services = cells
        .into_iter()
        .map(|((service, instance), (requests, errors, latency))| wire::ServiceCell {
            service: service.to_owned(),
            instance,
            requests,
            errors,
            latency: Some((&latency).into()),
            ..Default::default()
        })
        .collect();
    let balance = tally.picks.iter().enumerate().map(|(replica, picks)| wire::BalanceCell {
        service: "pay-rpc".to_owned(),
        instance: format!("pay-rpc/{}", replica + 1),
        picks: *picks,
        ..Default::default()
    });
    let (ran_ok, ran_failed, rejected, ratio) = tally.breaker;
    let breaker = wire::BreakerCell {
        place: "client".to_owned(),
        caller: "gateway".to_owned(),
        name: "pay-rpc mall.Pay/InitiatePayment".to_owned(),
        ok: ran_ok,
        failed: ran_failed,
        rejected,
        ratio,
    };
    let mut all = ok.clone();
    all.merge(failed);
    let mut ttfb = Sketch::new();
    for request in requests {
        ttfb.record_us(request.total_us * 9 / 10);
    }
    wire::Second {
        unix_s: BEGIN_S + at,
        services,
        entry_ok: Some(ok.into()),
        entry_failed: Some(failed.into()),
        run: Some(wire::RunCell {
            run_id: "r-7f3a".to_owned(),
            offered: RATE,
            started: RATE,
            requests: RATE,
            ok: tally.requests - tally.failed,
            failed: tally.failed,
            in_flight: 9,
            lag_p99_us: 180,
            intended: Some((&all).into()),
            service: Some((&all).into()),
            ttfb: Some((&ttfb).into()),
            outcomes: if tally.failed > 0 {
                HashMap::from([("downstream".to_owned(), tally.failed)])
            } else {
                HashMap::new()
            },
            ..Default::default()
        }),
        balance: balance.collect(),
        breakers: vec![breaker],
    }
}
