//! What a role cannot start without, and whether its file says it.

use std::fmt;

use super::Role;
use super::check::Checked;

/// Where a supervisor is; its registry knows every service.
const SUPERVISOR: &str = "Mall.Control.Endpoint";
/// Where the order events travel instead of being carried to order-rpc.
const REDIS: &str = "Redis.Host";

/// One thing that a role needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Need {
    /// A database.
    Source,
    /// The secret that several processes sign with.
    Secret,
    /// To find a service that it calls.
    Call(Role),
    /// The same, unless there is Redis.
    CallWithoutRedis(Role),
}

/// What each role needs. A gateway alone can draw a secret; a migration calls nobody.
const fn of(role: Role) -> &'static [Need] {
    use Need::{Call, CallWithoutRedis, Secret, Source};
    use Role::{Gateway, Migrate, OrderApi, OrderRpc, PayApi, PayRpc, UserApi, UserRpc};
    match role {
        Gateway => &[Call(UserRpc), Call(OrderRpc), Call(PayRpc)],
        UserApi => &[Secret, Call(UserRpc)],
        OrderApi => &[Secret, Call(UserRpc), Call(OrderRpc), Call(PayRpc)],
        PayApi => &[Secret, Call(PayRpc)],
        PayRpc => &[Source, CallWithoutRedis(OrderRpc)],
        UserRpc | OrderRpc | Migrate => &[Source],
    }
}

/// What `role` needs and its file does not say. A key whose value is refused already is not missing too.
pub(super) fn missing(role: Role, file: &Checked) -> Vec<String> {
    of(role).iter().filter_map(|need| need.unmet(role, file)).collect()
}

/// What each role needs, for people.
pub(super) fn document() -> String {
    let lines = Role::ALL.into_iter().map(|role| {
        let needs: Vec<String> = of(role).iter().map(ToString::to_string).collect();
        format!("| `{role}` | {} |\n", needs.join(", "))
    });
    format!(
        "\n## What a role cannot start without\n\n| role | keys |\n|---|---|\n{}\nA supervisor (`{SUPERVISOR}`) knows where \
         services are: with it no client is needed.\n",
        lines.collect::<String>()
    )
}

impl fmt::Display for Need {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Source => formatter.write_str("`DataSource`"),
            Self::Secret => formatter.write_str("`Auth.AccessSecret`"),
            Self::Call(called) => write!(formatter, "`{}`", client_of(*called)),
            Self::CallWithoutRedis(called) => write!(formatter, "`{}` or `Redis`", client_of(*called)),
        }
    }
}

impl Need {
    fn unmet(self, role: Role, file: &Checked) -> Option<String> {
        match self {
            Self::Source => {
                let is_given = ["DataSource", "Database.DataSource"].into_iter().any(|key| file.says(key));
                let forms = crate::store::FORMS;
                (!is_given).then(|| format!("`DataSource` is missing: {role} works on a database; write {forms}"))
            }
            Self::Secret => (!file.says("Auth.AccessSecret")).then(|| {
                "`Auth.AccessSecret` is missing: give user-api, order-api and pay-api the same one".to_owned()
            }),
            Self::Call(called) => {
                let key = client_of(called);
                let ways = ["Etcd", "Consul", "Endpoints", "Target"].map(|way| format!("{key}.{way}"));
                let is_given = file.says(SUPERVISOR) || file.is_wrong(key) || ways.iter().any(|way| file.says(way));
                (!is_given).then(|| {
                    format!(
                        "`{key}` is missing: {role} calls {called}; say there with `Etcd`, `Consul`, `Endpoints` or \
                         `Target` how it is found"
                    )
                })
            }
            Self::CallWithoutRedis(called) => {
                let unmet = Self::Call(called).unmet(role, file).filter(|_| !file.says(REDIS));
                unmet.map(|what| format!("{what}, or give `Redis` for the events to travel on"))
            }
        }
    }
}

/// The key that says how a service is found.
const fn client_of(called: Role) -> &'static str {
    match called {
        Role::UserRpc => "UserRpc",
        Role::OrderRpc => "OrderRpc",
        _ => "PayRpc",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_answers_http_needs_what_its_routes_call() {
        for role in Role::ALL.into_iter().filter(|role| role.is_http()) {
            let called = of(role).iter().filter_map(|need| match need {
                Need::Call(called) => Some(*called),
                _ => None,
            });
            let mounted = crate::gateway::Group::of(role);
            assert_eq!(called.collect::<Vec<_>>(), crate::gateway::Group::services_of(mounted), "{role}");
        }
    }
}
