//! The command line's parts that are worth testing and using by themselves.
#![forbid(unsafe_code)]
#![deny(clippy::float_arithmetic)]

pub mod deploy;
pub mod eval;
