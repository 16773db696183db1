//! Seeds and hard bounds. A bound here is what the account layout or one transaction can hold, not a policy.

/// Layout version written into each new account.
pub const VERSION: u8 = 1;

/// Seed of a [`crate::state::Group`], followed by its id.
pub const GROUP_SEED: &[u8] = b"group";
/// Seed of a [`crate::state::OutflowLimit`], followed by its group.
pub const OUTFLOW_SEED: &[u8] = b"outflow";
/// Seed of a [`crate::state::Bank`], followed by group and mint.
pub const BANK_SEED: &[u8] = b"bank";
/// Seed of a bank's token vault, followed by the bank.
pub const VAULT_SEED: &[u8] = b"vault";
/// Seed of an [`crate::state::Underlying`], followed by group and symbol.
pub const UNDERLYING_SEED: &[u8] = b"underlying";
/// Seed of a [`crate::state::MarginAccount`], followed by group, owner and number.
pub const MARGIN_ACCOUNT_SEED: &[u8] = b"margin";
/// Seed of a [`crate::state::Proposal`], followed by group and id.
pub const PROPOSAL_SEED: &[u8] = b"proposal";
/// Seed of a [`crate::state::Venue`], followed by group, the venue's program and its number.
pub const VENUE_SEED: &[u8] = b"venue";
/// Seed of the key that signs for a venue, followed by the venue: an address of the venue's own program.
pub const VENUE_AUTHORITY_SEED: &[u8] = b"margrave-venue";
/// Seed of a [`crate::state::Consent`], followed by margin account and venue.
pub const CONSENT_SEED: &[u8] = b"consent";

/// Collateral tokens one margin account holds at once, the quote token always one of them.
pub const MAX_COLLATERALS: usize = 8;
/// Positions one margin account holds at once.
pub const MAX_POSITIONS: usize = 32;
/// Underlyings one margin account has risk in at once.
pub const MAX_UNDERLYINGS: usize = 8;
/// Keys besides the owner that may trade for one margin account.
pub const MAX_DELEGATES: usize = 2;
/// Signed quotes of one margin account that can be remembered at once as filled or cancelled.
pub const MAX_QUOTES: usize = 64;
/// Programs a group may accept Pyth price accounts from.
pub const MAX_RECEIVERS: usize = 4;
/// Expiries on one underlying at once.
pub const MAX_EXPIRIES: usize = 12;
/// Strikes on one underlying at once, all expiries together.
pub const MAX_STRIKES: usize = 256;
/// Positions taken over in one step of a liquidation.
pub const MAX_LIQUIDATION_LEGS: usize = 4;
/// Accounts that wait to be deleveraged on one underlying at once.
pub const MAX_CANDIDATES: usize = 8;
/// An account whose collateral is worth less than this, micro-dollars, has none left for its losses; and a deficit of less stops
/// nobody from drawing profit.
pub const DUST: i64 = 1_000_000;
/// How long a bankrupt account may keep others from drawing profit or leaving a bank: it is resolved in far less, if anybody tries.
pub const MAX_GATE_SECS: i64 = 3_600;
/// Furthest a trade's price may lie from the mark while a loss is open on the underlying, of the mark, and of the underlying's price for
/// options: less than the fees, so that profit is not passed on.
pub const MAX_DEVIATION_IN_LOSS_PPM: u32 = 100;
/// Underlyings that one venue may fill trades on.
pub const MAX_VENUE_MARKETS: usize = 8;
/// Legs of one trade or quote.
pub const MAX_LEGS: usize = 8;

/// Largest size of a position in smallest units, so that sums of two never overflow.
pub const MAX_QUANTITY: u64 = 1 << 61;
/// Largest value of a linear position when it is traded, of what it has paid or received, and of a debt when a loan is taken, in
/// micro-dollars (140 million dollars): an eighth of what the engine can value, so that a rising price does not make an account
/// impossible to value.
pub const MAX_TRADED_VALUE: u64 = 1 << 47;
/// Largest value of an option position's underlying when it is traded: an eighth of what the engine can value at a strike.
pub const MAX_TRADED_NOTIONAL: u64 = 1 << 44;
/// How long after its last step a liquidation may go on above maintenance margin. An account that has been left alone for
/// longer has recovered by itself.
pub const LIQUIDATION_CONTINUES_SECS: i64 = 600;

/// Interest for a longer silence than this is not charged.
pub const MAX_INTEREST_SECS: i64 = 45 * 86_400;
/// Funding for a longer silence than this is not charged: after a halt nobody could have left.
pub const MAX_FUNDING_SECS: i64 = 3_600;
/// The time over which a funding rate is quoted.
pub const FUNDING_PERIOD_SECS: i64 = 8 * 3_600;
/// Time in which an outflow limit refills.
pub const OUTFLOW_WINDOW_SECS: i64 = 86_400;
/// A price beyond `max_jump_ppm` of the last one is refused for so long: by then somebody has looked.
pub const JUMP_MEMORY_SECS: i64 = 3_600;
/// The settlement price is the average over so long before the expiry.
pub const SETTLEMENT_WINDOW_SECS: i64 = 1_800;
/// The furthest expiry that may be listed.
pub const MAX_EXPIRY_SECS: i64 = 2 * 365 * 86_400;
/// An accepted price stands for at most this long in that average.
pub const SETTLEMENT_GAP_SECS: i64 = 120;
/// Prices must stand for so much of the window, or the observation goes on after the expiry until they do.
pub const SETTLEMENT_COVERAGE_SECS: i64 = 900;
/// Shares that are paid as a premium are worth what they were when interest was last added, if that was not longer ago.
pub const MAX_PREMIUM_SILENCE_SECS: i64 = 3_600;
/// The longest a signed quote may have left to live.
pub const MAX_QUOTE_SECS: i64 = 86_400;
/// The longest a delegate may be appointed, or a venue be allowed to trade, for.
pub const MAX_DELEGATE_SECS: i64 = 365 * 86_400;
/// Bounds of a group's timelock.
pub const MIN_TIMELOCK_SECS: u32 = 3_600;
pub const MAX_TIMELOCK_SECS: u32 = 30 * 86_400;
/// The longest a guardian's pause holds; it can be renewed.
pub const MAX_PAUSE_SECS: u32 = 7 * 86_400;
/// A queued change that nobody executes within this time after its delay is void.
pub const EXECUTION_WINDOW_SECS: i64 = 7 * 86_400;

/// Millionths in one.
pub const PPM: u32 = 1_000_000;
/// Decimals of the quote token: a dollar amount and a quote token amount are then the same integer.
pub const QUOTE_DECIMALS: u8 = 6;
