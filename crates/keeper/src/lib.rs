//! The keeper: watches every margin account of a group, decides with the program's own code, and does what is due.
//!
//! [`feed`] tells of changes, [`book`] holds every account, [`prices`] knows what is published and not on chain yet, [`watch`] values
//! those who may need something, [`jobs`] says what is due, [`act`] does it, and [`keeper`] goes round. [`chain`] is all that they
//! know of the outside.

#![forbid(unsafe_code)]

pub mod act;
pub mod book;
pub mod chain;
pub mod config;
pub mod feed;
pub mod jobs;
pub mod keeper;
pub mod metrics;
pub mod prices;
pub mod server;
pub mod slope;
pub mod watch;
#[cfg(feature = "yellowstone")]
mod yellowstone;
