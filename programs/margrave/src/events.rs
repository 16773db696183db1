//! One event per thing an indexer must know. Dollars are micro-dollars, prices 10^-10 dollars, quantities smallest units.

use crate::state::MarginAccount;
use anchor_lang::prelude::*;
use margrave_risk::Valuation;

#[event]
pub struct GroupCreated {
    pub group: Pubkey,
    pub admin: Pubkey,
    pub quote_mint: Pubkey,
}

#[event]
pub struct BankListed {
    pub group: Pubkey,
    pub bank: Pubkey,
    pub mint: Pubkey,
    pub underlying: Pubkey,
    pub index: u16,
}

#[event]
pub struct UnderlyingListed {
    pub group: Pubkey,
    pub underlying: Pubkey,
    pub symbol: [u8; 16],
    pub feed_id: [u8; 32],
    pub index: u16,
}

#[event]
pub struct PerpListed {
    pub underlying: Pubkey,
    pub lot: u32,
}

#[event]
pub struct MarginAccountOpened {
    pub group: Pubkey,
    pub margin_account: Pubkey,
    pub owner: Pubkey,
    pub number: u16,
}

#[event]
pub struct Deposited {
    pub margin_account: Pubkey,
    pub bank: Pubkey,
    /// What arrived in the vault, atoms.
    pub amount: u64,
    pub shares: u64,
    pub sequence: u64,
}

#[event]
pub struct Withdrawn {
    pub margin_account: Pubkey,
    pub bank: Pubkey,
    pub amount: u64,
    pub shares: u64,
    pub sequence: u64,
}

#[event]
pub struct PriceAccepted {
    pub underlying: Pubkey,
    pub price: i64,
    pub confidence: i64,
    pub publish_time: i64,
    pub posted_slot: u64,
}

#[event]
pub struct Traded {
    pub underlying: Pubkey,
    pub taker: SideSummary,
    pub maker: SideSummary,
    /// What the taker received.
    pub quantity: i64,
    pub price: i64,
    pub index_price: i64,
}

#[event]
pub struct PositionLiquidated {
    pub underlying: Pubkey,
    pub liquidatee: SideSummary,
    pub liquidator: SideSummary,
    /// What the liquidator took over, with the sign of the position.
    pub quantity: i64,
    /// What it paid the liquidatee for it; negative when it was paid.
    pub price_paid: i64,
    /// How far that is from the mark, in the liquidator's favour.
    pub fee: i64,
    /// The liquidatee's equity beyond maintenance margin.
    pub health_before: i64,
    pub health_after: i64,
    pub index_price: i64,
}

/// A margin account after a change, with the numbers that let it pass.
#[derive(AnchorSerialize, AnchorDeserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub struct SideSummary {
    pub margin_account: Pubkey,
    pub sequence: u64,
    pub equity: i64,
    pub initial_margin: i64,
    pub maintenance_margin: i64,
    /// Risk slot and cell of the worst scenario; 255 without exposure.
    pub worst_slot: u8,
    pub worst_cell: u8,
}

impl SideSummary {
    pub fn of(key: Pubkey, account: &MarginAccount, valuation: &Valuation) -> Self {
        Self {
            margin_account: key,
            sequence: account.sequence,
            equity: valuation.equity.micros(),
            initial_margin: valuation.initial_margin.micros(),
            maintenance_margin: valuation.maintenance_margin.micros(),
            worst_slot: valuation.worst.map_or(u8::MAX, |worst| worst.underlying),
            worst_cell: valuation.worst.map_or(u8::MAX, |worst| worst.cell.index()),
        }
    }
}
