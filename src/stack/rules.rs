//! The alert rules that ship with the binary.

/// The rule set of a stack that runs on one's own machine: windows short enough for a one-minute fault.
pub const PROFILE: &str = "demo";

const PRODUCTION: (&str, &str) =
    ("mall.rules.yml", include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/prometheus/mall.rules.yml")));
const DEMO: (&str, &str) = (
    "mall-demo.rules.yml",
    include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/prometheus/mall-demo.rules.yml")),
);

/// Rule files of a profile, with their names.
pub fn shipped(profile: &str) -> Vec<(&'static str, &'static str)> {
    if profile == PROFILE { vec![DEMO] } else { vec![PRODUCTION] }
}
