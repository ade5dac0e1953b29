//! The console: a client of the console protocol.
