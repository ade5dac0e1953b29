//! Colours and glyphs, by what the terminal can do.
//!
//! Views ask for a role, never for a colour. Meaning never rests on colour alone: every role that carries meaning also
//! has a glyph or a weight. Red lives only in errors.

use ratatui::style::{Color, Modifier, Style};

/// How many colours there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Depth {
    /// None: weight, dimness and reversal only.
    None,
    /// The sixteen of the terminal's own palette.
    Ansi,
    /// The 256 of xterm.
    Indexed,
    /// 24 bits.
    True,
}

/// Characters that have an ASCII twin.
#[derive(Debug, PartialEq, Eq)]
pub struct Glyphs {
    /// Intensities of the heat map, empty first.
    pub ramp: &'static [&'static str],
    /// Heights of a sparkline, lowest first; never empty.
    pub heights: &'static [&'static str],
    /// Eighths of a bar, growing from the left; the last is a full cell.
    pub widths: &'static [&'static str],
    /// A full cell.
    pub full: &'static str,
    /// A bar on the critical path.
    pub path: &'static str,
    /// A bar beside the critical path.
    pub beside: &'static str,
    /// Horizontal rule.
    pub rule: &'static str,
    /// Vertical rule.
    pub wall: &'static str,
    /// Nothing happened in this second.
    pub quiet: &'static str,
    /// From here on.
    pub begin: &'static str,
    /// Still lasting.
    pub last: &'static str,
    /// Until here.
    pub end: &'static str,
    /// Below and above the fair share.
    pub below: &'static str,
    /// Above the fair share.
    pub above: &'static str,
    /// An error.
    pub error: &'static str,
    /// Something to look at.
    pub alarm: &'static str,
    /// The selected row.
    pub cursor: &'static str,
    /// From one to another.
    pub arrow: &'static str,
    /// At least.
    pub at_least: &'static str,
    /// Cut text.
    pub cut: &'static str,
    /// Between facts.
    pub dot: &'static str,
    /// A tree's branch, last branch, trunk and gap, two columns each.
    pub tree: [&'static str; 4],
    /// A folded and an unfolded row.
    pub fold: [&'static str; 2],
    /// Micro.
    pub micro: &'static str,
}

/// Glyphs of a terminal that draws blocks one column wide.
pub static UNICODE: Glyphs = Glyphs {
    ramp: &[" ", "\u{b7}", "\u{2591}", "\u{2592}", "\u{2593}", "\u{2588}"],
    heights: &["\u{2581}", "\u{2582}", "\u{2583}", "\u{2584}", "\u{2585}", "\u{2586}", "\u{2587}", "\u{2588}"],
    widths: &["\u{258f}", "\u{258e}", "\u{258d}", "\u{258c}", "\u{258b}", "\u{258a}", "\u{2589}", "\u{2588}"],
    full: "\u{2588}",
    path: "\u{2501}",
    beside: "\u{2500}",
    rule: "\u{2500}",
    wall: "\u{2502}",
    quiet: "\u{b7}",
    begin: "\u{255e}",
    last: "\u{2550}",
    end: "\u{2561}",
    below: "\u{25be}",
    above: "\u{25b4}",
    error: "\u{2717}",
    alarm: "\u{25b2}",
    cursor: "\u{25b8}",
    arrow: "\u{2192}",
    at_least: "\u{2265}",
    cut: "\u{2026}",
    dot: "\u{b7}",
    tree: ["\u{251c} ", "\u{2514} ", "\u{2502} ", "  "],
    fold: ["\u{25b8}", "\u{25be}"],
    micro: "\u{b5}",
};

/// The same meanings in ASCII.
pub static ASCII: Glyphs = Glyphs {
    ramp: &[" ", ".", ":", "+", "*", "#"],
    heights: &["_", ".", ":", "-", "=", "+", "*", "#"],
    widths: &["=", "#"],
    full: "#",
    path: "=",
    beside: "-",
    rule: "-",
    wall: "|",
    quiet: ".",
    begin: "[",
    last: "=",
    end: "]",
    below: "v",
    above: "^",
    error: "x",
    alarm: "!",
    cursor: ">",
    arrow: "->",
    at_least: ">=",
    cut: "~",
    dot: "-",
    tree: ["+ ", "` ", "| ", "  "],
    fold: ["+", "-"],
    micro: "u",
};

/// What a view asks a style for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Figures and names.
    Text,
    /// What is normal, labels, rules.
    Quiet,
    /// What the eye shall find first.
    Strong,
    /// Headings of tables and panels.
    Heading,
    /// Keys and the cursor.
    Accent,
    /// Errors, and nothing else.
    Error,
    /// Breakers, pending alerts, limits.
    Warn,
    /// Injected faults.
    Fault,
    /// Ready, recovered, joined.
    Good,
    /// The selected row.
    Selected,
}

