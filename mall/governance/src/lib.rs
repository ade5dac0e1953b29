//! go-zero's resilience algorithms as pure functions of an injected clock and generator.
