//! HTTP in front of the RPC services.
