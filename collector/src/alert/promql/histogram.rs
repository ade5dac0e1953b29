//! Quantiles of histograms with cumulative buckets.

use std::collections::BTreeMap;

use super::Vector;
use crate::rollup::metrics::{Labels, NAME};

/// The label that holds a bucket's upper bound.
const BOUND: &str = "le";

#[derive(Debug, Clone, Copy, PartialEq)]
struct Bucket {
    bound: f64,
    /// Values at most `bound`.
    count: f64,
}

/// The quantile of each histogram in a vector of buckets, by labels without `le`.
pub(super) fn quantiles(quantile: f64, vector: &Vector) -> Vector {
    let mut histograms: BTreeMap<Labels, Vec<Bucket>> = BTreeMap::new();
    for (labels, count) in vector {
        let Some(bound) = labels.get(BOUND).and_then(|text| text.parse().ok()) else { continue };
        let key = labels.filtered(|name| name != BOUND && name != NAME);
        histograms.entry(key).or_default().push(Bucket { bound, count: *count });
    }
    histograms.into_iter().map(|(labels, buckets)| (labels, quantile_of(quantile, buckets))).collect()
}

/// The quantile by linear interpolation inside the bucket that holds it, as Prometheus does.
///
/// In the last, open bucket it is that bucket's lower bound: no histogram can answer beyond its highest edge. NaN
/// without an open bucket, with fewer than two buckets or without values.
fn quantile_of(quantile: f64, buckets: Vec<Bucket>) -> f64 {
    match quantile {
        q if q.is_nan() => return f64::NAN,
        q if q < 0.0 => return f64::NEG_INFINITY,
        q if q > 1.0 => return f64::INFINITY,
        _ => {}
    }
    let buckets = ordered(buckets);
    let (Some(last), Some(beneath_last)) = (buckets.last(), buckets.iter().rev().nth(1)) else { return f64::NAN };
    let is_usable = last.bound == f64::INFINITY && last.count > 0.0;
    if !is_usable {
        return f64::NAN;
    }
    let rank = quantile * last.count;
    let at = buckets.partition_point(|bucket| bucket.count < rank).min(buckets.len() - 1);
    let beneath = at.checked_sub(1).and_then(|at| buckets.get(at));
    match (buckets.get(at), beneath) {
        (Some(bucket), _) if bucket.bound == f64::INFINITY => beneath_last.bound,
        (Some(bucket), None) if bucket.bound <= 0.0 => bucket.bound,
        (Some(bucket), beneath) => {
            let low = beneath.copied().unwrap_or(Bucket { bound: 0.0, count: 0.0 });
            low.bound + (bucket.bound - low.bound) * ((rank - low.count) / (bucket.count - low.count))
        }
        (None, _) => f64::NAN,
    }
}

/// Buckets by bound, equal bounds added up, counts made monotonic: scrapes of a changing histogram are not exact.
fn ordered(mut buckets: Vec<Bucket>) -> Vec<Bucket> {
    buckets.sort_by(|bucket, other| bucket.bound.total_cmp(&other.bound));
    let mut merged: Vec<Bucket> = Vec::with_capacity(buckets.len());
    for bucket in buckets {
        match merged.last_mut() {
            Some(last) if last.bound.total_cmp(&bucket.bound).is_eq() => last.count += bucket.count,
            _ => merged.push(bucket),
        }
    }
    let mut most = 0.0_f64;
    for bucket in &mut merged {
        most = most.max(bucket.count);
        bucket.count = most;
    }
    merged
}