/// A terminal's colours and glyphs.
#[derive(Debug, Clone, Copy)]
pub struct Theme {
    /// Number of colours.
    pub depth: Depth,
    /// Characters.
    pub glyphs: &'static Glyphs,
}

impl Theme {
    /// A theme of this many colours, in ASCII or not.
    pub fn new(depth: Depth, ascii: bool) -> Self {
        Self { depth, glyphs: if ascii { &ASCII } else { &UNICODE } }
    }

    /// Whether only ASCII is drawn.
    pub fn is_ascii(&self) -> bool {
        std::ptr::eq(self.glyphs, &raw const ASCII)
    }

    /// The style of a role.
    pub fn style(&self, role: Role) -> Style {
        let plain = Style::new();
        if self.depth == Depth::None {
            return match role {
                Role::Text | Role::Good => plain,
                Role::Quiet | Role::Heading => plain.add_modifier(Modifier::DIM),
                Role::Strong | Role::Warn | Role::Fault | Role::Accent => plain.add_modifier(Modifier::BOLD),
                Role::Error => plain.add_modifier(Modifier::BOLD | Modifier::UNDERLINED),
                Role::Selected => plain.add_modifier(Modifier::REVERSED),
            };
        }
        match role {
            Role::Text => plain,
            Role::Quiet | Role::Heading => plain.fg(self.pick(Color::DarkGray, 243, (118, 124, 132))),
            Role::Strong => plain.add_modifier(Modifier::BOLD),
            Role::Accent => plain.fg(self.pick(Color::Cyan, 80, (86, 200, 216))),
            Role::Error => plain.fg(self.pick(Color::Red, 203, (244, 96, 88))).add_modifier(Modifier::BOLD),
            Role::Warn => plain.fg(self.pick(Color::Yellow, 215, (242, 178, 84))),
            Role::Fault => plain.fg(self.pick(Color::Magenta, 176, (206, 140, 232))),
            Role::Good => plain.fg(self.pick(Color::Green, 114, (122, 194, 120))),
            Role::Selected => match self.depth {
                Depth::Ansi => plain.add_modifier(Modifier::REVERSED),
                _ => plain.bg(self.pick(Color::Blue, 237, (44, 52, 64))),
            },
        }
    }

    fn pick(&self, ansi: Color, indexed: u8, rgb: (u8, u8, u8)) -> Color {
        match self.depth {
            Depth::None => Color::Reset,
            Depth::Ansi => ansi,
            Depth::Indexed => Color::Indexed(indexed),
            Depth::True => Color::Rgb(rgb.0, rgb.1, rgb.2),
        }
    }

    /// The cell of a heat map: glyph and style of an intensity in 0..=1, where 0 is empty. One luminance ramp: darker is
    /// less, so the order survives any colour vision and a grey printout.
    pub fn heat(&self, intensity: f64) -> (&'static str, Style) {
        if intensity <= 0.0 {
            return (" ", Style::new());
        }
        let steps = self.glyphs.ramp.len() - 1;
        let step = 1 + ((intensity.min(1.0) * steps as f64).ceil() as usize - 1).min(steps - 1);
        match self.depth {
            Depth::None | Depth::Ansi => (
                self.glyphs.ramp[step],
                if self.depth == Depth::Ansi { Style::new().fg(Color::Cyan) } else { Style::new() },
            ),
            Depth::Indexed => {
                const RAMP: [u8; 6] = [235, 23, 30, 37, 80, 195];
                let at = (intensity.min(1.0) * (RAMP.len() - 1) as f64).round() as usize;
                (self.glyphs.full_or_ramp(step, self.is_ascii()), Style::new().fg(Color::Indexed(RAMP[at])))
            }
            Depth::True => {
                let mix =
                    |from: u8, to: u8| (f64::from(from) + (f64::from(to) - f64::from(from)) * intensity.min(1.0)) as u8;
                let color = Color::Rgb(mix(20, 210), mix(52, 246), mix(66, 240));
                (self.glyphs.full_or_ramp(step, self.is_ascii()), Style::new().fg(color))
            }
        }
    }

