//! Containers as a place: every process has an address of its own, so every role listens on the same port everywhere;
//! servers have names; secrets come from the environment.

use mall::config::{DevServer, Role, ServiceConfig};

use crate::topology::{Apis, CacheAt, RegistryAt, StoreAt, Topology};

/// Where every RPC service listens.
pub const RPC_PORT: u16 = 9000;
/// Where every API, and the proxy in front of them, listens.
pub const HTTP_PORT: u16 = 8888;
/// Health and metrics for whoever looks after the process.
pub const DEV_PORT: u16 = 6060;

/// Which paths each API answers; the proxy and the ingress are made of this.
pub const ROUTES: [(&str, Role); 4] = [
    ("/api/user/", Role::UserApi),
    ("/api/product/", Role::OrderApi),
    ("/api/order/", Role::OrderApi),
    ("/api/pay/", Role::PayApi),
];

/// A topology in containers.
#[derive(Debug, Clone)]
pub struct Place {
    topology: Topology,
    /// Variable that names the container or pod.
    replica: &'static str,
    /// host:port of the collector; empty where `OTEL_EXPORTER_OTLP_ENDPOINT` says it.
    collector: &'static str,
}

impl Place {
    /// Compose: etcd knows where the services are.
    pub fn compose() -> Self {
        let registry = RegistryAt::Etcd { hosts: vec!["etcd:2379".to_owned()], prefix: String::new() };
        Self { topology: shop(registry), replica: "HOSTNAME", collector: "collector:4317" }
    }

    /// Compose: Consul knows where the services are.
    pub fn consul() -> Self {
        let registry = RegistryAt::Consul { host: "consul:8500".to_owned(), prefix: String::new() };
        Self { topology: shop(registry), ..Self::compose() }
    }

    /// Kubernetes: headless services, whose names resolve to every ready replica. A service with an address of its own
    /// would balance connections instead of calls, and each client would talk to one replica for ever.
    pub fn k8s() -> Self {
        let registry = RegistryAt::Dns { suffix: "-headless".to_owned(), port: RPC_PORT };
        Self { topology: shop(registry), replica: "POD_NAME", collector: "" }
    }

    /// With other numbers of replicas than the default.
    pub fn with_replicas(mut self, replicas: &[(String, u32)]) -> Self {
        self.topology.replicas.extend(replicas.iter().cloned());
        self
    }

    /// Every role with its replicas.
    pub fn roles(&self) -> Vec<(Role, u32)> {
        self.topology.roles()
    }

    /// Whether services are found in Consul.
    pub fn uses_consul(&self) -> bool {
        matches!(self.topology.registry, RegistryAt::Consul { .. })
    }

    /// The roles that `role` calls.
    pub fn calls(&self, role: Role) -> Vec<Role> {
        let config = self.topology.configure(role);
        Role::RPC.into_iter().filter(|called| config.rpc_client(called.name()).is_some()).collect()
    }

    /// Configuration of a role, the same for all of its replicas.
    pub fn configure(&self, role: Role) -> ServiceConfig {
        if role == Role::Migrate {
            // It needs the database alone.
            let mut config = ServiceConfig::new(role.name());
            config.data_source = self.data_source(role).into();
            return config;
        }
        let mut config = self.topology.configure(role);
        self.collector.clone_into(&mut config.telemetry.endpoint);
        config.data_source = self.data_source(role).into();
        if role.is_http() {
            "0.0.0.0".clone_into(&mut config.host);
            config.port = HTTP_PORT;
            config.auth.access_secret = "${MALL_ACCESS_SECRET}".into();
        } else {
            config.listen_on = format!("0.0.0.0:{RPC_PORT}");
        }
        config.dev_server = Some(DevServer { host: "0.0.0.0".to_owned(), port: DEV_PORT, ..DevServer::default() });
        config.mall.instance = format!("{role}/${{{}}}", self.replica);
        config
    }

    /// Address of a role's database; the migration needs any one, for it prepares those beside it too.
    fn data_source(&self, role: Role) -> String {
        let schema = match role {
            Role::UserRpc => "user",
            Role::OrderRpc | Role::Migrate => "order",
            Role::PayRpc => "pay",
            Role::Gateway | Role::UserApi | Role::OrderApi | Role::PayApi => return String::new(),
        };
        match &self.topology.store {
            StoreAt::Mysql(url) => format!("{}_{schema}", url.expose()),
            StoreAt::Sqlite => String::new(),
        }
    }
}

/// Three APIs behind a proxy, one MariaDB with a schema for each service, one Redis.
fn shop(registry: RegistryAt) -> Topology {
    Topology {
        apis: Apis::Three,
        store: StoreAt::Mysql("mysql://mall:${MALL_MYSQL_PASSWORD}@mariadb:3306/mall".into()),
        cache: CacheAt::Redis {
            host: "redis:6379".to_owned(),
            user: String::new(),
            pass: "${MALL_REDIS_PASSWORD}".into(),
        },
        registry,
        ..Topology::default()
    }
}

/// The gRPC service by which a role's health is asked.
pub const fn health_service(role: Role) -> &'static str {
    match role {
        Role::UserRpc => "mall.User",
        Role::OrderRpc => "mall.Order",
        Role::PayRpc => "mall.Pay",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replicas_share_a_file_and_no_name() {
        let config = Place::compose().configure(Role::PayRpc);
        assert_eq!(config.mall.instance, "pay-rpc/${HOSTNAME}");
        assert_eq!(config.source(), "mysql://mall:${MALL_MYSQL_PASSWORD}@mariadb:3306/mall_pay");
        assert_eq!(config.listen_on, "0.0.0.0:9000");
    }

    #[test]
    fn no_secret_is_written_but_by_the_name_of_its_variable() {
        for place in [Place::compose(), Place::consul(), Place::k8s()] {
            for (role, _) in place.roles() {
                let config = place.configure(role);
                let redis = config.redis.as_ref().map_or("", |redis| redis.pass.expose());
                for secret in [config.auth.access_secret.expose(), redis] {
                    assert!(secret.is_empty() || secret.starts_with("${MALL_"), "{role}");
                }
            }
        }
    }

    #[test]
    fn who_calls_whom_is_known_from_the_topology() {
        let place = Place::k8s();
        assert_eq!(place.calls(Role::OrderApi), Role::RPC);
        assert_eq!(place.calls(Role::PayRpc), [Role::OrderRpc]);
        assert!(place.calls(Role::UserRpc).is_empty());
    }
}
