//! What a process is told at start.
