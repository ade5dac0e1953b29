//! Draws the waterfall of a large trace at 200x60. Rows that are not seen must cost next to nothing: the ratio between
//! ten thousand spans and one hundred is what to watch.

use std::hint::black_box;

use collector_api::console::{PathSection, Trace};
use criterion::{Criterion, criterion_group, criterion_main};
use tui::Format;

fn trace(spans: u32) -> Trace {
    let length = 1_000_000_000_u64;
    Trace {
        trace_id: vec![1; 16],
        duration_ns: length,
        strings: vec![String::new(), "order-rpc".to_owned(), "order-rpc/1".to_owned(), "SELECT product".to_owned()],
        span_id: (1..=u64::from(spans)).collect(),
        depth: (0..spans).map(|row| row.min(1 + row % 7)).collect(),
        start_ns: (0..spans).map(|row| i64::from(row) * 50_000).collect(),
        span_duration_ns: (0..spans).map(|row| length / u64::from(row + 1)).collect(),
        service: vec![1; spans as usize],
        instance: vec![2; spans as usize],
        operation: vec![3; spans as usize],
        critical_path: (0..spans / 2)
            .map(|row| PathSection { row, from_ns: i64::from(row) * 50_000, to_ns: i64::from(row + 1) * 50_000 })
            .collect(),
        ..Trace::default()
    }
}

fn draw(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("waterfall 200x60");
    for spans in [100, 10_000] {
        let trace = trace(spans);
        group.bench_function(format!("{spans} spans"), |bencher| {
            bencher.iter_batched(
                || trace.clone(),
                |trace| black_box(tui::trace_picture(trace, (200, 60), Format::Text)),
                criterion::BatchSize::LargeInput,
            );
        });
    }
    group.finish();
}

criterion_group!(benches, draw);
criterion_main!(benches);
