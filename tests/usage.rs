//! Wrong input gets a clear answer: what, why, and the mend.

mod common;

use common::{Home, failure, orders};

#[test]
fn without_a_stack_every_verb_says_so() {
    let home = Home::new();
    for args in [
        &["status"][..],
        &["restart", "pay-rpc"],
        &["fault", "list"],
        &["trace", "list"],
        &["p2c"],
        &["breaker"],
        &["alerts", "list"],
        &["watch", "--once"],
        &["load", "order-burst"],
        &["wait", "--for", "alert:HighLatency"],
    ] {
        let (code, says) = failure(&home.run(args));
        assert!(code == 3 && says.contains("mallctl up"), "{args:?}: {code} {says}");
    }
}

#[test]
fn a_typo_in_a_scenario_names_file_line_field_and_the_likely_word() {
    let home = Home::new();
    let path = home.write("typo.toml", &orders(5, 1).replace("rate = 5", "rat = 5"));
    for args in [&["scenario", "validate", &path][..], &["load", &path], &["up", "--headless", "--load", &path]] {
        let (code, says) = failure(&home.run(args));
        assert_eq!(code, 2, "{args:?}: {says}");
        assert!(says.contains("typo.toml:") && says.contains("rat") && says.contains("`rate`"), "{args:?}: {says}");
    }
}

#[test]
fn an_unknown_scenario_names_the_nearest() {
    let (code, says) = failure(&Home::new().run(&["up", "--headless", "--load", "order-brust"]));
    assert!(code == 2 && says.contains("did you mean `order-burst`?\n"), "{says}");
}

#[test]
fn a_place_from_the_environment_is_told_as_one_and_an_empty_one_is_none() {
    let home = Home::new();
    // A proxy without three APIs is refused after the places were read, and before anything starts.
    let up = ["up", "-d", "--edge", "127.0.0.1:80"];
    for name in ["MALL_STORE", "MALL_CACHE", "MALL_REGISTRY"] {
        let (code, says) = failure(&home.command(&up).env(name, "bogus").output().expect("runs"));
        assert!(code == 2 && says.contains("'bogus'") && says.contains(&format!("comes from {name}")), "{says}");
        let (code, says) = failure(&home.command(&up).env(name, "").output().expect("runs"));
        assert!(code == 2 && says.contains("--apis 3"), "{says}");
    }
    let by_flag = home.command(&["up", "--store", "bogus"]).env("MALL_STORE", "bogus").output().expect("runs");
    assert!(!failure(&by_flag).1.contains("comes from"), "{}", failure(&by_flag).1);
}

#[test]
fn servers_that_do_not_answer_are_named_before_anything_starts() {
    let home = Home::new();
    let (code, says) = failure(&home.run(&[
        "up",
        "-d",
        "--isolated",
        "--store",
        "mysql://root:hunter2@127.0.0.1:1/mall",
        "--cache",
        "redis://:hunter2@127.0.0.1:1",
        "--registry",
        "etcd://127.0.0.1:1",
    ]));
    assert_eq!(code, 1, "{says}");
    for server in ["mysql at 127.0.0.1:1", "redis at 127.0.0.1:1", "etcd at 127.0.0.1:1"] {
        assert!(says.contains(&format!("{server} does not answer")), "{says}");
    }
    assert!(says.contains("--store") && !says.contains("hunter2"), "{says}");
    assert_eq!(home.run(&["status"]).status.code(), Some(3), "nothing was started");
}

#[test]
fn three_apis_without_a_proxy_are_a_usage_error_that_says_how() {
    let home = Home::new();
    let (code, says) = failure(&home.run(&["up", "-d", "--apis", "3"]));
    assert!(code == 2 && says.contains("--edge") && says.contains("--api-ports"), "{says}");
    let (code, says) = failure(&home.run(&["up", "-d", "--edge", "127.0.0.1:80"]));
    assert!(code == 2 && says.contains("--apis 3"), "{says}");
    for store in ["postgres://x:hunter2@db/mall", "mysql://x:hunter2@/mall"] {
        let (code, says) = failure(&home.run(&["up", "-d", "--store", store]));
        assert!(code == 2 && says.contains("mysql://user:pass@host"), "{says}");
    }
}

#[test]
fn a_configuration_is_checked_without_serving() {
    let home = Home::new();
    let good = home.write("user.yaml", "Name: user-rpc\nListenOn: 127.0.0.1:0\nDataSource: sqlite:///data/user.db\n");
    assert_eq!(home.ok(&["serve", "user-rpc", "--config", &good, "--check"]), "ok\n");
    let (code, says) = failure(&home.run(&["serve", "user-api", "--config", &good]));
    assert!(code == 2 && says.contains("user.yaml:1:1: `Auth.AccessSecret` is missing"), "{says}");
    assert!(says.contains("`UserRpc` is missing"), "{says}");
    // A file that is looked at may be a part of what the role is given.
    let (code, says) = failure(&home.run(&["serve", "user-api", "--config", &good, "--check"]));
    assert!(code == 0 && says.contains("`Auth.AccessSecret` is missing"), "{code} {says}");
    assert!(says.contains("user-api does not start with this file alone"), "{says}");
    let bad = home.write("bad.yaml", "{\"Name\": \"pay-rpc\",\n\"ListenOm\": \"127.0.0.1:0\"}\n");
    let (code, says) = failure(&home.run(&["serve", "pay-rpc", "--config", &bad, "--check"]));
    assert!(code == 2 && says.contains("bad.yaml:2") && says.contains("ListenOn"), "{says}");
    let (code, says) = failure(&home.run(&["serve", "pay-rpc", "--config", common::binary(), "--check"]));
    assert!(code == 2 && says.contains("not text in UTF-8") && !says.contains("that exists"), "{says}");
}

