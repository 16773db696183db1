//! Events as they stand in transaction logs and inner instructions.

use anchor_lang::{AnchorDeserialize, Discriminator};
use base64::{Engine, prelude::BASE64_STANDARD};
use margrave::events::*;

macro_rules! events {
    ($($name:ident),*) => {
        /// Any event of the program.
        #[allow(clippy::large_enum_variant)]
        pub enum Event {
            $($name($name),)*
        }

        /// Decodes the bytes of one event; `None` for another program's or an unknown one.
        fn decode(bytes: &[u8]) -> Option<Event> {
            $(if let Some(rest) = bytes.strip_prefix($name::DISCRIMINATOR) {
                return $name::deserialize(&mut &*rest).ok().map(Event::$name);
            })*
            None
        }
    };
}

events!(
    GroupCreated,
    GroupLaunched,
    BankListed,
    UnderlyingListed,
    ExpiryListed,
    StrikesListed,
    ExpiryClosed,
    SurfaceSet,
    ChangeQueued,
    ChangeExecuted,
    ChangeCancelled,
    ChangedNow,
    PausedUntil,
    VenueRegistered,
    VenuePaused,
    BreakerTripped,
    DepegUpdated,
    MarginAccountOpened,
    MarginAccountClosed,
    DelegateSet,
    ConsentGranted,
    ConsentRevoked,
    ModeSet,
    QuotesCancelled,
    Deposited,
    Withdrawn,
    CollateralTransferred,
    InterestAccrued,
    PriceAccepted,
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
    LossShared
);

/// The event that an instruction of the program to itself carries: how money and positions are reported. They are among a
/// transaction's inner instructions.
pub fn event_in(data: &[u8]) -> Option<Event> {
    decode(data.strip_prefix(anchor_lang::event::EVENT_IX_TAG_LE)?)
}

/// The events in a transaction's log, in order.
///
/// Warning: RPC nodes truncate long logs; do not treat an absent event as proof that nothing happened.
pub fn events_in<S: AsRef<str>>(logs: &[S]) -> Vec<Event> {
    let lines = logs.iter().filter_map(|line| line.as_ref().strip_prefix("Program data: "));
    lines.filter_map(|data| BASE64_STANDARD.decode(data).ok()).filter_map(|bytes| decode(&bytes)).collect()
}
