//! What a program, bot or screen needs to talk to Margrave: addresses, instructions, decoded accounts and events.
//!
//! A keeper's whole decision, on accounts it has fetched:
//!
//! ```no_run
//! # use margrave_client::{Accounts, Pubkey};
//! # fn decide(accounts: &Accounts, account: Pubkey, now: i64) -> Result<(), Box<dyn std::error::Error>> {
//! let standing = accounts.value(&account, now)?;
//! if standing.maintenance_health().is_negative() {
//!     println!("short by {} micro-dollars", -standing.maintenance_health().micros());
//! }
//! # Ok(())
//! # }
//! ```

#![forbid(unsafe_code)]

mod accounts;
pub mod desk;
mod event;
pub mod instruction;
pub mod keeper;
pub mod pda;
pub mod pyth;
mod quote;
mod refusal;
#[cfg(feature = "rpc")]
pub mod rpc;
mod surface;

pub use accounts::{Accounts, CollateralQuote, Slice, Step};
pub use anchor_lang::prelude::Pubkey;
pub use anchor_lang::solana_program::instruction::{AccountMeta, Instruction};
pub use event::{Event, event_in, events_in};
pub use instruction::instruction_of;
pub use margrave::instructions::Hypothesis;
pub use margrave::{
    liquidation::{LiquidationLeg, Taken},
    quote::Quote,
    state::Instrument,
    state::InstrumentKind,
    surface::Surface,
    trading::Leg,
};
pub use quote::SignedQuote;
pub use refusal::Refusal;
pub use solana_instructions_sysvar::ID as INSTRUCTIONS_SYSVAR;
pub use surface::smile;