#[test]
fn the_guides_files_are_refused_for_their_mistakes_and_accepted_once_they_are_mended() {
    let home = Home::new();
    let check = |role: &str, text: &str| {
        let path = home.write(&format!("{role}.yaml"), text);
        let told = home.run(&["serve", role, "--config", &path, "--check"]);
        let (code, says) = failure(&told);
        let mistakes: Vec<String> =
            says.lines().filter_map(|line| Some(line.rsplit_once(".yaml:")?.1.to_owned())).collect();
        (code, mistakes)
    };
    let read = |name: &str| {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("mall/tests/seed");
        std::fs::read_to_string(folder.join(name)).expect("is kept")
    };
    let (api, rpc) = (read("seed-user-api.yaml"), read("seed-user-rpc.yaml"));
    let (code, mistakes) = check("user-api", &api);
    assert_eq!((code, mistakes.len()), (2, 2), "{mistakes:?}");
    assert!(mistakes[0].starts_with("7:3: unknown key `SampleRate`; did you mean `Sampler`?"), "{mistakes:?}");
    assert!(mistakes[1].contains("must be `otlpgrpc` or `otlphttp`"), "{mistakes:?}");
    let (code, mistakes) = check("user-rpc", &rpc);
    assert_eq!((code, mistakes.len()), (2, 1), "{mistakes:?}");
    let mended = |text: &str| text.replace("SampleRate:", "Sampler:").replace("Batcher: grpc", "Batcher: otlpgrpc");
    assert_eq!(check("user-api", &mended(&api)).0, 0);
    assert_eq!(check("user-rpc", &mended(&rpc)).0, 0);
}

#[test]
fn a_dead_target_is_named_with_its_address() {
    let (code, says) = failure(&Home::new().run(&["load", "http://127.0.0.1:1/", "-r", "5", "--for", "1s"]));
    assert!(code == 1 && says.contains("127.0.0.1:1"), "{says}");
}

#[test]
fn a_scenario_is_aimed_elsewhere_by_the_rules_of_a_url() {
    let home = Home::new();
    let load = |target: &str| failure(&home.run(&["load", "order-burst", "--target", target, "--for", "1s"]));
    let (code, says) = load("http://127.0.0.1:1");
    assert!(code == 1 && says.contains("nothing answers at 127.0.0.1:1"), "{code} {says}");
    let (code, says) = load("http://192.0.2.1:8888");
    assert!(code == 2 && says.contains("--allow-remote"), "{code} {says}");
    for target in ["ftp://127.0.0.1", "127.0.0.1:8888", "somewhere"] {
        let (code, says) = load(target);
        assert!(code == 2 && says.contains("http or https"), "{target}: {code} {says}");
    }
    let (code, says) = failure(&home.run(&["load", "http://127.0.0.1:1/", "--target", "http://127.0.0.1:2"]));
    assert!(code == 2 && says.contains("a target already"), "{code} {says}");
}

#[test]
fn flags_that_do_not_exist_and_words_that_make_no_sense_are_usage_errors() {
    let home = Home::new();
    for args in [
        &["up", "--policy", "hardened"][..],
        &["up", "--replicas", "gateway=3"],
        &["wait", "--for", "lunch"],
        &["wait", "--for", "ready", "--timeout", "60"],
        &["status", "--stack", "../evil"],
        &["load", "order-burst", "-X", "POST"],
        &["load", "http://127.0.0.1:1/", "--trace-sample", "7"],
        &["load", "http://127.0.0.1:1/", "--rate", "abc"],
    ] {
        let (code, says) = failure(&home.run(args));
        assert_eq!(code, 2, "{args:?}: {says}");
    }
}

#[test]
fn what_ships_is_listed_shown_valid_and_evaluable() {
    let home = Home::new();
    let list = home.ok(&["scenario", "list"]);
    for name in ["order-burst", "browse", "pay-brownout", "slow-replica", "fast-fail-replica"] {
        assert!(list.contains(name), "{list}");
        assert!(home.ok(&["scenario", "show", name]).contains(name));
        assert!(home.ok(&["scenario", "validate", name]).contains("valid"));
    }
    assert!(home.ok(&["fault", "kinds"]).contains("latency"));
    assert!(home.ok(&["alerts", "check"]).contains("CircuitBreakerTripped"));
    assert!(home.ok(&["completions", "bash"]).contains("mallctl"));
    assert!(home.ok(&["doctor"]).contains("passed"));
}

#[test]
fn a_rule_that_cannot_be_evaluated_is_refused_by_name() {
    let home = Home::new();
    let rules = home.write(
        "odd.rules.yml",
        "groups:\n- name: g\n  rules:\n  - alert: Odd\n    expr: predict_linear(x[5m], 60) > 0\n",
    );
    let (code, says) = failure(&home.run(&["alerts", "check", &rules]));
    assert!(code == 2 && says.contains("Odd") && says.contains("predict_linear"), "{says}");
}
