//! The four panels of the resilience screen: every list has a selected row that is seen, and that stays with what it
//! stands for.

use std::sync::LazyLock;

use collector_api::console as wire;
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use proptest::prelude::*;

use crate::model::Model;
use crate::model::ui::ResiliencePanel;
use crate::msg::{Answer, Ask, Effect, Msg};
use crate::simulate::{Drill, FAULT_AT, Shop};
use crate::theme::{Depth, Theme};
use crate::update::resilience::{focus, rows};
use crate::update::update;
use crate::{Format, Screen, capture};

static OVERLOAD: LazyLock<Shop> = LazyLock::new(|| Shop::run(Drill::Overload, FAULT_AT + 12));

fn model() -> Model {
    let mut model = OVERLOAD.model();
    model.screen = Screen::Resilience;
    model.theme = Theme::new(Depth::None, true);
    model
}

/// As [`model`], after so many tabs.
pub fn in_panel(tabs: usize) -> Model {
    let mut model = model();
    (0..tabs).for_each(|_| {
        press(&mut model, KeyCode::Tab);
    });
    model
}

fn press(model: &mut Model, code: KeyCode) -> Vec<Effect> {
    update(model, Msg::Key(KeyEvent::new(code, KeyModifiers::NONE)))
}

fn selected(model: &Model) -> Option<&String> {
    model.resilience.selected.get(&model.resilience.panel)
}

fn answer(model: &mut Model, reply: wire::RefusalsReply) {
    update(model, Msg::Answer(Box::new(Answer::Refusals(reply))));
}

#[test]
fn tab_goes_through_every_panel_and_shift_tab_back() {
    use ResiliencePanel::{Balance, Breakers, Limits, Shedding};
    let mut model = model();
    for (key, panels) in [
        (KeyCode::Tab, [Balance, Shedding, Limits, Breakers]),
        (KeyCode::BackTab, [Limits, Shedding, Balance, Breakers]),
    ] {
        for panel in panels {
            press(&mut model, key);
            assert_eq!(model.resilience.panel, panel);
            assert_eq!(rows::selected_at(&model, panel), Some(0), "{panel:?} begins with its first row");
        }
    }
}

#[test]
fn arrows_stay_in_their_list() {
    for (tabs, panel) in ResiliencePanel::ALL.into_iter().enumerate() {
        let mut model = in_panel(tabs);
        let keys = rows::keys(&model, panel);
        assert!(keys.len() > 1, "{panel:?}");
        for _ in 0..keys.len() + 3 {
            press(&mut model, KeyCode::Down);
        }
        assert_eq!(selected(&model), keys.last(), "{panel:?}");
        for _ in 0..keys.len() + 3 {
            press(&mut model, KeyCode::Char('k'));
        }
        assert_eq!(selected(&model), keys.first(), "{panel:?}");
    }
}

#[test]
fn the_last_row_of_a_long_list_is_seen_with_what_is_known_of_it() {
    let mut model = model();
    let idle = model.live.breakers[1].clone();
    model.live.breakers = (10..40).map(|n| wire::Breaker { name: format!("call-{n}"), ..idle.clone() }).collect();
    let service = &mut model.live.balance[0];
    let replica = service.replicas[0].clone();
    service.replicas =
        (10..40).map(|n| wire::Replica { instance: format!("pay-rpc/{n}"), picks: n, ..replica.clone() }).collect();
    let shedder = model.live.refusals.shedders[2].clone();
    model.live.refusals.shedders =
        (10..40).map(|n| wire::Shedder { instance: format!("pay-rpc/{n}"), ..shedder.clone() }).collect();
    let limit = model.live.refusals.limits[0].clone();
    model.live.refusals.limits =
        (10..40).map(|n| wire::Limit { name: format!("limit-{n}"), ..limit.clone() }).collect();
    let wanted = [
        ["call-39", "ok 4,000 + failed 0 + rejected 0 = 4,000", "drop ratio, "],
        ["/39", "39 picks in 10 s, 0 forced  0 failed", "balance 20 more -"],
        ["shedding 24 more cpu / from", "shedder of pay-rpc/39", "passes 1,333 + drops 0 = 1,333 in 10 s"],
        ["limits 24 more -", "limit of gateway limit-39", "passes 4,000 + refused 0 = 4,000 in 10 s"],
    ];
    for words in wanted {
        (0..40).for_each(|_| {
            press(&mut model, KeyCode::Down);
        });
        let picture = capture::snapshot(&model, (80, 24), Format::Text);
        for word in words {
            assert!(picture.contains(word), "{word} misses:\n{picture}");
        }
        press(&mut model, KeyCode::Tab);
    }
}

