//! What must hold of whole screens: consistent with what happened, stable, and never a panic.

mod consistency;
mod keys;
mod resilience;
mod robustness;
mod screens;
mod sentences;
