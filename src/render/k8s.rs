//! A Kustomize base: one file for each role, the collector, the edges of the network; and the alert rules for an operator.

use std::fmt::Write as _;

use mall::config::Role;

use super::File;
use super::place::{DEV_PORT, HTTP_PORT, Place, ROUTES, RPC_PORT, health_service};
use super::template::{fill, lines};
use super::yaml::yaml;

const VERB: &str = "k8s";
const BASE: &str = "deploy/k8s/base";
const MONITORING: &str = "deploy/k8s/components/monitoring";

const KUSTOMIZATION: &str = include_str!("templates/k8s/kustomization.yaml");
const NAMESPACE: &str = include_str!("templates/k8s/namespace.yaml");
const NETWORK: &str = include_str!("templates/k8s/network.yaml");
const INGRESS: &str = include_str!("templates/k8s/ingress.yaml");
const INGRESS_PATH: &str = include_str!("templates/k8s/ingress-path.yaml");
const COLLECTOR: &str = include_str!("templates/k8s/collector.yaml");
const DEPLOYMENT: &str = include_str!("templates/k8s/deployment.yaml");
const RPC_PROBES: &str = include_str!("templates/k8s/rpc-probes.yaml");
const API_PROBES: &str = include_str!("templates/k8s/api-probes.yaml");
const MIGRATION: &str = include_str!("templates/k8s/migration.yaml");
const RPC_SERVICE: &str = include_str!("templates/k8s/rpc-service.yaml");
const API_SERVICE: &str = include_str!("templates/k8s/api-service.yaml");
const SCALING: &str = include_str!("templates/k8s/scaling.yaml");
const EDGES: &str = include_str!("templates/k8s/edges.yaml");
const PROMETHEUS_RULE: &str = include_str!("templates/k8s/prometheus-rule.yaml");

/// Begins the list of generated configuration maps.
const CONFIGURATIONS: &str = "\
# A changed configuration gets a new name, so that every pod that reads it is replaced, a few at a time.
configMapGenerator:
";

/// The production rules, as Prometheus itself would read them.
const RULES: &str = include_str!("../../deploy/prometheus/mall.rules.yml");

/// Processor time at which another replica is added, in thousandths of one processor. A service runs on one thread, so
/// this is a share of all that it can use, whatever is requested for it.
pub const SCALE_AT: u32 = 700;

/// How many times the least replicas there may be at most.
const ROOM_TO_SCALE: u32 = 3;

/// The base and the component with the alert rules.
pub fn shop(place: &Place) -> Vec<File> {
    let roles: Vec<Role> = place.roles().into_iter().map(|(role, _)| role).collect();
    let mut files = vec![
        File::new(format!("{BASE}/kustomization.yaml"), VERB, &kustomization(&roles)),
        File::new(format!("{BASE}/namespace.yaml"), VERB, NAMESPACE),
        File::new(format!("{BASE}/network.yaml"), VERB, NETWORK),
        File::new(format!("{BASE}/ingress.yaml"), VERB, &ingress()),
        File::new(format!("{BASE}/collector.yaml"), VERB, &collector_text()),
    ];
    for (role, replicas) in place.roles() {
        files.push(File::new(format!("{BASE}/{role}.yaml"), VERB, &workload(place, role, replicas)));
    }
    for role in roles.into_iter().chain([Role::Migrate]) {
        files.push(File::new(format!("{BASE}/config/{role}.yaml"), VERB, &yaml(&place.configure(role))));
    }
    files.push(File::new(format!("{MONITORING}/prometheus-rule.yaml"), VERB, &prometheus_rule()));
    files
}

/// The collector without the shop.
pub fn collector() -> Vec<File> {
    vec![
        File::new(format!("{BASE}/kustomization.yaml"), VERB, &kustomization(&[])),
        File::new(format!("{BASE}/namespace.yaml"), VERB, NAMESPACE),
        File::new(format!("{BASE}/network.yaml"), VERB, NETWORK),
        File::new(format!("{BASE}/collector.yaml"), VERB, &collector_text()),
    ]
}

/// What belongs to the base; without roles it is the collector alone.
fn kustomization(roles: &[Role]) -> String {
    let mut resources = lines(roles.iter().map(|role| format!("- {role}.yaml")));
    let mut configs = String::new();
    if !roles.is_empty() {
        resources.push_str("- ingress.yaml\n");
        configs.push_str(CONFIGURATIONS);
        for role in roles.iter().chain(&[Role::Migrate]) {
            // Writing into a String cannot fail.
            let _ = writeln!(configs, "  - {{ name: {role}, files: [config/{role}.yaml] }}");
        }
    }
    fill(KUSTOMIZATION, &[("RESOURCES", &resources), ("CONFIGS", &configs)])
}

