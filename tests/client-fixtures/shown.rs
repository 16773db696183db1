//! Numbers as JSON: what JavaScript's numbers cannot hold as decimal text, names in camel case.

use anyhow::{Result, bail};
use margrave::{events::*, instructions::Numbers, state::*, surface::Surface, trading::Leg};
use margrave_client::{Event, Pubkey, Quote, Taken};
use margrave_sim::World;
use serde_json::{Map, Value, json};

pub trait Shown {
    fn shown(&self) -> Value;
}

macro_rules! shown_as {
    ($make:expr; $($type:ty),*) => { $(impl Shown for $type { fn shown(&self) -> Value { $make(self) } })* };
}

shown_as!(|it: &_| json!(*it); u8, u16, u32, i16, bool);
shown_as!(|it: &_| json!(ToString::to_string(it)); u64, i64, Pubkey);
// As variants are numbered in borsh.
shown_as!(|it: &InstrumentKind| json!(*it as u8 - 1); InstrumentKind);

impl<T: Shown, const N: usize> Shown for [T; N] {
    fn shown(&self) -> Value {
        self.iter().map(Shown::shown).collect()
    }
}

impl<T: Shown> Shown for Vec<T> {
    fn shown(&self) -> Value {
        self.iter().map(Shown::shown).collect()
    }
}

macro_rules! fields {
    ($($type:ident: $($field:ident)*;)*) => {
        $(impl Shown for $type {
            fn shown(&self) -> Value {
                let mut map = Map::new();
                $(map.insert(camel(stringify!($field)), self.$field.shown());)*
                Value::Object(map)
            }
        })*
    };
}

fields! {
    Group: version id banks underlyings quote_mint quote_bank roles receivers proposals terms options launched depeg paused_until;
    Roles: admin manager operator guardian;
    GroupTerms: outflow_cap maintenance_scan_ppm timelock_secs peg_underlying;
    OptionParameters: vol_up_ppm naked_initial_ppm;
    OutflowLimit: version group window;
    OutflowWindow: net updated_at;
    Bank: version decimals index group mint vault underlying deposit_index borrow_index deposit_shares borrow_shares accrued_at outflow
        terms;
    BankTerms: deposit_cap insurance_target haircut_maintenance_ppm interest_fee_ppm;
    Underlying: version decimals index group symbol oracle risk market range nodes perp pool series expiries strikes;
    Oracle: terms price confidence publish_time posted_slot stable_price;
    OracleTerms: feed_id kind max_age_secs stable_rate_ppm;
    RiskTerms: size_depth profit_cap version scan_range_ppm liquidation_fee_ppm max_surface_age_secs;
    MarketTerms: lot position_allowance taker_fee_ppm funding_depth;
    RangeState: variance price time range ramp moved_at;
    Perp: open_interest funding_index funded_at premium premium_at;
    PnlPool: balance unsettled_fees clearing;
    ExpirySlot: series time carry surface_at smile future_interest interest observed settlement_price;
    StrikeSlot: price vol calls puts expiry;
    MarginAccount: version status mode number group owner sequence equity initial_margin liquidation_end maintenance_margin
        valued_sequence valued_at collateral positions risk delegates quotes_since quote_floor quotes;
    CollateralSlot: bank shares risk_slot;
    PositionSlot: kind risk_slot strike expiry quantity quote funding_index;
    RiskSlot: underlying claim fees funding price publish_time sequence terms_version exponent mantissas worst_cell used;
    Delegate: key expires_at;
    QuoteSlot: nonce filled expires_at;
    Proposal: version group id proposer executable_at expires_at;
    Quote: group maker quotes_since taker expires_at nonce units legs;
    Leg: underlying instrument quantity price;
    Instrument: kind expiry strike series;
    Numbers: equity initial_margin liquidation_end maintenance_margin worst_slot worst_cell;
    SideSummary: margin_account sequence numbers;
    Surface: carry smile;
    Taken: instrument quantity price_paid fee;
    Deposited: margin_account bank amount shares sequence;
    Withdrawn: margin_account bank amount shares sequence;
    Traded: taker maker legs;
    QuoteTraded: taker maker nonce units legs;
    PnlSettled: margin_account underlying paid claim pool sequence;
    QuotesCancelled: margin_account nonce all_below;
    DelegateSet: margin_account place delegate expires_at;
    PriceAccepted: underlying price confidence publish_time posted_slot stable_price scan_range;
}

macro_rules! story_events {
    ($($name:ident)*) => {
        impl Shown for Event {
            fn shown(&self) -> Value {
                match self {
                    $(Self::$name(event) => event.shown(),)*
                    _ => Value::Null,
                }
            }
        }

        /// The events of the story by name.
        pub fn name_of(event: &Event) -> Option<&'static str> {
            match event {
                $(Event::$name(_) => Some(stringify!($name)),)*
                _ => None,
            }
        }
    };
}

story_events!(Deposited Withdrawn Traded QuoteTraded PnlSettled QuotesCancelled DelegateSet PriceAccepted);

/// An account's type and fields.
pub fn account(world: &World, key: &Pubkey, data: &[u8]) -> Result<(&'static str, Value)> {
    macro_rules! first_of {
        ($($type:ident)*) => {
            $(if is_type::<$type>(data) { return Ok((stringify!($type), world.load::<$type>(key).shown())); })*
        };
    }
    first_of!(Group OutflowLimit Bank Underlying MarginAccount);
    if data.len() == Proposal::SPACE {
        return Ok(("Proposal", world.proposal(key).shown()));
    }
    bail!("{key} is of no known type")
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn camel(name: &str) -> String {
    let mut words = name.split('_');
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |mut text, word| {
        let (head, tail) = word.split_at(1);
        text.push_str(&head.to_uppercase());
        text.push_str(tail);
        text
    })
}