#[test]
fn the_keys_of_the_screen_are_told_whole_at_eighty_columns() {
    let mut model = in_panel(2);
    let footer = capture::snapshot(&model, (80, 24), Format::Text);
    assert!(footer.contains("tab panel  enter open"), "{footer}");
    press(&mut model, KeyCode::Char('?'));
    let help = capture::snapshot(&model, (80, 24), Format::Text);
    for wanted in [
        "tab / shift-tab        on and back: breakers, balance, shedding, limits ",
        "enter                  traces that tipped it, passed it or were refused ",
    ] {
        assert!(help.contains(wanted), "{help}");
    }
}

#[test]
fn a_selection_stays_with_its_shedder_when_another_gets_hotter_and_comes_back_with_it() {
    let mut model = in_panel(2);
    (0..4).for_each(|_| {
        press(&mut model, KeyCode::Down);
    });
    let key = selected(&model).cloned().expect("a row is selected");
    let mut reply = OVERLOAD.refusals();
    let is_key = |shedder: &wire::Shedder| rows::shedder_key(shedder) == key;
    reply.shedders.iter_mut().filter(|shedder| !is_key(shedder)).for_each(|shedder| shedder.drops = 0);
    reply.shedders.iter_mut().filter(|shedder| is_key(shedder)).for_each(|shedder| shedder.drops = 9_000);
    answer(&mut model, reply.clone());
    assert_eq!((selected(&model), rows::selected_at(&model, ResiliencePanel::Shedding)), (Some(&key), Some(0)));

    let without = wire::RefusalsReply {
        shedders: reply.shedders.iter().filter(|shedder| !is_key(shedder)).cloned().collect(),
        limits: reply.limits.clone(),
    };
    answer(&mut model, without);
    assert_eq!(rows::selected_at(&model, ResiliencePanel::Shedding), None);
    assert!(
        !capture::snapshot(&model, (80, 24), Format::Text).contains("shedder of"),
        "nothing is said of who is gone"
    );
    answer(&mut model, reply);
    assert_eq!(rows::selected_at(&model, ResiliencePanel::Shedding), Some(0));
}

#[test]
fn a_panel_without_rows_is_passed_over() {
    let mut model = in_panel(2);
    answer(&mut model, wire::RefusalsReply { limits: OVERLOAD.refusals().limits, ..Default::default() });
    assert_eq!(focus(&model), ResiliencePanel::Breakers, "the arrows move where rows are");
    press(&mut model, KeyCode::BackTab);
    assert_eq!(model.resilience.panel, ResiliencePanel::Limits);
    press(&mut model, KeyCode::BackTab);
    assert_eq!(model.resilience.panel, ResiliencePanel::Balance);
    model.live.breakers.clear();
    model.live.balance.clear();
    model.live.refusals = wire::RefusalsReply::default();
    for code in [KeyCode::Tab, KeyCode::BackTab, KeyCode::Down, KeyCode::Up, KeyCode::Enter] {
        assert!(press(&mut model, code).is_empty(), "{code:?} has nothing to move in");
    }
}

