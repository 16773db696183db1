use super::{InstrumentKind, MarginAccount, OutflowWindow};
use crate::{
    constants::*,
    error::*,
    trading::{Fill, Leg},
};
use anchor_lang::prelude::*;
use borsh::{BorshDeserialize, BorshSerialize};

/// Another program whose fills are margined here (I-32): what it may trade for accounts that consent, and nothing else.
#[account(zero_copy)]
#[repr(C)]
pub struct Venue {
    pub version: u8,
    pub bump: u8,
    /// Part of the address: a program may have several venues.
    pub number: u16,
    pub padding: [u8; 4],
    pub group: Pubkey,
    pub program: Pubkey,
    /// An address of that program, found from this account's: no key pair signs for it.
    pub authority: Pubkey,
    pub terms: VenueTerms,
    /// Unix seconds: until when a guardian has stopped it.
    pub paused_until: i64,
    /// Value that has added risk lately, micro-dollars.
    pub exposure: OutflowWindow,
    /// Zero.
    pub reserved: [u8; 64],
}

/// What a venue may fill. All zeros, as it is registered with: nothing.
#[zero_copy]
#[repr(C)]
#[derive(BorshSerialize, BorshDeserialize, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize), serde(deny_unknown_fields))]
pub struct VenueTerms {
    /// Most value traded in a day that does not reduce both sides, micro-dollars.
    pub exposure_cap: u64,
    /// One, or zero: nothing is filled.
    pub enabled: u32,
    #[cfg_attr(feature = "serde", serde(skip))]
    pub padding: u32,
    pub markets: [VenueMarket; MAX_VENUE_MARKETS],
}

/// An underlying a venue may fill trades on. All zeros: none.
#[zero_copy]
#[repr(C)]
#[derive(BorshSerialize, BorshDeserialize, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize), serde(deny_unknown_fields))]
pub struct VenueMarket {
    /// Most value of one leg, micro-dollars; of options, their underlying's.
    pub fill_cap: u64,
    /// The underlying's index in its group.
    pub underlying: u16,
    /// One bit for each kind, see [`VenueMarket::kind`]; zero: there is no market here.
    pub kinds: u16,
    #[cfg_attr(feature = "serde", serde(skip))]
    pub padding: u32,
}

/// An owner's word that a venue may trade for a margin account: until a time, and for so much value.
#[account(zero_copy)]
#[repr(C)]
pub struct Consent {
    pub version: u8,
    pub bump: u8,
    pub padding: [u8; 6],
    /// Gets the rent back, when the margin account is gone too.
    pub owner: Pubkey,
    pub margin_account: Pubkey,
    pub venue: Pubkey,
    /// The account's when this was granted: a new account of the same number has not consented, and a liquidation voids what was
    /// granted before it.
    pub quotes_since: i64,
    /// Unix seconds; nothing is filled after it.
    pub expires_at: i64,
    /// Value that may still be traded, micro-dollars; `u64::MAX`: no limit.
    pub allowance: u64,
    /// Zero.
    pub reserved: [u8; 32],
}

impl VenueMarket {
    /// The bit of a kind: perps 1, futures 2, calls 4, puts 8.
    pub const fn kind(kind: InstrumentKind) -> u16 {
        1 << (kind as u16 - 1)
    }

    /// Of all kinds.
    pub const ALL: u16 = 15;

    fn is_empty(&self) -> bool {
        self.kinds == 0
    }
}

impl VenueTerms {
    /// Where the venue may fill trades.
    pub fn markets(&self) -> impl Iterator<Item = &VenueMarket> {
        self.markets.iter().filter(|market| !market.is_empty())
    }

    fn market(&self, underlying: u16) -> Option<&VenueMarket> {
        self.markets().find(|market| market.underlying == underlying)
    }

