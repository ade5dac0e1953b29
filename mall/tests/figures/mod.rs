//! What a process counted, as a scraper reads it.

#![allow(dead_code, reason = "each test binary uses some of it")]

use mall::telemetry::{Meters, Page};
use opentelemetry::metrics::MeterProvider as _;
use opentelemetry_sdk::metrics::SdkMeterProvider;

/// The figures of one process.
pub struct Figures {
    pub page: Page,
    provider: SdkMeterProvider,
}

impl Figures {
    pub fn new() -> Self {
        let page = Page::default();
        let provider = SdkMeterProvider::builder().with_reader(page.clone()).build();
        Self { page, provider }
    }

    /// Where the process counts.
    pub fn meters(&self) -> Meters {
        Meters::new(self.provider.meter("test"))
    }

    /// What the one series with this name and these labels counts.
    pub fn of(&self, name: &str, labels: &[(&str, &str)]) -> u64 {
        self.value(name, labels).parse().expect("a whole number")
    }

    /// The value of the one series with this name and these labels, whatever else labels it.
    pub fn value(&self, name: &str, labels: &[(&str, &str)]) -> String {
        let page = self.page.text().expect("renders");
        let labels: Vec<String> = labels.iter().map(|(label, value)| format!("{label}=\"{value}\"")).collect();
        let is_asked = |series: &str| {
            let (own, rest) = series.split_once('{').unwrap_or((series, ""));
            own == name && labels.iter().all(|label| rest.contains(label.as_str()))
        };
        let lines = page.lines().filter_map(|line| line.rsplit_once(' '));
        let found: Vec<&str> = lines.filter(|(series, _)| is_asked(series)).map(|(_, value)| value).collect();
        let [value] = found[..] else { panic!("{} series of {name} {labels:?} in\n{page}", found.len()) };
        value.to_owned()
    }
}
