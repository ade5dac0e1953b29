//! The shop's protocols.
//!
//! [`shop`] holds what the services say to each other (`user.proto`, `order.proto`, `pay.proto`); [`control`]
//! holds what the supervisor and the services say to each other (`control.proto`); [`etcd`] holds what a registry of
//! that kind understands (`etcd.proto`). The crate owns messages and
//! service traits only: no behaviour, no defaults, no state.

/// Users, orders and payments: package `mall`.
#[allow(missing_docs, clippy::all, clippy::pedantic)]
pub mod shop {
    tonic::include_proto!("mall");
}

/// Faults, registry, status and live algorithm state: package `mall.control.v1`.
#[allow(missing_docs, clippy::all, clippy::pedantic)]
pub mod control {
    tonic::include_proto!("mall.control.v1");
}

/// The part of etcd's v3 protocol that discovery needs: package `etcdserverpb`.
#[allow(missing_docs, clippy::all, clippy::pedantic)]
pub mod etcd {
    tonic::include_proto!("etcdserverpb");
}

/// How long the seams that must agree on a size are: 16 MiB for any message of these protocols.
pub const MAX_MESSAGE_BYTES: usize = 16 << 20;
