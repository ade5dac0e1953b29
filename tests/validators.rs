//! The files for containers, as the tools of those who define the formats see them: right as they are, wrong with a typo.
//!
//! `deploy/validate install FOLDER` installs the tools; `MALL_TEST_VALIDATORS=FOLDER` tells where they are. Without it
//! these tests are reported as ignored, by name.

use std::path::{Path, PathBuf};
use std::process::Command;

use libtest_mimic::{Arguments, Trial};
use tempfile::TempDir;

const VARIABLE: &str = "MALL_TEST_VALIDATORS";

fn main() {
    let tools = std::env::var_os(VARIABLE).filter(|folder| !folder.is_empty()).map(PathBuf::from);
    let trials = [
        ("what_is_rendered_is_valid", what_is_rendered_is_valid as fn(&Path)),
        ("a_typo_in_any_file_is_found_by_the_tool_for_it", a_typo_in_any_file_is_found_by_the_tool_for_it),
    ]
    .map(|(name, test)| {
        let kind = if tools.is_some() { String::new() } else { format!("skipped, needs {VARIABLE}") };
        let folder = tools.clone().unwrap_or_default();
        let run = move || {
            test(&folder);
            Ok(())
        };
        Trial::test(name, run).with_kind(kind).with_ignored_flag(tools.is_none())
    });
    libtest_mimic::run(&Arguments::from_args(), trials.into()).exit();
}

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Whether everything was well, and what was said.
fn validate(root: &Path, tools: &Path) -> (bool, String) {
    let output = Command::new(root.join("deploy/validate")).arg(tools).output().expect("the script runs");
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&said).into_owned())
}

fn what_is_rendered_is_valid(tools: &Path) {
    let (well, said) = validate(repository(), tools);
    assert!(well && said.contains("ok      kubernetes-validate: deploy/k8s/overlays/prod"), "{said}");
}

fn a_typo_in_any_file_is_found_by_the_tool_for_it(tools: &Path) {
    let copy = TempDir::new().expect("a folder");
    let copied = Command::new("cp")
        .args(["-r", "deploy", "docker-compose.yaml"])
        .arg(copy.path())
        .current_dir(repository())
        .status()
        .expect("cp runs");
    assert!(copied.success());
    let misspell = |file: &str, right: &str, wrong: &str| {
        let path = copy.path().join(file);
        let text = std::fs::read_to_string(&path).expect("reads");
        assert!(text.contains(right), "{file} has no {right}");
        std::fs::write(&path, text.replacen(right, wrong, 1)).expect("writes");
    };
    misspell("deploy/docker/Dockerfile", "WORKDIR /src", "WORKDIR src");
    misspell("docker-compose.yaml", "depends_on:", "depend_on:");
    misspell("deploy/k8s/base/user-rpc.yaml", "readinessProbe:", "readynessProbe:");
    misspell("deploy/k8s/overlays/prod/kustomization.yaml", "- stores.yaml", "- shops.yaml");
    misspell("deploy/k8s/components/monitoring/prometheus-rule.yaml", "histogram_quantile(", "histogram_quantil(");
    let (well, said) = validate(copy.path(), tools);
    assert!(!well, "{said}");
    for (tool, because) in [
        ("hadolint: deploy/docker/Dockerfile", "DL3000"),
        ("docker-compose: services found in etcd", "depend_on"),
        ("kubernetes-validate: deploy/k8s/base", "readynessProbe"),
        ("kubernetes-validate: deploy/k8s/overlays/dev", "readynessProbe"),
        ("kustomize: deploy/k8s/overlays/prod", "shops.yaml"),
    ] {
        assert!(said.contains(&format!("FAILED  {tool}")) && said.contains(because), "{tool}: {said}");
    }
    assert!(said.contains("skipped promtool") || said.contains("FAILED  promtool: the operator's rules"), "{said}");
}
