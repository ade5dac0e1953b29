//! What must hold after any chaos.