fn ingress() -> String {
    let paths: String = ROUTES
        .iter()
        .map(|(path, role)| fill(INGRESS_PATH, &[("PATH", path.trim_end_matches('/')), ("ROLE", role.name())]))
        .collect();
    fill(INGRESS, &[("PATHS", &paths)])
}

fn collector_text() -> String {
    fill(COLLECTOR, &[("VERSION", env!("CARGO_PKG_VERSION"))])
}

/// Everything about one role: what runs, how it is found, how it grows, who may talk to it.
fn workload(place: &Place, role: Role, replicas: u32) -> String {
    let (http, rpc, dev) = (HTTP_PORT.to_string(), RPC_PORT.to_string(), DEV_PORT.to_string());
    let (least, most) = if role.is_http() { (2, 2 * ROOM_TO_SCALE) } else { (replicas, replicas * ROOM_TO_SCALE) };
    let (probes, service, port, secrets) = if role.is_http() {
        (API_PROBES, API_SERVICE, &http, ["MALL_ACCESS_SECRET", "MALL_REDIS_PASSWORD"])
    } else {
        (RPC_PROBES, RPC_SERVICE, &rpc, ["MALL_MYSQL_PASSWORD", "MALL_REDIS_PASSWORD"])
    };
    let probes = fill(probes, &[("PORT", port), ("HEALTH", health_service(role))]);
    let secrets: String = secrets.iter().map(|name| secret(name)).collect();
    let (least, most) = (least.to_string(), most.to_string());
    let values = [
        ("ROLE", role.name()),
        ("COMPONENT", if role.is_http() { "api" } else { "rpc" }),
        ("VERSION", env!("CARGO_PKG_VERSION")),
        ("PORT", port.as_str()),
        ("PORT_NAME", if role.is_http() { "http" } else { "grpc" }),
        ("DEV_PORT", &dev),
        ("PROBES", &probes),
        ("SECRETS", &secrets),
        ("MIGRATION", if role.is_http() { "" } else { MIGRATION.trim_end() }),
        ("MIGRATION_VOLUME", if role.is_http() { "" } else { "- { name: migrate, configMap: { name: migrate } }" }),
        ("LEAST", &least),
        ("MOST", &most),
        ("SCALE_AT", &SCALE_AT.to_string()),
        ("CALLERS", &callers(place, role)),
        ("CALLED", &called(place, role)),
    ];
    let filled: Vec<String> =
        [DEPLOYMENT, service, SCALING, EDGES].map(|part| fill(&fill(part, &values), &values)).into();
    filled.join("---\n")
}

fn secret(name: &str) -> String {
    format!("- name: {name}\n  valueFrom: {{ secretKeyRef: {{ name: mall-secrets, key: {name} }} }}\n")
}

/// Who may open connections to the role.
fn callers(place: &Place, role: Role) -> String {
    if role.is_http() {
        return "# The ingress controller, wherever it runs.\n- namespaceSelector: {}\n".to_owned();
    }
    let callers = place.roles().into_iter().filter(|(caller, _)| place.calls(*caller).contains(&role));
    lines(
        callers.map(|(caller, _)| format!("- podSelector: {{ matchLabels: {{ app.kubernetes.io/name: {caller} }} }}")),
    )
}

/// Where the role may open connections to, beside the resolver and the collector.
fn called(place: &Place, role: Role) -> String {
    let edge = |name: &str, port: u16| {
        format!(
            "- to:\n    - podSelector: {{ matchLabels: {{ app.kubernetes.io/name: {name} }} }}\n  \
             ports: [{{ port: {port} }}]\n"
        )
    };
    let mut text: String = place.calls(role).into_iter().map(|called| edge(called.name(), RPC_PORT)).collect();
    if !role.is_http() {
        text.push_str(&edge("mariadb", 3306));
    }
    text.push_str(&edge("redis", 6379));
    text
}

/// The rules as they are, one level deeper.
fn prometheus_rule() -> String {
    let rules = lines(RULES.lines().filter(|line| !line.starts_with('#')));
    fill(PROMETHEUS_RULE, &[("RULES", &rules)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replicas_are_added_before_any_of_them_sheds() {
        for (role, _) in Place::k8s().roles() {
            let config = Place::k8s().configure(role);
            assert!(config.sheds() && SCALE_AT < config.cpu_threshold, "{role}");
        }
    }

    #[test]
    fn only_who_calls_a_service_may_reach_it() {
        let place = Place::k8s();
        let order = callers(&place, Role::OrderRpc);
        for caller in ["order-api", "pay-rpc"] {
            assert!(order.contains(&format!("name: {caller} }}")), "{order}");
        }
        assert!(!order.contains("user-api"), "{order}");
        assert!(!called(&place, Role::UserApi).contains("pay-rpc"));
    }

    #[test]
    fn the_operators_rules_are_the_shipped_ones() {
        let rule = prometheus_rule();
        for line in RULES.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty()) {
            assert!(rule.contains(&format!("  {line}\n")), "{line}");
        }
    }
}
