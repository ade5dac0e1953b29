//! The selected shedder: how near it is to refusing, by each of the three conditions that must hold.

use collector_api::console::Shedder;

use super::pane::{Counts, heading, ledger, line, minute};
use crate::fmt;
use crate::theme::Role;
use crate::widget::pen::{Pen, text_width};

/// Draws the pane.
pub fn draw(shedder: &Shedder, pen: &mut Pen<'_>) {
    let counts = Counts {
        word: "drops",
        hint: "enter: what it dropped",
        passes: shedder.passes,
        refusals: shedder.drops,
        total: shedder.drops_total,
        series: &shedder.series,
        role: Role::Error,
    };
    let title = ["shedder of", &shedder.instance, &shedder.place].join(" ");
    heading(pen, title.trim_end(), &counts);
    let x = line(pen, 1, &conditions(shedder));
    let rule = "drops when all three hold (cpu: within the last second)";
    if shedder.cpu_threshold > 0.0 && x + 2 + text_width(rule) < pen.width() {
        pen.say(x + 2, 1, rule, Role::Quiet);
    }
    ledger(pen, 2, &counts);
    minute(pen, 3, &counts);
}

/// go-zero drops when the processor is busy, and the flying requests and their average are both above the limit that
/// the shedder computed last.
fn conditions(shedder: &Shedder) -> [(String, Role); 3] {
    let role = |holds: bool| if holds { Role::Warn } else { Role::Text };
    let sign = |holds: bool| if holds { ">" } else { "<=" };
    let share = |thousandths: f64| fmt::percent1(thousandths / 1_000.0);
    let limit = shedder.limit;
    let cpu = if shedder.cpu_threshold <= 0.0 {
        (format!("cpu {}, shedder off", share(shedder.cpu)), Role::Quiet)
    } else if shedder.cpu >= shedder.cpu_threshold {
        (format!("cpu {} >= {}", share(shedder.cpu), share(shedder.cpu_threshold)), Role::Warn)
    } else {
        (format!("cpu {} < {}", share(shedder.cpu), share(shedder.cpu_threshold)), Role::Text)
    };
    let (flying, average) = (shedder.flying > limit, shedder.avg_flying > limit);
    [
        cpu,
        (format!("flying {:.0} {} limit {limit:.1}", shedder.flying, sign(flying)), role(flying)),
        (format!("average {:.1} {} limit {limit:.1}", shedder.avg_flying, sign(average)), role(average)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(shedder: &Shedder) -> Vec<String> {
        conditions(shedder).map(|(text, _)| text).to_vec()
    }

    #[test]
    fn each_condition_says_on_which_side_it_is() {
        let calm = Shedder {
            cpu: 310.0,
            cpu_threshold: 900.0,
            flying: 61.0,
            avg_flying: 48.0,
            limit: 48.0,
            ..Default::default()
        };
        assert_eq!(words(&calm), ["cpu 31.0 % < 90.0 %", "flying 61 > limit 48.0", "average 48.0 <= limit 48.0"]);
        let hot = Shedder { cpu: 900.0, ..calm.clone() };
        assert_eq!(words(&hot)[0], "cpu 90.0 % >= 90.0 %", "from the threshold on, not above it");
        let off = Shedder { cpu_threshold: 0.0, ..calm };
        assert_eq!(words(&off)[0], "cpu 31.0 %, shedder off");
    }
}
