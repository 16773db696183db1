//! Tests of the compiled program on the real runtime. One binary, one file per instruction or concern.
//!
//! `World::refuses` requires the named error and that no account changed by a byte.

#![forbid(unsafe_code)]

mod common;

mod access;
mod attacks;
mod audit;
mod banks;
mod breakers;
mod conformance;
mod corrupted;
mod deposit;
mod desk;
mod docs;
mod engine;
mod errors;
mod events;
mod expiry;
mod findings;
mod governance;
mod group;
mod journeys;
mod layout;
mod legs;
mod liquidate;
mod liquidation_refusals;
mod liquidation_steps;
mod listing;
mod losses;
mod market_data;
mod modes;
mod options;
mod order_book;
mod pair;
mod preview;
mod price;
mod program_test;
mod quotes;
mod settlement;
mod stories;
mod storm;
mod storm_finds;
mod token_2022;
mod trade;
mod venues;
mod withdraw;
mod worst;
