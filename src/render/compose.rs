//! docker-compose.yaml, and the configuration files beside it.

use std::fmt::Write as _;

use mall::config::Role;

use super::File;
use super::place::{HTTP_PORT, Place, ROUTES, RPC_PORT, health_service};
use super::template::{fill, lines};
use super::yaml::yaml;

const VERB: &str = "compose";
const FOLDER: &str = "deploy/compose";

const SHOP: &str = include_str!("templates/compose/shop.yaml");
const RPC: &str = include_str!("templates/compose/rpc.yaml");
const API: &str = include_str!("templates/compose/api.yaml");
const ETCD: &str = include_str!("templates/compose/etcd.yaml");
const CONSUL: &str = include_str!("templates/compose/consul.yaml");
const COLLECTOR: &str = include_str!("templates/compose/collector.yaml");
const COLLECTOR_ALONE: &str = include_str!("templates/compose/collector-alone.yaml");
const NGINX: &str = include_str!("templates/compose/nginx.conf");
const GRANTS: &str = include_str!("templates/compose/mariadb-grants.sql");

/// The shop. Where it finds its services through etcd, the profile `consul` offers the other way too.
pub fn shop(place: &Place) -> Vec<File> {
    let mut files = vec![File::new("docker-compose.yaml", VERB, &document(place))];
    files.extend(configurations(place));
    if !place.uses_consul() {
        files.extend(configurations(&Place::consul()));
    }
    files.push(File::new(format!("{FOLDER}/nginx.conf"), VERB, &nginx()));
    // `#` begins a comment in MariaDB's SQL as well.
    files.push(File::new(format!("{FOLDER}/mariadb-grants.sql"), VERB, GRANTS));
    files
}

/// The collector without the shop.
pub fn collector() -> Vec<File> {
    let text = fill(COLLECTOR_ALONE, &[("COLLECTOR", COLLECTOR), ("VERSION", env!("CARGO_PKG_VERSION"))]);
    vec![File::new("docker-compose.yaml", VERB, &text)]
}

fn registry_of(place: &Place) -> &'static str {
    if place.uses_consul() { "consul" } else { "etcd" }
}

fn configurations(place: &Place) -> impl Iterator<Item = File> {
    let folder = format!("{FOLDER}/{}", registry_of(place));
    let roles = place.roles().into_iter().map(|(role, _)| role).chain([Role::Migrate]);
    roles.map(move |role| File::new(format!("{folder}/{role}.yaml"), VERB, &yaml(&place.configure(role))))
}

fn document(place: &Place) -> String {
    let services: Vec<String> =
        place.roles().into_iter().map(|(role, replicas)| service(place, role, replicas)).collect();
    let profile = if place.uses_consul() { "" } else { "profiles: [consul]" };
    let consul = fill(CONSUL, &[("PROFILE", profile)]);
    let registries = if place.uses_consul() { consul } else { format!("{ETCD}\n{consul}") };
    let mut configs = String::new();
    for role in place.roles().into_iter().map(|(role, _)| role).chain([Role::Migrate]) {
        let folder = if place.uses_consul() { "consul" } else { "${MALL_COMPOSE_REGISTRY:-etcd}" };
        // Writing into a String cannot fail.
        let _ = writeln!(configs, "{role}: {{ file: \"./{FOLDER}/{folder}/{role}.yaml\" }}");
    }
    let apis: Vec<&str> =
        place.roles().into_iter().filter(|(role, _)| role.is_http()).map(|(role, _)| role.name()).collect();
    fill(
        SHOP,
        &[
            ("VERSION", env!("CARGO_PKG_VERSION")),
            ("SERVICES", services.join("\n").trim_end()),
            ("REGISTRIES", registries.trim_end()),
            ("COLLECTOR", COLLECTOR.trim_end()),
            ("CONFIGS", &configs),
            ("HTTP_PORT", &HTTP_PORT.to_string()),
            ("AFTER_APIS", &after(&apis)),
        ],
    )
}

fn service(place: &Place, role: Role, replicas: u32) -> String {
    let template = if role.is_http() { API } else { RPC };
    let called: Vec<&str> = place.calls(role).into_iter().map(Role::name).collect();
    let registry = if place.uses_consul() {
        "consul: { condition: service_healthy }".to_owned()
    } else {
        // Without its profile Consul is not there, and that is no failure.
        "etcd: { condition: service_healthy }\nconsul: { condition: service_healthy, required: false }".to_owned()
    };
    fill(
        template,
        &[
            ("ROLE", role.name()),
            ("REPLICAS", &replicas.to_string()),
            ("HEALTH", health_service(role)),
            ("RPC_PORT", &RPC_PORT.to_string()),
            ("HTTP_PORT", &HTTP_PORT.to_string()),
            ("AFTER_REGISTRY", &registry),
            ("AFTER_CALLED", &after(&called)),
        ],
    )
}

/// Lines of `depends_on` for services that must be healthy first.
fn after(services: &[&str]) -> String {
    lines(services.iter().map(|service| format!("{service}: {{ condition: service_healthy }}")))
}

fn nginx() -> String {
    let mut upstreams = String::new();
    for role in Role::API {
        // Writing into a String cannot fail.
        let _ = writeln!(
            upstreams,
            "upstream {role} {{ zone {role} 64k; server {role}:{HTTP_PORT} resolve; keepalive 64; keepalive_timeout 5s; }}"
        );
    }
    let locations = lines(ROUTES.iter().map(|(path, role)| format!("location {path} {{ proxy_pass http://{role}; }}")));
    fill(NGINX, &[("UPSTREAMS", &upstreams), ("LOCATIONS", &locations), ("HTTP_PORT", &HTTP_PORT.to_string())])
}

#[cfg(test)]
mod tests {
    use mall::listener::HEADER_TIMEOUT;

    use super::*;

    /// The proxy of `deploy/local`, which is not rendered.
    const LOCAL: &str = include_str!("../../deploy/local/nginx.conf.in");

    #[test]
    fn a_proxy_closes_an_idle_connection_before_the_api_does() {
        for text in [LOCAL, &nginx()] {
            let upstreams: Vec<_> = text.lines().filter(|line| line.trim_start().starts_with("upstream ")).collect();
            assert_eq!(upstreams.len(), Role::API.len(), "{text}");
            for upstream in upstreams {
                let idle = upstream.split_once("keepalive_timeout ").and_then(|(_, rest)| rest.split_once("s;"));
                let idle_s: u64 = idle.and_then(|(number, _)| number.parse().ok()).expect("seconds are set");
                assert!(idle_s < HEADER_TIMEOUT.as_secs(), "{upstream}");
            }
            assert!(text.contains(&format!("after {} s", HEADER_TIMEOUT.as_secs())), "the comment is old: {text}");
        }
    }
}
