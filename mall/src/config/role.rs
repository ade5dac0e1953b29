use std::fmt;
use std::str::FromStr;

/// What a process of the shop does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// HTTP in front of the RPC services: every route.
    Gateway,
    /// The gateway's routes of users alone.
    UserApi,
    /// The gateway's routes of products and orders alone.
    OrderApi,
    /// The gateway's routes of payments alone.
    PayApi,
    /// Users and logins.
    UserRpc,
    /// Products, stock and orders.
    OrderRpc,
    /// Payments.
    PayRpc,
    /// Migrates and seeds every database, then ends.
    Migrate,
}

/// No role has this name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "unknown role `{0}`; roles are gateway, user-api, order-api, pay-api, user-rpc, order-rpc, pay-rpc and migrate"
)]
pub struct UnknownRole(pub String);

impl Role {
    /// Every role, in the order in which a stack starts them.
    pub const ALL: [Self; 8] = [
        Self::Migrate,
        Self::UserRpc,
        Self::OrderRpc,
        Self::PayRpc,
        Self::Gateway,
        Self::UserApi,
        Self::OrderApi,
        Self::PayApi,
    ];

    /// The three processes that serve the gateway's routes together, behind a proxy.
    pub const API: [Self; 3] = [Self::UserApi, Self::OrderApi, Self::PayApi];

    /// The services that a gateway calls.
    pub const RPC: [Self; 3] = [Self::UserRpc, Self::OrderRpc, Self::PayRpc];

    /// The role's name, which is also its service name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Gateway => "gateway",
            Self::UserApi => "user-api",
            Self::OrderApi => "order-api",
            Self::PayApi => "pay-api",
            Self::UserRpc => "user-rpc",
            Self::OrderRpc => "order-rpc",
            Self::PayRpc => "pay-rpc",
            Self::Migrate => "migrate",
        }
    }

    /// Whether the role answers HTTP instead of gRPC.
    pub const fn is_http(self) -> bool {
        matches!(self, Self::Gateway | Self::UserApi | Self::OrderApi | Self::PayApi)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl FromStr for Role {
    type Err = UnknownRole;

    fn from_str(name: &str) -> Result<Self, UnknownRole> {
        Self::ALL.into_iter().find(|role| role.name() == name).ok_or_else(|| UnknownRole(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::Role;

    #[test]
    fn names_read_back() {
        for role in Role::ALL {
            assert_eq!(role.to_string().parse(), Ok(role));
        }
        assert!("pay".parse::<Role>().is_err());
    }
}
