//! What must hold of whole screens: consistent with what happened, stable, and never a panic.

mod consistency;
mod keys;
mod narrow;
mod past;
mod resilience;
mod robustness;
mod screens;
mod sentences;
