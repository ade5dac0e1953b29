//! What a decision costs, beside the cost of the clock reading and the lock that it cannot do without.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use governance::breaker::Breaker;
use governance::p2c::{Picker, Replica};
use governance::{Clock, Environment, MonotonicClock, Silent};

fn environment() -> Environment {
    Environment::new(1, Arc::new(Silent))
}

fn decisions(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decision");
    group.warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(1));

    let (clock, lock) = (MonotonicClock::new(), Mutex::new(Duration::ZERO));
    group.bench_function("floor: clock and lock", |bencher| {
        bencher.iter(|| *lock.lock().expect("nothing panics while it is held") = clock.now());
    });

    let breaker = Breaker::new("client", "bench", environment());
    group.bench_function("breaker: allow and accept", |bencher| {
        bencher.iter(|| breaker.allow().expect("successes pass").accept());
    });

    let replica = |n| Replica { instance: format!("r/{n}").into(), address: format!("127.0.0.1:{n}").into() };
    let picker = Picker::new("r", (1..=3).map(replica).collect(), environment());
    group.bench_function("p2c: pick and done", |bencher| {
        bencher.iter(|| picker.pick().expect("three replicas").done(true));
    });
    group.finish();
}

criterion_group!(benches, decisions);
criterion_main!(benches);