    /// A hue for a service name, the same in every view; never red or amber.
    pub fn service(&self, name: &str) -> Style {
        const INDEXED: [u8; 8] = [75, 115, 147, 179, 110, 151, 182, 73];
        const RGB: [(u8, u8, u8); 8] = [
            (108, 178, 235),
            (128, 203, 165),
            (168, 164, 240),
            (205, 190, 140),
            (140, 180, 205),
            (172, 210, 150),
            (212, 164, 206),
            (96, 190, 190),
        ];
        const ANSI: [Color; 4] = [Color::Blue, Color::Green, Color::Cyan, Color::Magenta];
        let hash = name.bytes().fold(2_166_136_261_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(16_777_619));
        let at = (hash >> 8) as usize;
        match self.depth {
            Depth::None => Style::new(),
            Depth::Ansi => Style::new().fg(ANSI[at % ANSI.len()]),
            Depth::Indexed => Style::new().fg(Color::Indexed(INDEXED[at % INDEXED.len()])),
            Depth::True => {
                let (r, g, b) = RGB[at % RGB.len()];
                Style::new().fg(Color::Rgb(r, g, b))
            }
        }
    }
}

impl Glyphs {
    /// With enough colours the colour is the intensity and the cell is full; ASCII keeps its ramp.
    fn full_or_ramp(&self, step: usize, ascii: bool) -> &'static str {
        if ascii { self.ramp[step] } else { self.full }
    }
}

/// How many colours an environment promises. `NO_COLOR` counts when it is not empty.
pub fn detect(choice: crate::ColorChoice, var: impl Fn(&str) -> Option<String>) -> Depth {
    let no_color = var("NO_COLOR").is_some_and(|value| !value.is_empty());
    let term = var("TERM").unwrap_or_default();
    let promised = match var("COLORTERM").as_deref() {
        Some("truecolor" | "24bit") => Depth::True,
        _ if term.contains("256color") || term.contains("direct") => Depth::Indexed,
        _ => Depth::Ansi,
    };
    match choice {
        crate::ColorChoice::Never => Depth::None,
        crate::ColorChoice::Auto if no_color || term == "dumb" => Depth::None,
        crate::ColorChoice::Always | crate::ColorChoice::Auto => promised,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ColorChoice;

    #[test]
    fn an_empty_no_color_is_no_wish() {
        let with = |value: &'static str| move |name: &str| (name == "NO_COLOR").then(|| value.to_owned());
        assert_eq!(detect(ColorChoice::Auto, with("")), Depth::Ansi);
        assert_eq!(detect(ColorChoice::Auto, with("1")), Depth::None);
        assert_eq!(detect(ColorChoice::Always, with("1")), Depth::Ansi);
    }

    #[test]
    fn the_ascii_twins_are_ascii() {
        let all = [ASCII.ramp, ASCII.heights, ASCII.widths, &ASCII.tree, &ASCII.fold].concat();
        assert!(all.iter().all(|glyph| glyph.is_ascii()));
        for glyph in [ASCII.path, ASCII.arrow, ASCII.at_least, ASCII.cut, ASCII.dot, ASCII.begin, ASCII.error] {
            assert!(glyph.is_ascii());
        }
    }

    #[test]
    fn heat_grows_in_order() {
        let theme = Theme::new(Depth::None, true);
        let drawn: String = (0..=5).map(|step| theme.heat(f64::from(step) / 5.0).0).collect();
        assert_eq!(drawn, " .:+*#");
    }
}
