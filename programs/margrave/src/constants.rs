//! Seeds and hard bounds. A bound here is what the account layout or one transaction can hold, not a policy.

/// Layout version written into each new account.
pub const VERSION: u8 = 1;

/// Seed of a [`crate::state::Group`], followed by its id.
pub const GROUP_SEED: &[u8] = b"group";
/// Seed of a [`crate::state::Bank`], followed by group and mint.
pub const BANK_SEED: &[u8] = b"bank";
/// Seed of a bank's token vault, followed by the bank.
pub const VAULT_SEED: &[u8] = b"vault";
/// Seed of an [`crate::state::Underlying`], followed by group and symbol.
pub const UNDERLYING_SEED: &[u8] = b"underlying";
/// Seed of a [`crate::state::MarginAccount`], followed by group, owner and number.
pub const MARGIN_ACCOUNT_SEED: &[u8] = b"margin";

/// Collateral tokens one margin account holds at once.
pub const MAX_COLLATERALS: usize = 8;
/// Positions one margin account holds at once.
pub const MAX_POSITIONS: usize = 32;
/// Underlyings one margin account has risk in at once.
pub const MAX_UNDERLYINGS: usize = 8;
/// Programs a group may accept Pyth price accounts from.
pub const MAX_RECEIVERS: usize = 4;

/// Largest size of a position in smallest units, so that sums of two never overflow.
pub const MAX_QUANTITY: u64 = 1 << 61;
/// Largest value of a position when it is traded, and of what it has paid or received, in micro-dollars (140 million
/// dollars): an eighth of what the engine can value, so that a rising price does not make an account impossible to value.
pub const MAX_TRADED_VALUE: u64 = 1 << 47;
/// How long after its last step a liquidation may go on above maintenance margin. An account that has been left alone for
/// longer has recovered by itself.
pub const LIQUIDATION_CONTINUES_SECS: i64 = 600;

/// Millionths in one.
pub const PPM: u32 = 1_000_000;
/// Decimals of the quote token: a dollar amount and a quote token amount are then the same integer.
pub const QUOTE_DECIMALS: u8 = 6;