#[test]
fn enter_asks_for_the_traces_of_the_row() {
    for (tabs, query) in [
        (1, "instance=\"pay-rpc/1\""),
        (2, "instance=\"gateway\" && event=shed.drop && .shed.place=\"http\""),
        (3, "instance=\"gateway\" && event=limiter.reject && .limiter=\"order-create\""),
    ] {
        let mut model = in_panel(tabs);
        let effects = press(&mut model, KeyCode::Enter);
        let Some(Effect::Ask(Ask::Traces { request, .. })) = effects.first() else { panic!("{effects:?}") };
        assert_eq!((request.query.as_str(), model.screen), (query, Screen::Traces));
    }
    for tabs in [2, 3] {
        let mut model = in_panel(tabs);
        press(&mut model, KeyCode::Down);
        assert!(press(&mut model, KeyCode::Enter).is_empty(), "it has refused nothing");
        let picture = capture::snapshot(&model, (120, 40), Format::Text);
        assert!(!picture.contains("enter: what it"), "and does not offer it:\n{picture}");
    }
    let mut model = Shop::run(Drill::Brownout, FAULT_AT + 12).model();
    model.screen = Screen::Resilience;
    assert_eq!(press(&mut model, KeyCode::Enter).first(), Some(&Effect::Ask(Ask::Trace(vec![1; 16]))));
}

/// Lines of a picture whose row carries the cursor, in the panels at the left and at the right.
fn marked(picture: &str, width: u16) -> Vec<&str> {
    let right = usize::from(width / 2 + 1);
    let is_marked = |line: &&str| line.starts_with('>') || line.as_bytes().get(right) == Some(&b'>');
    picture.lines().filter(is_marked).collect()
}

fn shedders() -> impl Strategy<Value = Vec<wire::Shedder>> {
    let figure = || prop_oneof![Just(0.0), 0.0..1_500.0, any::<f64>()];
    let one = (0_u8..12, 0_u8..3, figure(), figure(), figure(), any::<u64>(), any::<u64>(), "\\PC{0,6}");
    let one = one.prop_map(|(process, place, cpu, flying, limit, passes, drops, text)| wire::Shedder {
        service: "pay-rpc".to_owned(),
        instance: format!("pay-rpc/{process}{text}"),
        place: ["", "http", "http-priority"][usize::from(place)].to_owned(),
        cpu,
        cpu_threshold: 900.0,
        flying,
        avg_flying: flying,
        limit,
        passes,
        drops,
        drops_total: drops,
        series: vec![drops; 60],
    });
    prop::collection::vec(one, 0..12)
}

fn limits() -> impl Strategy<Value = Vec<wire::Limit>> {
    let one = (0_u8..12, any::<u64>(), any::<u64>(), 0_u64..3, "\\PC{0,6}");
    let one = one.prop_map(|(number, passes, rejections, rescues, per)| wire::Limit {
        service: "gateway".to_owned(),
        instance: "gateway".to_owned(),
        name: format!("limit-{number}"),
        per,
        passes,
        rejections,
        rescues,
        rejections_total: rejections,
        series: vec![rejections],
    });
    prop::collection::vec(one, 0..12)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn the_selected_row_is_seen_in_any_size(tabs in 0_usize..4, downs in 0_usize..14, width in 60_u16..200, height in 16_u16..80) {
        let mut model = in_panel(tabs);
        (0..=downs).for_each(|_| { press(&mut model, KeyCode::Down); });
        let picture = capture::snapshot(&model, (width, height), Format::Text);
        prop_assert_eq!(marked(&picture, width).len(), 1, "{}", picture);
    }

    #[test]
    fn no_rows_and_no_keys_lead_the_selection_out_of_its_list(
        replies in prop::collection::vec((shedders(), limits(), prop::collection::vec(0_usize..5, 0..8)), 1..5),
        width in 0_u16..200,
        height in 0_u16..80,
    ) {
        let mut model = model();
        for (shedders, limits, keys) in replies {
            answer(&mut model, wire::RefusalsReply { shedders, limits });
            for key in keys {
                let code = [KeyCode::Down, KeyCode::Up, KeyCode::Tab, KeyCode::BackTab, KeyCode::Down][key];
                press(&mut model, code);
                let keys = rows::keys(&model, model.resilience.panel);
                prop_assert!(selected(&model).is_some_and(|key| keys.contains(key)));
            }
            capture::snapshot(&model, (width, height), Format::Text);
        }
    }
}
