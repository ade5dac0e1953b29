//! Where the replicas of a service are.
