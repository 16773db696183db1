//! Journeys across several instructions, readable as documentation.

mod basis_trade;
mod calendar;
mod captured_admin;
mod covered_call;
mod crash;
mod full_portfolio;
mod lending;
mod market_maker;
mod venue_book;
