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
        let reading =
            ServiceConfig::interpret_as(role, &text, &path, &secret).unwrap_or_else(|error| panic!("{error}"));
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

/// What is told of a file when it is to start a role, line by line.
fn told(role: Role, text: &str) -> Vec<String> {
    match ServiceConfig::interpret_as(role, text, Path::new("a.yaml"), &|_| None) {
        Ok(_) => Vec::new(),
        Err(error) => error.to_string().lines().map(str::to_owned).collect(),
    }
}

#[test]
fn what_a_role_cannot_start_without_is_missed_by_name() {
    let keys = |role: Role| {
        let lines = told(role, &format!("Name: {role}"));
        let keys =
            lines.iter().filter_map(|line| line.strip_prefix("a.yaml:1:1: `")?.split('`').next().map(str::to_owned));
        keys.collect::<Vec<_>>()
    };
    assert_eq!(keys(Role::Gateway), ["OrderRpc", "PayRpc", "UserRpc"]);
    assert_eq!(keys(Role::UserApi), ["Auth.AccessSecret", "UserRpc"]);
    assert_eq!(keys(Role::OrderApi), ["Auth.AccessSecret", "OrderRpc", "PayRpc", "UserRpc"]);
    assert_eq!(keys(Role::PayApi), ["Auth.AccessSecret", "PayRpc"]);
    assert_eq!(keys(Role::PayRpc), ["DataSource", "OrderRpc"]);
    for role in [Role::UserRpc, Role::OrderRpc, Role::Migrate] {
        assert_eq!(keys(role), ["DataSource"]);
    }
    let source = "Name: pay-rpc\nDataSource: sqlite:///pay.db\n";
    assert_eq!(told(Role::PayRpc, &format!("{source}Redis: {{ Host: 'r:1' }}")), [""; 0]);
    assert_eq!(told(Role::PayRpc, &format!("{source}OrderRpc: {{ Endpoints: ['o:1'] }}")), [""; 0]);
    assert_eq!(told(Role::PayRpc, &format!("{source}Mall: {{ Control: {{ Endpoint: 'c:1' }} }}")), [""; 0]);
    assert_eq!(told(Role::UserRpc, "Name: a\nDatabase: { DataSource: 'sqlite:///user.db' }"), [""; 0]);
}

#[test]
fn every_mistake_is_told_with_what_is_missing_and_nothing_twice() {
    let text = "\
Name: order-api
UserRpc: { Target: 'etcd:///user-rpc' }
OrderRpc: { Target: 'dns:///order-rpc:0' }
PayRpc: { Endpoints: ['pay-rpc:0', 'pay-rpc:9003'] }
DataSource: postgres://shop:hunter2@db/mall
Database: { MaxOpenConns: 0 }
Telemetry: { Endpoint: ':4317', OtlpHeaders: { 'a b': x, c: \"hunter2\\n\" } }
Consul: { Host: 'c:8500', Key: order, Token: \"hunter2\\n\" }
Log: { Level: wran }
";
    let lines = told(Role::OrderApi, text);
    let expected = [
        "1:1: `Auth.AccessSecret` is missing: give user-api, order-api and pay-api the same one",
        "2:20: `UserRpc.Target` is `etcd:///user-rpc`: must be etcd://host:port,host:port/key, consul://",
        "3:21: `OrderRpc.Target` is `dns:///order-rpc:0`: `order-rpc:0` is no address; give host:port",
        "4:23: `PayRpc.Endpoints` is `pay-rpc:0`: must be host:port with a port above 0",
        "5:13: `DataSource` is not understood: write `sqlite:///path/to/file.db`, `mysql://",
        "6:27: `Database.MaxOpenConns` is `0`: must be a whole number from 1",
        "7:24: `Telemetry.Endpoint` is `:4317`: must be host:port with a port above 0",
        "7:48: `Telemetry.OtlpHeaders.a b` cannot be the name of a header",
        "7:61: `Telemetry.OtlpHeaders.c` holds characters that a header cannot",
        "8:46: `Consul.Token` holds characters that a header cannot",
        "9:15: `Log.Level` is `wran`: `wran` is no level",
    ];
    assert_eq!(lines.len(), expected.len(), "{lines:#?}");
    for (line, expected) in lines.iter().zip(expected) {
        assert!(line.starts_with(&format!("a.yaml:{expected}")), "{line}\nis not\n{expected}");
        assert!(!line.contains("hunter2"), "{line}");
    }
}

#[test]
fn data_sources_that_cannot_be_had_are_told_where_they_stand() {
    let line = |source: &str| told(Role::Migrate, &format!("Name: a\nDataSource: {source}")).join("\n");
    assert!(line("mysql://u:hunter2@db/mall?tls=true").starts_with("a.yaml:2:13: `DataSource` cannot be had: "));
    assert!(!line("mysql://u:hunter2@db/mall?tls=true").contains("hunter2"));
    for good in ["sqlite:///data", "mysql://u:p@db:3306/mall", "u:p@tcp(db:3306)/mall?parseTime=true"] {
        assert_eq!(line(good), "", "{good}");
    }
    // An RPC service listens on a port that is free; nobody can connect to such a port.
    assert_eq!(told(Role::UserRpc, "Name: a\nListenOn: ':0'\nDataSource: sqlite:///user.db"), [""; 0]);
    assert_eq!(told(Role::UserRpc, "Name: a\nRedis: { Host: ':6379' }\nDataSource: sqlite:///user.db").len(), 1);
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
