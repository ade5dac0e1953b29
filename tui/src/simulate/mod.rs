//! A tiny shop, simulated second by second, whose figures all come from the same requests.
//!
//! Every request passes the gateway, then user, order and pay in turn, each on one of three replicas. Pay's replicas are
//! picked as P2C would: away from a slow one, towards one that fails fast. Pay's client breaker drops by go-zero's
//! formula over ten seconds. Nothing here draws; tests compare what the console draws with what happened here.

mod answers;
mod delta;
mod events;
mod fixtures;
mod refusals;
mod seconds;
mod traffic;

use collector_api::console as wire;

pub use fixtures::{hello, status, trace};

use crate::Launch;
use crate::model::Model;
use crate::model::data::SECOND_NS;
use crate::msg::{Answer, Msg};
use crate::update::update;

/// 2026-11-22 12:03:30 UTC: the first second.
pub const BEGIN_S: u64 = 1_795_349_010;

/// When the fault begins, seconds after the first.
pub const FAULT_AT: u64 = 50;

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Drill {
    /// Nothing.
    None,
    /// pay-rpc/1 answers slowly.
    SlowReplica,
    /// pay-rpc/2 fails half its calls at once.
    FastFail,
    /// Every pay replica fails 60 % of its calls.
    Brownout,
    /// The gateway sheds 30 % of its requests and a limit refuses a few.
    Overload,
}

/// What happened in one second, kept for tests.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    /// Requests and failed ones.
    pub requests: u64,
    /// Failed requests.
    pub failed: u64,
    /// Picks of pay's replicas.
    pub picks: [u64; 3],
    /// pay's breaker: ok, failed, rejected, ratio.
    pub breaker: (u64, u64, u64, f64),
    /// Requests that the gateway's shedder and its limit refused.
    pub refused: (u64, u64),
}

struct Request {
    total_us: u64,
    failed: bool,
    parts: Vec<(&'static str, String, &'static str, u64)>,
}

/// The simulated shop.
pub struct Shop {
    drill: Drill,
    seed: u64,
    /// By second since the first.
    pub tallies: Vec<Tally>,
    seconds: Vec<wire::Second>,
    recent: Vec<(u64, Vec<Request>)>,
}

/// Requests a second.
const RATE: u64 = 400;

impl Shop {
    /// Lets a drill run for so many seconds.
    pub fn run(drill: Drill, seconds: u64) -> Self {
        let mut shop = Self { drill, seed: 7, tallies: Vec::new(), seconds: Vec::new(), recent: Vec::new() };
        (0..seconds).for_each(|second| shop.second(second));
        shop
    }

    /// The last second that is complete, in seconds since the epoch.
    pub fn head_s(&self) -> u64 {
        BEGIN_S + self.tallies.len() as u64 - 1
    }

    fn now_ns(&self) -> u64 {
        (self.head_s() + 1) * SECOND_NS + 600_000_000
    }

    /// A console that heard all of it.
    pub fn model(&self) -> Model {
        let mut model = Model::new("127.0.0.1:4320", Launch::Up { can_stop: true });
        model.has_token = true;
        update(&mut model, Msg::Clock(self.now_ns()));
        update(&mut model, Msg::Connected(Box::new(hello())));
        update(&mut model, Msg::Status(Box::new(status())));
        update(&mut model, Msg::Delta(Box::new(self.delta())));
        for answer in [
            Answer::Attribution { end_s: None, cohort: Some(self.cohort()) },
            Answer::Balance(self.balance()),
            Answer::Breakers(self.breakers()),
            Answer::Refusals(self.refusals()),
            Answer::Traces { generation: model.traces.generation, reply: self.traces() },
        ] {
            update(&mut model, Msg::Answer(Box::new(answer)));
        }
        model
    }
}
