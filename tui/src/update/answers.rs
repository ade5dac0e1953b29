//! Answers find their place; late answers to older questions are dropped.

use collector_api::console::{Cohort, TraceSummary};

use super::{Effects, polls, trace};
use crate::model::data::SECOND_NS;
use crate::model::moment::Moment;
use crate::model::polls::Poll;
use crate::model::trace::TraceRows;
use crate::model::ui::PastCause;
use crate::model::{Model, intake};
use crate::msg::{Answer, Ask};

/// How long a trace that is not complete is waited for before it is listed.
const ARRIVING_NS: u64 = 5 * SECOND_NS;

pub(super) fn take(model: &mut Model, answer: Answer) -> Effects {
    match answer {
        Answer::Attribution { end_s: None, cohort } => {
            model.polls.settle(Poll::Attribution);
            model.live.cause = cohort.map(intake::cohort);
            model.live.resentence();
        }
        Answer::Attribution { end_s: Some(end_s), cohort } => return past(model, end_s, cohort),
        Answer::Traces { generation, reply } => {
            model.polls.settle(Poll::Traces);
            if generation == model.traces.generation && model.frozen.is_none() {
                let all = reply.traces.len();
                // A trace that is not whole yet would change its root and its length under the reader's eyes.
                let settled = model.live.now_ns.saturating_sub(ARRIVING_NS);
                let is_listed = |trace: &TraceSummary| trace.complete || trace.start_unix_ns < settled;
                model.traces.list = reply.traces.into_iter().filter(is_listed).map(intake::summary).collect();
                model.traces.arriving = all - model.traces.list.len();
                model.traces.counts = (reply.seen, reply.kept, reply.matched);
                model.traces.error = None;
                model.traces.answered = true;
            }
        }
        Answer::Trace(wire) => {
            if let Some(open) = model.trace.as_mut().filter(|open| open.id == wire.trace_id) {
                let rows = TraceRows::new(intake::trace(*wire));
                open.error = None;
                if open.selected == 0 || rows.row_of(open.selected).is_none() {
                    open.selected = rows.rows.first().map_or(0, |row| row.span_id);
                }
                open.rows = Some(rows);
                return trace::details(model);
            }
        }
        Answer::Spans { trace_id, reply } => {
            if let Some(open) = model.trace.as_mut().filter(|open| open.id == trace_id) {
                open.details.extend(reply.spans.into_iter().map(|span| (span.span_id, intake::span(span))));
            }
        }
        Answer::Logs { trace_id, reply } => {
            if let Some(open) = model.trace.as_mut().filter(|open| open.id == trace_id) {
                open.logs = reply.records.into_iter().map(intake::log).collect();
            }
        }
        Answer::Services(reply) => {
            model.polls.settle(Poll::Services);
            model.live.services = intake::services(reply);
        }
        Answer::Balance(reply) => {
            model.polls.settle(Poll::Balance);
            model.live.balance = intake::balance(reply);
        }
        Answer::Breakers(reply) => {
            model.polls.settle(Poll::Breakers);
            model.live.breakers = intake::breakers(reply);
        }
        Answer::Refusals(reply) => {
            model.polls.settle(Poll::Refusals);
            model.live.refusals = intake::refusals(reply);
        }
        Answer::Alerts(mut reply) => {
            model.polls.settle(Poll::Alerts);
            model.live.alerts = std::mem::take(&mut reply.alerts).into_iter().map(intake::alert).collect();
            reply.refused.iter_mut().for_each(intake::tidy);
            intake::tidy(&mut reply.profile);
            model.live.alert_rules = reply;
        }
    }
    Effects::new()
}

/// The answer for a moment in the past; when the cursor has moved on meanwhile, that moment is asked for.
fn past(model: &mut Model, end_s: u64, cohort: Option<Cohort>) -> Effects {
    model.polls.settle(Poll::Past);
    if Moment::of(model).past() == Some(end_s) {
        model.overview.past = Some(PastCause { end_s, cohort: cohort.map(intake::cohort).unwrap_or_default() });
        return Effects::new();
    }
    model.polls.hurry(Poll::Past);
    polls(model)
}

pub(super) fn refuse(model: &mut Model, ask: &Ask, mut why: String) {
    intake::tidy(&mut why);
    if let Some(poll) = ask.poll() {
        model.polls.settle(poll);
    }
    match ask {
        Ask::Traces { generation, .. } if *generation == model.traces.generation => {
            model.traces.error = Some(why);
            model.traces.answered = true;
        }
        Ask::Trace(id) => {
            if let Some(open) = model.trace.as_mut().filter(|open| open.id == *id) {
                open.error = Some(why);
            }
        }
        _ => {}
    }
}
