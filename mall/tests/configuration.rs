//! Configuration files as people write them: those that ship, and the seed guide's own with their two mistakes.

use mall::config::{Role, ServiceConfig};
use std::path::{Path, PathBuf};

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn secret(name: &str) -> Option<String> {
    (name == "MALL_ACCESS_SECRET").then(|| "a secret of the test".to_owned())
}

#[test]
fn one_file_per_role_ships_and_says_nothing_in_vain() {
    for role in Role::ALL {
        let path = folder("etc").join(format!("{role}.yaml"));
        let text = std::fs::read_to_string(&path).expect("ships");
        let reading = ServiceConfig::interpret(&text, &path, &secret).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(reading.notes, [], "{role}");
        assert_eq!(reading.config.name, role.name());
    }
}

#[test]
fn a_file_that_asks_for_a_secret_does_not_load_without_it() {
    let path = folder("etc").join("gateway.yaml");
    let text = std::fs::read_to_string(&path).expect("ships");
    let error = ServiceConfig::interpret(&text, &path, &|_| None).expect_err("has no secret").to_string();
    assert!(error.contains("`Auth.AccessSecret` asks for the environment variable `MALL_ACCESS_SECRET`"), "{error}");
}

/// The file of the guide, as it stands and as `mends` change it.
fn seed(name: &str, mends: &[(&str, &str)]) -> Result<ServiceConfig, String> {
    let path = folder("tests/seed").join(name);
    let mut text = std::fs::read_to_string(&path).expect("is kept");
    for (wrong, right) in mends {
        assert!(text.contains(wrong), "{wrong} is not in {name}");
        text = text.replace(wrong, right);
    }
    ServiceConfig::parse(&text, Path::new(name)).map_err(|error| error.to_string())
}

#[test]
fn the_guides_api_is_refused_for_its_two_mistakes_and_accepted_once_they_are_mended() {
    let refusal = seed("seed-user-api.yaml", &[]).expect_err("has two mistakes");
    let lines: Vec<&str> = refusal.lines().collect();
    assert_eq!(
        lines,
        [
            "seed-user-api.yaml:7:3: unknown key `SampleRate`; did you mean `Sampler`?",
            "seed-user-api.yaml:8:12: `Telemetry.Batcher` is `grpc`: must be `otlpgrpc` or `otlphttp`; did you mean `otlpgrpc`?",
        ]
    );
    let mended = seed("seed-user-api.yaml", &[("SampleRate:", "Sampler:"), ("Batcher: grpc", "Batcher: otlpgrpc")]);
    let config = mended.expect("is accepted");
    assert!((config.telemetry.sampler - 0.1).abs() < f64::EPSILON);
    assert_eq!((config.database.max_open_conns, config.database.max_lifetime), (100, 3600));
    assert_eq!(config.user_rpc.and_then(|client| client.etcd).map(|etcd| etcd.key).as_deref(), Some("user-rpc"));
}

#[test]
fn the_guides_rpc_is_refused_for_its_mistake_and_accepted_once_it_is_mended() {
    let refusal = seed("seed-user-rpc.yaml", &[]).expect_err("has a mistake");
    assert_eq!(refusal, "seed-user-rpc.yaml:10:3: unknown key `SampleRate`; did you mean `Sampler`?");
    let config = seed("seed-user-rpc.yaml", &[("SampleRate:", "Sampler:")]).expect("is accepted");
    assert_eq!(config.listen_on, "0.0.0.0:8080");
    assert_eq!(config.etcd.map(|etcd| etcd.hosts), Some(vec!["127.0.0.1:2379".to_owned()]));
}

#[test]
fn the_document_is_what_the_table_says() {
    let document = std::fs::read_to_string(folder("../docs/config.md")).unwrap_or_default();
    assert!(
        document == mall::config::document(),
        "docs/config.md is not up to date: cargo run -p mall --example config > docs/config.md"
    );
}
