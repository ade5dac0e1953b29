//! A whole collector over loopback: OTLP in, the console protocol and runs out.

mod console;
mod runs;
mod stand;
