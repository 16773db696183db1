//! Journeys across several instructions, readable as documentation.

mod crash;
mod lending;
