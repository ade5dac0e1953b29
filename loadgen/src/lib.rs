//! Open-loop, trace-aware load generation.
