//! Which ten seconds the panels of the overview describe: the last ones, those that end with the map's cursor, or, when
//! no request comes any more, the last that had some.

use std::ops::RangeInclusive;

use super::Model;
use super::data::{Data, WINDOW_S};
use super::seconds::Second;

/// The end of what the panels describe, seconds since the epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// The last complete second.
    Now,
    /// The second under the cursor.
    Cursor(u64),
    /// The last second with requests, when the last ten had none.
    LastTraffic(u64),
}

impl Moment {
    /// What the overview describes.
    pub fn of(model: &Model) -> Self {
        let data = model.data();
        let head = data.head_s();
        if let Some(cursor) = model.overview.cursor.filter(|cursor| cursor.unix_s < head) {
            return Self::Cursor(cursor.unix_s);
        }
        let has_requests = |second: &&Second| second.services.iter().any(|cell| cell.requests > 0);
        match data.seconds.range(0..=head).rev().find(has_requests) {
            Some(second) if second.unix_s < *data.window().start() => Self::LastTraffic(second.unix_s),
            _ => Self::Now,
        }
    }

    /// Its last second, unless that is the present.
    pub fn past(self) -> Option<u64> {
        match self {
            Self::Now => None,
            Self::Cursor(end) | Self::LastTraffic(end) => Some(end),
        }
    }

    /// The seconds.
    pub fn window(self, data: &Data) -> RangeInclusive<u64> {
        let end = self.past().unwrap_or_else(|| data.head_s());
        end.saturating_sub(WINDOW_S - 1)..=end
    }
}
