//! Which replica of which service.

use std::cmp::Ordering;
use std::fmt;

use mall::config::Role;

/// One replica of one role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Instance {
    /// What it does.
    pub role: Role,
    /// Counted from 1.
    pub replica: u32,
}

impl Instance {
    /// `pay-rpc-1`: for file names.
    pub fn file_stem(self) -> String {
        format!("{}-{}", self.role, self.replica)
    }

    /// Whether `pay-rpc` or `pay-rpc/1` means this replica.
    pub fn is_meant_by(self, target: &str) -> bool {
        match target.split_once('/') {
            None => target == self.role.name(),
            Some((service, replica)) => {
                service == self.role.name() && replica.parse::<u32>().is_ok_and(|number| number == self.replica)
            }
        }
    }

    /// Place in lists and in the order of starting: what others depend on comes last in lists, as traffic flows.
    fn rank(self) -> u8 {
        match self.role {
            Role::Migrate => 0,
            Role::Gateway => 1,
            Role::UserApi => 2,
            Role::OrderApi => 3,
            Role::PayApi => 4,
            Role::UserRpc => 5,
            Role::OrderRpc => 6,
            Role::PayRpc => 7,
        }
    }
}

impl fmt::Display for Instance {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.role, self.replica)
    }
}

impl Ord for Instance {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.rank(), self.replica).cmp(&(other.rank(), other.replica))
    }
}

impl PartialOrd for Instance {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_means_all_replicas_and_a_number_one() {
        let instance = Instance { role: Role::PayRpc, replica: 2 };
        assert_eq!(instance.to_string(), "pay-rpc/2");
        assert!(instance.is_meant_by("pay-rpc") && instance.is_meant_by("pay-rpc/2"));
        assert!(
            !instance.is_meant_by("pay-rpc/1") && !instance.is_meant_by("pay") && !instance.is_meant_by("pay-rpc/x")
        );
    }
}
