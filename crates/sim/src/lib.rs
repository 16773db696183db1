//! A whole Margrave market in one process, on the real runtime with the compiled program.
//!
//! Tests and the demo speak this small language: `world.trader("alice")`, `world.deposit(&alice, USDC, 1_000_000_000)`,
//! `world.set_price(350_000_000_000)`. Nothing here decides anything: instructions come from `margrave-client`, the outcome
//! from the chain.

#![forbid(unsafe_code)]

mod books;
pub mod prices;
mod pyth;
pub mod storm;
pub mod terms;
pub mod text;
mod world;

pub use books::{Books, check_books};
pub use litesvm_token::TOKEN_ID as TOKEN_PROGRAM;
pub use pyth::{PriceMessage, RECEIVER, SOL_FEED, VerificationLevel, legacy_price_account, price_update_account};
pub use storm::compute_limit;
pub use world::{
    Outcome, Receipt, Refusal, TOKEN_2022, Token, Trader, World, flat_surface, keypair, program_path, record_refusals,
};
