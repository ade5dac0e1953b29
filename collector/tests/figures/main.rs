//! What the hub counts, over a simulated clock and hand-made telemetry.

mod alerts;
mod balance;
mod breakers;
mod coverage;
mod graph;
mod protection;
mod red;
mod refusals;
mod retention;
mod runs;
mod stage;