    /// `underlyings` are listed in the group.
    pub fn require_valid(&self, underlyings: u16) -> Result<()> {
        require!(self.enabled <= 1 && self.padding == 0, MargraveError::ParameterOutOfBounds);
        for (index, market) in self.markets.iter().enumerate() {
            let listed = market.underlying < underlyings && market.kinds <= VenueMarket::ALL && market.padding == 0;
            let well_formed = if market.is_empty() { *market == VenueMarket::default() } else { listed };
            require!(well_formed, MargraveError::ParameterOutOfBounds);
            let before = self.markets[..index].iter().filter(|it| !it.is_empty());
            let twice = !market.is_empty() && before.clone().any(|other| other.underlying == market.underlying);
            require!(!twice, MargraveError::ParameterOutOfBounds);
        }
        Ok(())
    }

    /// Whether a venue with these terms can fill nothing that it could not with `old`.
    pub fn is_tighter_than(&self, old: &Self) -> bool {
        self.exposure_cap <= old.exposure_cap
            && self.enabled <= old.enabled
            && self.markets().all(|new| {
                let old = old.market(new.underlying);
                old.is_some_and(|old| new.kinds & !old.kinds == 0 && new.fill_cap <= old.fill_cap)
            })
    }
}

impl Venue {
    /// Refuses everything while the venue is not enabled, or a guardian has stopped it: reductions too, at the prices of a program
    /// that somebody may have taken over. Owners still trade with one another.
    pub fn require_running(&self, now: i64) -> Result<()> {
        require!(self.terms.enabled == 1 && now >= self.paused_until, MargraveError::VenueStopped);
        Ok(())
    }

    /// Stops it until `until` at least.
    pub fn pause(&mut self, until: i64) -> Result<()> {
        self.paused_until = until.max(self.paused_until);
        self.invariant()
    }

    /// Counts a leg, or refuses one that is not the venue's to fill.
    pub fn admit(&mut self, leg: &Leg, fill: &Fill, now: i64) -> Result<()> {
        let market = self.terms.market(leg.underlying);
        let market = market.filter(|market| market.kinds & VenueMarket::kind(leg.instrument.kind) != 0);
        let market = market.ok_or(MargraveError::VenueMarketNotAllowed)?;
        require!(fill.value <= market.fill_cap, MargraveError::VenueFillTooLarge);
        if !fill.reduces {
            let taken = self.exposure.take(fill.value, self.terms.exposure_cap, now);
            taken.map_err(|_| MargraveError::VenueExposureExceeded)?;
        }
        self.invariant()
    }

    /// What every instruction that writes a venue leaves behind.
    pub fn invariant(&self) -> Result<()> {
        require!(self.version == VERSION, MargraveError::InvariantViolated);
        Ok(())
    }
}

impl Consent {
    /// Refuses a consent that was not given by the account as it is now, or has run out.
    pub fn require_given(&self, account: &MarginAccount, now: i64) -> Result<()> {
        require!(self.quotes_since == account.quotes_since, MargraveError::ConsentVoid);
        require!(now <= self.expires_at, MargraveError::ConsentExpired);
        Ok(())
    }

    /// Counts value that was traded.
    pub fn charge(&mut self, value: u64) -> Result<()> {
        if self.allowance != u64::MAX {
            self.allowance = self.allowance.checked_sub(value).ok_or(MargraveError::ConsentUsedUp)?;
        }
        self.invariant()
    }

    /// What every instruction that writes a consent leaves behind.
    pub fn invariant(&self) -> Result<()> {
        require!(self.version == VERSION, MargraveError::InvariantViolated);
        Ok(())
    }
}

const _: () = {
    assert!(size_of::<VenueMarket>() == 16);
    assert!(size_of::<VenueTerms>() == 16 + 16 * MAX_VENUE_MARKETS);
    assert!(size_of::<Venue>() == 8 + 32 * 3 + 16 + 16 * MAX_VENUE_MARKETS + 8 + 16 + 64);
    assert!(size_of::<Consent>() == 8 + 32 * 3 + 8 * 3 + 32);
};
