//! What can be typed after `:`. Only commands that exist; whatever changes the system is shown and confirmed first.

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
        ["slow", target] => fault("latency", target, &["p50=200ms", "p99=2s", "for=20s"]).map(Typed::Change),
        ["slow", ..] => Err("`slow` takes one target, such as `slow pay-rpc/1`".to_owned()),
        ["fault", "add", kind, target, params @ ..] => fault(kind, target, params).map(Typed::Change),
        ["fault", "clear", ids @ ..] => Ok(Typed::Change(Command {
            change: Change::ClearFaults(ids.iter().map(|id| (*id).to_owned()).collect()),
            line: format!("mallctl fault clear {}", ids.join(" ")).trim_end().to_owned(),
        })),
        ["fault", ..] => Err("`fault add KIND TARGET [PARAM=VALUE]… [for=20s]` or `fault clear`".to_owned()),
        ["restart", target] => restart(target).map(Typed::Change),
        ["restart", ..] => Err("`restart` takes one target, such as `restart order-rpc/2`".to_owned()),
        ["load", what @ ..] if !what.is_empty() => load(what, data).map(Typed::Change),
        [name] if name.parse::<Screen>().is_ok() => {
            name.parse().map(Typed::Open).map_err(|error: crate::TuiError| error.to_string())
        }
        [first, ..] => Err(format!("`{first}` is no command{}", suggestion(first))),
    }
}

fn suggestion(word: &str) -> String {
    let near = SHAPES.iter().filter_map(|shape| shape.split(' ').next()).find(|shape| {
        let shared = shape.chars().zip(word.chars()).take_while(|(a, b)| a == b).count();
        shared >= 2
    });
    near.map_or_else(String::new, |near| format!(": did you mean `{near}`?"))
}

fn fault(kind: &str, target: &str, params: &[&str]) -> Result<Command, String> {
    if !["latency", "error", "kill"].contains(&kind) {
        return Err(format!("`{kind}` is no kind of fault: latency, error or kill"));
    }
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

fn restart(target: &str) -> Result<Command, String> {
    let (service, replica) = match target.split_once('/') {
        None => (target, 0),
        Some((service, number)) => {
            let replica = number.parse().ok().filter(|replica| *replica > 0);
            (service, replica.ok_or_else(|| format!("`{target}` names no replica: write `order-rpc/2`"))?)
        }
    };
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
        assert!(error("restrat").contains("`restart`"));
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
