//! One event per thing an indexer must know. Dollars are micro-dollars, prices 10^-10 dollars, quantities smallest units.
//!
//! Events of money and positions are sent as an instruction to the program itself, which no node cuts from its logs; the others
//! are log lines. A published event never changes: what must be said differently gets a new name (`TradedV2`), and
//! `tests/cases/events.rs` holds every layout.

use crate::{
    breaker::BreakerKind, instructions::Numbers, liquidation::Taken, state::*, surface::Surface, trading::Leg,
};
use anchor_lang::{
    Discriminator,
    prelude::*,
    solana_program::{instruction::Instruction as Call, program::invoke_signed_unchecked},
};
use margrave_risk::Valuation;

/// An event that is sent as an instruction to this program.
pub trait EmitBySelf: AnchorSerialize + Discriminator + Sized {
    /// Sends it, signed by the program's event authority. As `emit_cpi!`, with one buffer and without copies of accounts.
    #[inline(never)]
    fn emit_by(self, authority: &AccountInfo) -> Result<()> {
        let mut data = Vec::with_capacity(384);
        data.extend_from_slice(anchor_lang::event::EVENT_IX_TAG_LE);
        data.extend_from_slice(Self::DISCRIMINATOR);
        self.serialize(&mut data)?;
        let call =
            Call { program_id: crate::ID, accounts: vec![AccountMeta::new_readonly(*authority.key, true)], data };
        let seeds: &[&[u8]] = &[b"__event_authority", &[crate::EVENT_AUTHORITY_AND_BUMP.1]];
        invoke_signed_unchecked(&call, core::slice::from_ref(authority), &[seeds]).map_err(Into::into)
    }
}

macro_rules! emitted_by_self {
    ($($event:ident),* $(,)?) => { $(impl EmitBySelf for $event {})* };
}

emitted_by_self!(
    Deposited,
    Withdrawn,
    CollateralTransferred,
    Traded,
    QuoteTraded,
    VenueFilled,
    PnlSettled,
    ExpirySettled,
    FeesSwept,
    FeesCollected,
    PositionsLiquidated,
    CollateralLiquidated,
    SliceLiquidated,
    AccountFlagged,
    BreachProven,
    BracketOpened,
    BracketEnded,
    DeficitCovered,
    DebtWrittenOff,
    LossUnshared,
    CandidateNominated,
    Deleveraged,
    ProfitRegistered,
    LossShared,
);

#[event]
pub struct GroupCreated {
    pub group: Pubkey,
    pub roles: Roles,
    pub quote_mint: Pubkey,
}

