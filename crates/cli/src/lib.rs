//! The command line's parts that are worth testing and using by themselves.
#![forbid(unsafe_code)]
#![deny(clippy::float_arithmetic)]

pub mod amount;
pub mod chain;
pub mod commands;
pub mod deploy;
pub mod market;
pub mod quote_server;
pub mod view;

/// What was asked for does not make sense: exit code 2.
#[derive(Debug)]
pub struct Usage(String);

impl std::fmt::Display for Usage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Usage {}

/// An error of whoever typed the command.
pub fn usage(message: impl Into<String>) -> anyhow::Error {
    anyhow::Error::new(Usage(message.into()))
}
