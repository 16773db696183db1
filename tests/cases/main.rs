//! Tests of the compiled program on the real runtime. One binary, one file per instruction or concern.
//!
//! `World::refuses` requires the named error and that no account changed by a byte.

#![forbid(unsafe_code)]

mod common;

mod conformance;
mod deposit;
mod docs;
mod engine;
mod errors;
mod group;
mod identity;
mod layout;
mod liquidate;
mod listing;
mod preview;
mod price;
mod program_test;
mod stories;
mod trade;
mod withdraw;