#[event]
pub struct GroupLaunched {
    pub group: Pubkey,
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
pub struct ExpiryListed {
    pub underlying: Pubkey,
    pub index: u8,
    pub series: u32,
    pub time: i64,
}

#[event]
pub struct StrikesListed {
    pub underlying: Pubkey,
    pub expiry: u8,
    pub series: u32,
    pub prices: Vec<i64>,
}

#[event]
pub struct ExpiryClosed {
    pub underlying: Pubkey,
    pub index: u8,
    pub series: u32,
}

#[event]
pub struct SurfaceSet {
    pub underlying: Pubkey,
    pub expiry: u8,
    pub series: u32,
    pub surface: Surface,
    pub forward: i64,
}

#[event]
pub struct ChangeQueued {
    pub group: Pubkey,
    pub proposal: Pubkey,
    pub id: u64,
    pub proposer: Pubkey,
    pub executable_at: i64,
    pub expires_at: i64,
    pub change: Change,
}

#[event]
pub struct ChangeExecuted {
    pub group: Pubkey,
    pub proposal: Pubkey,
    pub id: u64,
    pub change: Change,
}

#[event]
pub struct ChangeCancelled {
    pub group: Pubkey,
    pub proposal: Pubkey,
    pub id: u64,
}

#[event]
pub struct ChangedNow {
    pub group: Pubkey,
    pub proposer: Pubkey,
    pub change: Change,
}

#[event]
pub struct PausedUntil {
    pub group: Pubkey,
    /// Of one underlying, or of the whole group.
    pub underlying: Option<Pubkey>,
    pub bits: u32,
    /// Unix seconds: what holds longer already goes on.
    pub until: i64,
    pub guardian: Pubkey,
}

#[event]
pub struct VenueRegistered {
    pub group: Pubkey,
    pub venue: Pubkey,
    pub program: Pubkey,
    pub number: u16,
    /// The address that its program signs fills with.
    pub authority: Pubkey,
}

#[event]
pub struct VenuePaused {
    pub group: Pubkey,
    pub venue: Pubkey,
    /// Unix seconds: a stop that holds longer already goes on.
    pub until: i64,
    pub guardian: Pubkey,
}

#[event]
pub struct BreakerTripped {
    pub underlying: Pubkey,
    pub breaker: BreakerKind,
    /// Unix seconds; what happens until then may prolong it.
    pub until: i64,
}

#[event]
pub struct DepegUpdated {
    pub group: Pubkey,
    pub price: i64,
    /// On the scan in initial margin, 2^-30.
    pub surcharge: i64,
}

#[event]
pub struct MarginAccountOpened {
    pub group: Pubkey,
    pub margin_account: Pubkey,
    pub owner: Pubkey,
    pub number: u16,
}

#[event]
pub struct MarginAccountClosed {
    pub margin_account: Pubkey,
    pub owner: Pubkey,
}

#[event]
pub struct DelegateSet {
    pub margin_account: Pubkey,
    pub place: u8,
    pub delegate: Pubkey,
    pub expires_at: i64,
}

#[event]
pub struct ConsentGranted {
    pub margin_account: Pubkey,
    pub venue: Pubkey,
    pub expires_at: i64,
    /// Value that may be traded, micro-dollars; `u64::MAX`: no limit.
    pub allowance: u64,
}

#[event]
pub struct ConsentRevoked {
    pub margin_account: Pubkey,
    pub venue: Pubkey,
}

#[event]
pub struct ModeSet {
    pub margin_account: Pubkey,
    pub mode: Mode,
    pub sequence: u64,
}

#[event]
pub struct QuotesCancelled {
    pub margin_account: Pubkey,
    pub nonce: u64,
    /// Every lower nonce, or this one.
    pub all_below: bool,
}

#[event]
pub struct Deposited {
    pub margin_account: Pubkey,
    pub bank: Pubkey,
    /// What arrived in the vault, atoms.
    pub amount: u64,
    /// The balance afterwards, in shares; negative: still a loan.
    pub shares: i64,
    pub sequence: u64,
}

#[event]
pub struct Withdrawn {
    pub margin_account: Pubkey,
    pub bank: Pubkey,
    /// What left the vault, atoms.
    pub amount: u64,
    /// The balance afterwards, in shares; negative: a loan.
    pub shares: i64,
    pub sequence: u64,
}

#[event]
pub struct CollateralTransferred {
    pub from: Pubkey,
    pub to: Pubkey,
    pub bank: Pubkey,
    pub amount: u64,
    pub from_sequence: u64,
    pub to_sequence: u64,
}

#[event]
pub struct InterestAccrued {
    pub bank: Pubkey,
    /// I80F48.
    pub deposit_index: [u8; 16],
    pub borrow_index: [u8; 16],
    /// From now on, 2^-30 a year.
    pub borrow_rate: i64,
}

#[event]
pub struct PriceAccepted {
    pub underlying: Pubkey,
    pub price: i64,
    pub confidence: i64,
    pub publish_time: i64,
    pub posted_slot: u64,
    pub stable_price: i64,
    /// 2^-30.
    pub scan_range: i64,
}

#[event]
pub struct Traded {
    pub taker: SideSummary,
    pub maker: SideSummary,
    /// From the taker's side.
    pub legs: Vec<Leg>,
}

#[event]
pub struct QuoteTraded {
    pub taker: SideSummary,
    pub maker: SideSummary,
    pub nonce: u64,
    pub units: u64,
    /// From the taker's side, all units.
    pub legs: Vec<Leg>,
}

#[event]
pub struct VenueFilled {
    pub venue: Pubkey,
    pub taker: SideSummary,
    pub maker: SideSummary,
    /// From the taker's side.
    pub legs: Vec<Leg>,
}

#[event]
pub struct PnlSettled {
    pub margin_account: Pubkey,
    pub underlying: Pubkey,
    /// Into the pool; negative: out of it.
    pub paid: i64,
    /// What is still owed to the account, or by it.
    pub claim: i64,
    /// What the pool holds.
    pub pool: u64,
    pub sequence: u64,
}

#[event]
pub struct ExpirySettled {
    pub margin_account: Pubkey,
    pub underlying: Pubkey,
    pub expiry: u8,
    pub settlement_price: i64,
    pub positions: u8,
    /// What the positions were worth; what futures had paid or received is not in it.
    pub paid: i64,
    pub sequence: u64,
}

#[event]
pub struct FeesSwept {
    pub underlying: Pubkey,
    pub amount: u64,
    /// What of it stays here to bear losses first.
    pub floor: u64,
    /// What the quote bank holds then, atoms.
    pub insurance: u64,
    pub fees: u64,
}

#[event]
pub struct FeesCollected {
    pub bank: Pubkey,
    pub amount: u64,
    pub destination: Pubkey,
}

#[event]
pub struct PositionsLiquidated {
    pub underlying: Pubkey,
    pub liquidatee: SideSummary,
    pub liquidator: SideSummary,
    pub taken: Vec<Taken>,
    /// What of the fees insurance gets.
    pub insured: i64,
    /// The liquidatee's equity beyond maintenance margin.
    pub health_before: i64,
    pub health_after: i64,
    pub index_price: i64,
}

#[event]
pub struct AccountFlagged {
    pub account: SideSummary,
    /// [`Status`] as a number.
    pub status_before: u8,
    pub status: u8,
    pub flagged_at: i64,
}

/// What the account was when it was last valued stays in it; this is what is known now.
#[event]
pub struct BreachProven {
    pub margin_account: Pubkey,
    /// Micro-dollars.
    pub equity: i64,
    pub maintenance_at_least: i64,
    /// [`Status`] as a number.
    pub status_before: u8,
    pub status: u8,
    pub flagged_at: i64,
}

#[event]
pub struct BracketOpened {
    pub liquidatee: Pubkey,
    pub liquidator: Pubkey,
    pub bank: Pubkey,
    /// Taken out, atoms.
    pub amount: u64,
}

#[event]
pub struct BracketEnded {
    pub liquidatee: SideSummary,
    pub liquidator: Pubkey,
    pub bank: Pubkey,
    /// Paid in, atoms.
    pub amount: u64,
    pub health_before: i64,
    pub health_after: i64,
}

#[event]
pub struct DeficitCovered {
    pub margin_account: Pubkey,
    pub underlying: Pubkey,
    /// What the first-loss floor paid, what insurance did, and what nobody has yet, micro-dollars.
    pub first_loss: u64,
    pub insurance: u64,
    pub left: u64,
}

#[event]
pub struct DebtWrittenOff {
    pub margin_account: Pubkey,
    pub bank: Pubkey,
    /// What the bank's insurance paid, and what its depositors bear, atoms.
    pub insurance: u64,
    pub shared: u64,
    /// I80F48, afterwards.
    pub deposit_index: [u8; 16],
}

/// A loss that profit on the underlying will bear.
#[event]
pub struct LossUnshared {
    pub margin_account: Pubkey,
    pub underlying: Pubkey,
    pub amount: u64,
    /// With all others of the round, and until when profit is registered.
    pub unshared: u64,
    pub registering_until: i64,
    pub round: u32,
}

#[event]
pub struct CandidateNominated {
    pub underlying: Pubkey,
    pub bankrupt: Pubkey,
    pub margin_account: Pubkey,
    pub rank: u64,
    pub ready_at: i64,
}

#[event]
pub struct Deleveraged {
    pub underlying: Pubkey,
    pub bankrupt: Pubkey,
    pub margin_account: Pubkey,
    pub instrument: Instrument,
    /// What the bankrupt account gave up, with the sign of its position.
    pub quantity: i64,
    /// What it was paid for it; and how much better for it than the mark that is.
    pub price_paid: i64,
    pub concession: i64,
}

#[event]
pub struct ProfitRegistered {
    pub underlying: Pubkey,
    pub margin_account: Pubkey,
    pub profit: i64,
    pub registered: u64,
    pub round: u32,
}

#[event]
pub struct LossShared {
    pub underlying: Pubkey,
    pub round: u32,
    /// What registered profit bears of what is registered.
    pub amount: u64,
    pub registered: u64,
}

#[event]
pub struct CollateralLiquidated {
    pub asset_bank: Pubkey,
    pub debt_bank: Pubkey,
    pub liquidatee: SideSummary,
    pub liquidator: SideSummary,
    /// Of the asset, to the liquidator, atoms.
    pub seized: u64,
    /// Of the debt, by the liquidator, atoms.
    pub repaid: u64,
    /// The liquidatee's equity beyond maintenance margin.
    pub health_before: i64,
    pub health_after: i64,
}

#[event]
pub struct SliceLiquidated {
    pub liquidatee: SideSummary,
    pub liquidator: SideSummary,
    /// The part of every position, balance and claim, 2^-30.
    pub share: i64,
    /// What the liquidator paid for it, micro-dollars.
    pub price_paid: i64,
    /// The liquidatee's equity beyond maintenance margin.
    pub health_before: i64,
    pub health_after: i64,
}

/// A margin account after a change, with the numbers that let it pass.
#[derive(AnchorSerialize, AnchorDeserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub struct SideSummary {
    pub margin_account: Pubkey,
    pub sequence: u64,
    pub numbers: Numbers,
}

impl SideSummary {
    pub fn of(margin_account: Pubkey, account: &MarginAccount, valuation: Valuation) -> Self {
        Self { margin_account, sequence: account.sequence, numbers: Numbers::of(&valuation) }
    }
}
