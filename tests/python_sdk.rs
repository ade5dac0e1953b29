//! A stranger's SDK: Python's exporters over gRPC and HTTP against `mallctl collect`.
//!
//! Needs an interpreter with `opentelemetry-sdk` and `opentelemetry-exporter-otlp`, named by `MALL_TEST_PYTHON`.

use std::path::PathBuf;
use std::process::{Command, Output};

use serde_json::Value;

fn mallctl(state: &std::path::Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_mallctl")).args(arguments).env("MALL_STATE", state).output().expect("mallctl runs")
}

fn json_of(output: &Output) -> Value {
    let text = String::from_utf8_lossy(&output.stdout);
    serde_json::from_str(&text).unwrap_or_else(|error| {
        panic!("{error} in stdout {text:?}, stderr {:?}", String::from_utf8_lossy(&output.stderr))
    })
}

/// Ends the collector however the test ends.
struct Down(PathBuf);

impl Drop for Down {
    fn drop(&mut self) {
        mallctl(&self.0, &["down", "--stack", "python", "--purge"]);
    }
}

#[test]
fn traces_of_a_python_service_are_shown() {
    let Some(python) = std::env::var_os("MALL_TEST_PYTHON") else {
        eprintln!(
            "skipped: traces_of_a_python_service_are_shown needs MALL_TEST_PYTHON, an interpreter with opentelemetry-exporter-otlp"
        );
        return;
    };
    let state = tempfile::tempdir().expect("a folder");
    let collect = mallctl(state.path(), &["collect", "-d", "--isolated", "--stack", "python", "--json"]);
    let _down = Down(state.path().to_owned());
    let addresses = json_of(&collect)["addresses"].clone();
    let address = |key: &str| addresses[key].as_str().expect(key).to_owned();

    let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/python/export.py");
    let exported = Command::new(python)
        .arg(script)
        .args([address("otlp_grpc"), address("otlp_http")])
        .output()
        .expect("the interpreter runs");
    assert!(exported.status.success(), "{}", String::from_utf8_lossy(&exported.stderr));

    for line in String::from_utf8_lossy(&exported.stdout).lines() {
        let (way, trace_id) = line.split_once(' ').expect("a way and an id");
        let trace = json_of(&mallctl(state.path(), &["trace", "show", trace_id, "--stack", "python", "--json"]));
        let spans = trace["spans"].as_array().expect("spans");
        assert_eq!(spans.len(), 2, "{way}");
        assert_eq!(spans[0]["service"], format!("python-{way}"));
        assert_eq!(spans[0]["operation"], "GET /cart");
        assert_eq!(spans[1]["operation"], "SELECT carts");
        assert_eq!(spans[1]["parent_id"], spans[0]["span_id"]);
        assert_eq!(spans[1]["attributes"]["db.system.name"], "sqlite");
        assert_eq!(spans[1]["events"][0]["name"], "row");
    }
}
