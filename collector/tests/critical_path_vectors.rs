//! Golden vectors: every file of `$MALL_VECTORS/critical_path`, or else of `tests/vectors/critical_path`.

mod trace_builder;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use collector::analysis::{Forest, critical_path, forest, self_times};
use collector::model::Kind;
use serde::Deserialize;
use trace_builder::span;

type SpanText = (String, Option<String>, u64, u64);
type SectionText = (String, u64, u64);

#[derive(Deserialize)]
struct Case {
    spans: Vec<serde_json::Value>,
    #[serde(default)]
    tol: u64,
    roots: Vec<String>,
    critical_path: BTreeMap<String, Vec<SectionText>>,
    self_time: BTreeMap<String, u64>,
}

fn folder() -> PathBuf {
    let own = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/vectors");
    std::env::var_os("MALL_VECTORS").map_or(own, PathBuf::from).join("critical_path")
}

fn kind_of(word: &str) -> Kind {
    match word.to_ascii_lowercase().as_str() {
        "server" => Kind::Server,
        "client" => Kind::Client,
        "producer" => Kind::Producer,
        "consumer" => Kind::Consumer,
        _ => Kind::Internal,
    }
}

/// Numbers for the names of a case, in the order of the names, so that ties break as the names would.
fn numbers(case: &Case) -> BTreeMap<String, u64> {
    let mut names: Vec<String> = Vec::new();
    for entry in &case.spans {
        names.extend([0, 1].iter().filter_map(|at| entry[at].as_str().map(str::to_owned)));
    }
    names.sort();
    names.dedup();
    names.into_iter().zip(1..).collect()
}

fn build(case: &Case, numbers: &BTreeMap<String, u64>) -> Forest {
    let spans: Vec<_> = case
        .spans
        .iter()
        .map(|entry| {
            let (fields, kind) = match entry.as_array().map(Vec::as_slice) {
                Some([fields @ .., kind]) if fields.len() == 4 => (serde_json::Value::from(fields), kind.as_str()),
                _ => (entry.clone(), None),
            };
            let (id, parent, start, end): SpanText = serde_json::from_value(fields).expect("a span");
            let parent = parent.map_or(0, |parent| numbers[&parent]);
            span(numbers[&id], parent, start, end).named(&id).kind(kind_of(kind.unwrap_or("internal"))).build()
        })
        .collect();
    forest(&spans)
}

fn replay(name: &str, case: &Case) {
    let forest = build(case, &numbers(case));
    let name_of = |row: usize| forest.rows[row].span.name.to_string();
    let roots: Vec<String> = forest.roots().map(name_of).collect();
    assert_eq!(roots, case.roots, "{name}: roots");
    for root in forest.roots() {
        let sections = critical_path(&forest, root, case.tol);
        let path: Vec<SectionText> =
            sections.iter().map(|section| (name_of(section.row), section.from_ns, section.to_ns)).collect();
        assert_eq!(path, case.critical_path[&name_of(root)], "{name}: critical path of {}", name_of(root));
    }
    let selves: BTreeMap<String, u64> =
        forest.rows.iter().map(|row| row.span.name.to_string()).zip(self_times(&forest)).collect();
    assert_eq!(selves, case.self_time, "{name}: self time");
}

#[test]
fn vectors_of_the_critical_path_are_met() {
    let folder = folder();
    let files =
        std::fs::read_dir(&folder).unwrap_or_else(|cause| panic!("{} cannot be read: {cause}", folder.display()));
    let mut replayed = 0;
    for file in files {
        let path = file.expect("an entry").path();
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let text = std::fs::read_to_string(&path).expect("a readable file");
        let cases: BTreeMap<String, Case> =
            serde_json::from_str(&text).unwrap_or_else(|cause| panic!("{}: {cause}", path.display()));
        for (name, case) in &cases {
            replay(name, case);
            replayed += 1;
        }
    }
    assert!(replayed > 0, "{} holds no vectors", folder.display());
    println!("{replayed} vectors replayed from {}", folder.display());
}

#[test]
fn vectors_do_not_depend_on_the_order_of_arrival() {
    let spans: Vec<Arc<_>> = [(1, 0, 0, 100), (2, 1, 10, 60), (3, 2, 20, 50), (4, 1, 50, 90)]
        .into_iter()
        .map(|(id, parent, start, end)| span(id, parent, start, end).build())
        .collect();
    let reversed: Vec<_> = spans.iter().rev().cloned().collect();
    let (first, second) = (forest(&spans), forest(&reversed));
    assert_eq!(critical_path(&first, 0, 0), critical_path(&second, 0, 0));
    assert_eq!(self_times(&first), self_times(&second));
}
