//! Arrivals: which fields belong to which kind, and their ranges.

use std::time::Duration;

use toml::Spanned;

use super::{Checker, MAX_IN_FLIGHT};
use crate::scenario::error::Mistake;
use crate::scenario::file::ArrivalShape;
use crate::scenario::{Arrival, Stage};

/// Largest worker pool.
const LARGEST_POOL: u32 = 20_000;
/// Highest rate that is accepted, flow starts per second.
const HIGHEST_RATE: f64 = 100_000.0;

impl Checker<'_> {
    pub(super) fn pool_size(&self, arrival: &ArrivalShape) -> Result<u32, Mistake> {
        let sizes = [("max_in_flight", &arrival.max_in_flight), ("users", &arrival.users)];
        for (field, size) in sizes {
            if let Some(size) = size
                && !(1..=LARGEST_POOL).contains(size.get_ref())
            {
                return Err(self.at(size, field, format!("must be 1 to {LARGEST_POOL}")));
            }
        }
        let given = arrival.max_in_flight.as_ref().or(arrival.users.as_ref());
        Ok(given.map_or(MAX_IN_FLIGHT, |size| *size.get_ref()))
    }

    pub(super) fn arrival(&self, shape: Spanned<ArrivalShape>) -> Result<Arrival, Mistake> {
        let start = shape.span().start;
        let shape = shape.into_inner();
        let kind = shape.kind.get_ref().clone();
        let surplus = match kind.as_str() {
            "constant" | "poisson" => [("stages", shape.stages.is_some()), ("users", shape.users.is_some())],
            "stages" => [("rate", shape.rate.is_some()), ("users", shape.users.is_some())],
            "users" => [("rate", shape.rate.is_some()), ("stages", shape.stages.is_some())],
            other => return Err(self.unknown(&shape.kind, "kind", other, &["constant", "stages", "poisson", "users"])),
        };
        if let Some((field, _)) = surplus.into_iter().find(|(_, given)| *given) {
            return Err(self.mistake(start, field, format!("an arrival of kind `{kind}` has no `{field}`")));
        }
        let missing = |field: &str| self.mistake(start, field, format!("an arrival of kind `{kind}` needs `{field}`"));
        if let Some(stages) = shape.stages {
            let stages = stages
                .into_iter()
                .map(|stage| {
                    let ramp = stage.ramp.map_or(Duration::ZERO, |length| length.0);
                    Ok(Stage { rate: self.rate(&stage.rate)?, ramp, hold: stage.lasts.0 })
                })
                .collect::<Result<Vec<_>, Mistake>>()?;
            let arrival = Arrival::Stages(stages);
            if arrival.highest_rate() <= 0.0 || arrival.length().is_zero() {
                return Err(self.mistake(start, "stages", "the stages send nothing: give a rate and a length"));
            }
            return Ok(arrival);
        }
        if kind == "stages" {
            return Err(missing("stages"));
        }
        let lasts = shape.lasts.ok_or_else(|| missing("for"))?.0;
        if lasts.is_zero() {
            return Err(self.mistake(start, "for", "the arrival has no length"));
        }
        if kind == "users" {
            return Ok(Arrival::Users { users: *shape.users.ok_or_else(|| missing("users"))?.get_ref(), lasts });
        }
        let rate = shape.rate.ok_or_else(|| missing("rate"))?;
        let per_second = self.rate(&rate)?;
        if per_second <= 0.0 {
            return Err(self.at(&rate, "rate", "must be above 0"));
        }
        Ok(if kind == "poisson" {
            Arrival::Poisson { rate: per_second, lasts }
        } else {
            Arrival::Constant { rate: per_second, lasts }
        })
    }

    fn rate(&self, rate: &Spanned<f64>) -> Result<f64, Mistake> {
        let value = *rate.get_ref();
        if (0.0..=HIGHEST_RATE).contains(&value) {
            Ok(value)
        } else {
            Err(self.at(rate, "rate", format!("must be 0 to {HIGHEST_RATE} flow starts per second")))
        }
    }
}
