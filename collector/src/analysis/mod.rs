//! What a trace means: forest, self time, critical path, attribution.
