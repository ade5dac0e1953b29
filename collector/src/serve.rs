//! The console protocol over gRPC.
