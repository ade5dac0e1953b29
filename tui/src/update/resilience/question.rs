//! Which traces a row stands for, as a trace query.

use collector_api::console::{Limit, Replica, Shedder};
use collector_api::vocabulary as words;

/// What went through the replica.
pub fn of_replica(replica: &Replica) -> String {
    format!("instance={}", quoted(&replica.instance))
}

/// What the shedder dropped; `None` while it has dropped nothing.
pub fn of_shedder(shedder: &Shedder) -> Option<String> {
    let place = match shedder.place.as_str() {
        "" => String::new(),
        place => format!(" && .{}={}", words::SHED_PLACE, quoted(place)),
    };
    let query = format!("instance={} && event={}{place}", quoted(&shedder.instance), words::SHED_DROP);
    (shedder.drops_total > 0).then_some(query)
}

/// What the limit refused; `None` while it has refused nothing.
pub fn of_limit(limit: &Limit) -> Option<String> {
    let query = format!(
        "instance={} && event={} && .{}={}",
        quoted(&limit.instance),
        words::LIMITER_REJECT,
        words::LIMITER_NAME,
        quoted(&limit.name)
    );
    (limit.rejections_total > 0).then_some(query)
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_asked_for_by_their_events() {
        let shedder =
            Shedder { instance: "gateway".to_owned(), place: "http".to_owned(), drops_total: 1, ..Default::default() };
        let query = of_shedder(&shedder);
        assert_eq!(query.as_deref(), Some("instance=\"gateway\" && event=shed.drop && .shed.place=\"http\""));
        assert_eq!(of_shedder(&Shedder { drops_total: 0, ..shedder }), None);
        let limit = Limit {
            instance: "gateway".to_owned(),
            name: "a \"b\"".to_owned(),
            rejections_total: 1,
            ..Default::default()
        };
        let query = of_limit(&limit);
        let wanted = "instance=\"gateway\" && event=limiter.reject && .limiter=\"a \\\"b\\\"\"";
        assert_eq!(query.as_deref(), Some(wanted));
    }
}
