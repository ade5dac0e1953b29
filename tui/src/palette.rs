//! What can be typed after `:`. Only commands that exist, aimed at what exists; whatever kills or fails something is shown
//! and confirmed first.

mod near;
mod target;

use std::collections::HashMap;

use collector_api::console::run_command::Command as Tell;
use mall_api::control::Fault;

use crate::Screen;
use crate::model::data::Data;
use crate::msg::Change;

/// A change, and the command line that makes the same.
#[derive(Debug, Clone, PartialEq)]
pub struct Command {
    /// What to do.
    pub change: Change,
    /// In a shell.
    pub line: String,
}

/// What a typed line means.
#[derive(Debug, Clone, PartialEq)]
pub enum Typed {
    /// Opens a screen.
    Open(Screen),
    /// Leaves.
    Leave,
    /// Changes the system.
    Change(Command),
}

/// Shapes of the commands, for the hint below the line.
pub const SHAPES: &[&str] = &[
    "slow pay-rpc/1",
    "fault add latency pay-rpc/1 p50=200ms p99=2s for=20s",
    "fault add error pay-rpc rate=0.5 for=20s",
    "fault add kill order-rpc/2",
    "fault clear",
    "restart order-rpc/2",
    "load pause",
    "load resume",
    "load stop",
    "load rate 300",
    "overview",
    "traces",
    "services",
    "resilience",
    "load",
    "alerts",
    "quit",
];

/// Longest time of a fault, milliseconds.
const MAX_FOR_MS: u64 = 3_600_000;

/// Reads a typed line; an error says what would be right.
pub fn parse(line: &str, data: &Data) -> Result<Typed, String> {
    let words: Vec<&str> = line.split_whitespace().collect();
    match words.as_slice() {
        [] => Err("type a command, such as `slow pay-rpc/1`".to_owned()),
        ["q" | "quit"] => Ok(Typed::Leave),
        ["slow", target] => fault("latency", target, &["p50=200ms", "p99=2s", "for=20s"], data).map(Typed::Change),
        ["slow", ..] => Err("`slow` takes one target, such as `slow pay-rpc/1`".to_owned()),
        ["fault", "add", kind, target, params @ ..] => fault(kind, target, params, data).map(Typed::Change),
        ["fault", "clear", ids @ ..] => clear(ids, data).map(Typed::Change),
        ["fault", ..] => Err("`fault add KIND TARGET [PARAM=VALUE]… [for=20s]` or `fault clear`".to_owned()),
        ["restart", target] => restart(target, data).map(Typed::Change),
        ["restart", ..] => Err("`restart` takes one target, such as `restart order-rpc/2`".to_owned()),
        ["load", what @ ..] if !what.is_empty() => load(what, data).map(Typed::Change),
        [name] if name.parse::<Screen>().is_ok() => {
            name.parse().map(Typed::Open).map_err(|error: crate::TuiError| error.to_string())
        }
        [first, ..] => Err(unknown(first)),
    }
}

fn unknown(word: &str) -> String {
    let known = SHAPES.iter().filter_map(|shape| shape.split(' ').next());
    match near::nearest(word, known) {
        Some(near) => format!("`{word}` is no command: did you mean `{near}`?"),
        None => format!("`{word}` is no command: slow, fault, restart, load, the name of a screen or quit"),
    }
}

fn fault(kind: &str, target: &str, params: &[&str], data: &Data) -> Result<Command, String> {
    if !["latency", "error", "kill"].contains(&kind) {
        return Err(format!("`{kind}` is no kind of fault: latency, error or kill"));
    }
    target::check(target, data)?;
    let mut fields = HashMap::new();
    let mut for_ms = if kind == "kill" { 1_000 } else { 20_000 };
    let mut line = format!("mallctl fault add {kind} {target}");
    let mut words = params.iter();
    while let Some(word) = words.next() {
        let (name, value) = if *word == "--for" {
            ("for", words.next().copied().ok_or("`--for` needs a time, such as 20s")?)
        } else {
            word.split_once('=').ok_or_else(|| format!("`{word}` is no parameter: write NAME=VALUE"))?
        };
        if name == "for" {
            for_ms = duration_ms(value)?;
        } else {
            line = format!("{line} {name}={value}");
            fields.insert(name.to_owned(), value.to_owned());
        }
    }
    if kind != "kill" {
        line = format!("{line} --for {}", written(for_ms));
    }
    let fault = Fault { kind: kind.to_owned(), target: target.to_owned(), params: fields, for_ms, ..Fault::default() };
    Ok(Command { change: Change::AddFault(fault), line })
}

fn written(millis: u64) -> String {
    if millis.is_multiple_of(1_000) { format!("{}s", millis / 1_000) } else { format!("{millis}ms") }
}

fn duration_ms(text: &str) -> Result<u64, String> {
    let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let factor = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" | "min" => 60_000,
        "h" => 3_600_000,
        _ => return Err(format!("`{text}` is no time: write 500ms, 20s or 2m")),
    };
    let number: u64 = number.parse().map_err(|_| format!("`{text}` is no time: write 500ms, 20s or 2m"))?;
    number
        .checked_mul(factor)
        .filter(|millis| (1..=MAX_FOR_MS).contains(millis))
        .ok_or_else(|| format!("`{text}` is out of range: a fault lasts at most one hour"))
}

