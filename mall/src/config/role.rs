use std::fmt;
use std::str::FromStr;

/// What a process of the shop does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// HTTP in front of the RPC services.
    Gateway,
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
#[error("unknown role `{0}`; roles are gateway, user-rpc, order-rpc, pay-rpc and migrate")]
pub struct UnknownRole(pub String);

impl Role {
    /// Every role, in the order in which a stack starts them.
    pub const ALL: [Self; 5] = [Self::Migrate, Self::UserRpc, Self::OrderRpc, Self::PayRpc, Self::Gateway];

    /// The services that a gateway calls.
    pub const RPC: [Self; 3] = [Self::UserRpc, Self::OrderRpc, Self::PayRpc];

    /// The role's name, which is also its service name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Gateway => "gateway",
            Self::UserRpc => "user-rpc",
            Self::OrderRpc => "order-rpc",
            Self::PayRpc => "pay-rpc",
            Self::Migrate => "migrate",
        }
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
