//! Answers find their place; late answers to older questions are dropped.

use collector_api::console::TraceSummary;

use super::{Effects, trace};
use crate::model::data::SECOND_NS;
use crate::model::trace::TraceRows;
use crate::model::{Model, intake};
use crate::msg::{Answer, Ask};

/// How long a trace that is not complete is waited for before it is listed.
const ARRIVING_NS: u64 = 5 * SECOND_NS;

pub(super) fn take(model: &mut Model, answer: Answer) -> Effects {
    match answer {
        Answer::Attribution(cohort) => {
            model.polls.settle(crate::model::polls::Poll::Attribution);
            model.live.cause = cohort.map(intake::cohort);
            model.live.resentence();
        }
        Answer::Traces { generation, reply } => {
            model.polls.settle(crate::model::polls::Poll::Traces);
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
            model.polls.settle(crate::model::polls::Poll::Services);
            model.live.services = intake::services(reply);
        }
        Answer::Balance(reply) => {
            model.polls.settle(crate::model::polls::Poll::Balance);
            model.live.balance = intake::balance(reply);
        }
        Answer::Breakers(reply) => {
            model.polls.settle(crate::model::polls::Poll::Breakers);
            model.live.breakers = intake::breakers(reply);
        }
        Answer::Refusals(reply) => {
            model.polls.settle(crate::model::polls::Poll::Refusals);
            model.live.refusals = intake::refusals(reply);
        }
        Answer::Alerts(mut reply) => {
            model.polls.settle(crate::model::polls::Poll::Alerts);
            model.live.alerts = std::mem::take(&mut reply.alerts).into_iter().map(intake::alert).collect();
            reply.refused.iter_mut().for_each(intake::tidy);
            intake::tidy(&mut reply.profile);
            model.live.alert_rules = reply;
        }
    }
    Effects::new()
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