fn clear(ids: &[&str], data: &Data) -> Result<Command, String> {
    if let Some(status) = &data.status {
        let in_force: Vec<&str> = status.faults.iter().map(|fault| fault.id.as_str()).collect();
        if let Some(id) = ids.iter().find(|id| !in_force.contains(*id)) {
            let others = if in_force.is_empty() { "none is".to_owned() } else { in_force.join(", ") };
            return Err(format!("no fault `{id}` is in force: {others}"));
        }
    }
    Ok(Command {
        change: Change::ClearFaults(ids.iter().map(|id| (*id).to_owned()).collect()),
        line: format!("mallctl fault clear {}", ids.join(" ")).trim_end().to_owned(),
    })
}

fn restart(target: &str, data: &Data) -> Result<Command, String> {
    let (service, replica) = match target.split_once('/') {
        None => (target, 0),
        Some((service, number)) => {
            let replica = number.parse().ok().filter(|replica| *replica > 0);
            (service, replica.ok_or_else(|| format!("`{target}` names no replica: write `order-rpc/2`"))?)
        }
    };
    target::check(target, data)?;
    Ok(Command {
        change: Change::Restart { service: service.to_owned(), replica },
        line: format!("mallctl restart {target}"),
    })
}

fn load(words: &[&str], data: &Data) -> Result<Command, String> {
    let (tell, line) = match words {
        ["pause"] => (Tell::Pause(true), ":load pause".to_owned()),
        ["resume"] => (Tell::Resume(true), ":load resume".to_owned()),
        ["stop"] => (Tell::Stop(true), ":load stop".to_owned()),
        ["rate", rate] => {
            let rate: f64 = rate
                .trim_end_matches("/s")
                .parse()
                .map_err(|_| format!("`{rate}` is no rate: write `load rate 300`"))?;
            if !(rate.is_finite() && rate > 0.0) {
                return Err("a rate is above zero: write `load rate 300`".to_owned());
            }
            (Tell::Rate(rate), format!(":load rate {rate}"))
        }
        _ => return Err("`load pause`, `load resume`, `load stop` or `load rate 300`".to_owned()),
    };
    let run = data.active_run().ok_or("no load runs: start one with `mallctl load order-burst` in another terminal")?;
    Ok(Command { change: Change::Load { run_id: run.run_id.clone(), command: tell }, line })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(line: &str) -> Command {
        match parse(line, &Data::default()) {
            Ok(Typed::Change(command)) => command,
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn slow_is_a_latency_fault_that_undoes_itself() {
        let command = change("slow pay-rpc/1");
        assert_eq!(command.line, "mallctl fault add latency pay-rpc/1 p50=200ms p99=2s --for 20s");
        let Change::AddFault(fault) = command.change else { panic!() };
        assert_eq!((fault.kind.as_str(), fault.for_ms), ("latency", 20_000));
    }

    #[test]
    fn both_ways_to_say_for_how_long_are_the_same() {
        assert_eq!(
            change("fault add error pay-rpc rate=0.5 --for 2m"),
            change("fault add error pay-rpc rate=0.5 for=120s")
        );
    }

    #[test]
    fn mistakes_say_what_would_be_right() {
        let error = |line: &str| parse(line, &Data::default()).unwrap_err();
        assert!(error("fault add laser pay-rpc").contains("latency, error or kill"));
        assert!(error("fault add error pay-rpc for=2h").contains("at most one hour"));
        assert!(error("restart order-rpc/x").contains("order-rpc/2"));
        assert!(error("load pause").contains("no load runs"));
        assert!(error("restrat").ends_with("did you mean `restart`?"));
        assert!(error("foo").contains("slow, fault, restart, load"));
    }

    #[test]
    fn what_does_not_run_is_no_target() {
        let data = Data { status: Some(crate::simulate::status()), ..Data::default() };
        let error = |line: &str| parse(line, &data).unwrap_err();
        let others = "there is no pay-rpc/9: pay-rpc/1, pay-rpc/2, pay-rpc/3";
        for line in ["slow pay-rpc/9", "fault add kill pay-rpc/9", "restart pay-rpc/9"] {
            assert_eq!(error(line), others, "{line}");
        }
        assert_eq!(error("slow pya-rpc"), "there is no pya-rpc: did you mean `pay-rpc`?");
        assert!(error("restart mysql").contains("gateway, user-rpc, order-rpc, pay-rpc"));
        assert_eq!(error("fault clear f3"), "no fault `f3` is in force: none is");
        for line in
            ["slow pay-rpc", "slow pay-rpc/any", "fault add kill gateway/1", "restart order-rpc/2", "fault clear"]
        {
            assert!(parse(line, &data).is_ok(), "{line}");
        }
    }

    #[test]
    fn only_what_kills_or_fails_something_is_harmful() {
        let data = Data { runs: vec![collector_api::console::Run::default()], ..Data::default() };
        let is_harmful = |line: &str| match parse(line, &data) {
            Ok(Typed::Change(command)) => command.change.is_harmful(),
            other => panic!("{line}: {other:?}"),
        };
        for line in ["fault add kill pay-rpc/1", "fault add error pay-rpc", "restart pay-rpc", "load stop"] {
            assert!(is_harmful(line), "{line}");
        }
        for line in ["slow pay-rpc/1", "fault clear", "load pause", "load resume", "load rate 20"] {
            assert!(!is_harmful(line), "{line}");
        }
    }

    #[test]
    fn every_shape_is_understood() {
        let mut data = Data::default();
        data.runs.push(collector_api::console::Run { run_id: "r1".to_owned(), ..Default::default() });
        for shape in SHAPES {
            assert!(parse(shape, &data).is_ok(), "{shape}");
        }
    }
}
