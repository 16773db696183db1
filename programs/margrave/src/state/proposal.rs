use super::{
    Bank, BankTerms, Group, GroupTerms, MarketTerms, OptionParameters, OracleTerms, Pause, RiskTerms, Roles,
    Underlying, Venue, VenueTerms,
};
use crate::{constants::*, error::*};
use anchor_lang::prelude::*;

/// A change that waits. Everybody can see it, a guardian can cancel it, anyone can execute it when its time has come, and
/// nobody can when its time has gone (I-33).
#[account]
pub struct Proposal {
    pub version: u8,
    pub bump: u8,
    pub group: Pubkey,
    pub id: u64,
    pub proposer: Pubkey,
    /// Unix seconds: executable from here on, and void after that.
    pub executable_at: i64,
    pub expires_at: i64,
    pub change: Change,
}

/// Every change of a parameter there is.
#[derive(AnchorSerialize, AnchorDeserialize, Clone, Debug, PartialEq, Eq)]
pub enum Change {
    Roles(Roles),
    Group(GroupTerms),
    Options(OptionParameters),
    Receivers([Pubkey; MAX_RECEIVERS]),
    /// Clears pause bits.
    Unpause(u32),
    Bank {
        bank: Pubkey,
        terms: BankTerms,
    },
    Underlying {
        underlying: Pubkey,
        oracle: OracleTerms,
        risk: RiskTerms,
        market: MarketTerms,
    },
    /// Lets an underlying that was paused trade again.
    Resume {
        underlying: Pubkey,
    },
    Venue {
        venue: Pubkey,
        terms: VenueTerms,
    },
    /// Lets a venue that was paused fill trades again.
    ResumeVenue {
        venue: Pubkey,
    },
}

/// Whose change it is to queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proposer {
    Admin,
    Manager,
}

/// The accounts a change may write. Which of them it needs follows from the change.
pub struct Targets<'a> {
    pub group: &'a mut Group,
    pub bank: Option<(Pubkey, &'a mut Bank)>,
    pub underlying: Option<(Pubkey, &'a mut Underlying)>,
    pub venue: Option<(Pubkey, &'a mut Venue)>,
}

impl Proposal {
    /// Discriminator, fields, and the largest change: an underlying's terms.
    pub const SPACE: usize = 8 + 2 + 32 + 8 + 32 + 16 + 1 + 32 + 56 + 120 + 104;

    pub fn require_executable(&self, now: i64) -> Result<()> {
        require!(now >= self.executable_at, MargraveError::ChangeMustWait);
        require!(now <= self.expires_at, MargraveError::ChangeExpired);
        Ok(())
    }
}

impl Change {
    pub fn proposer(&self) -> Proposer {
        match self {
            Self::Roles(_) | Self::Group(_) | Self::Receivers(_) => Proposer::Admin,
            Self::Options(_)
            | Self::Unpause(_)
            | Self::Bank { .. }
            | Self::Underlying { .. }
            | Self::Resume { .. }
            | Self::Venue { .. }
            | Self::ResumeVenue { .. } => Proposer::Manager,
        }
    }

    /// Whether the change can neither enlarge what may be taken out nor make a healthy account liquidatable, so that it need
    /// not wait. What stays equal is no change; docs/governance.md has the table.
    pub fn is_tightening(&self, targets: &Targets) -> bool {
        match self {
            Self::Group(new) => {
                let old = &targets.group.terms;
                new.timelock_secs >= old.timelock_secs
                    && *new == GroupTerms { timelock_secs: new.timelock_secs, ..*old }
            }
            Self::Bank { terms: new, .. } => targets.bank.as_ref().is_some_and(|(_, bank)| {
                let old = &bank.terms;
                new.deposit_cap <= old.deposit_cap
                    && new.borrow_cap <= old.borrow_cap
                    && new.haircut_initial_ppm >= old.haircut_initial_ppm
                    && new.liability_initial_ppm >= old.liability_initial_ppm
                    && *new
                        == BankTerms {
                            deposit_cap: new.deposit_cap,
                            borrow_cap: new.borrow_cap,
                            haircut_initial_ppm: new.haircut_initial_ppm,
                            liability_initial_ppm: new.liability_initial_ppm,
                            ..*old
                        }
            }),
            Self::Underlying { oracle, risk, market: new, .. } => {
                targets.underlying.as_ref().is_some_and(|(_, underlying)| {
                    let (old_risk, old) = (&underlying.risk, &underlying.market);
                    risk.profit_haircut_initial_ppm >= old_risk.profit_haircut_initial_ppm
                        && risk.liquidation_volume_cap <= old_risk.liquidation_volume_cap
                        && risk.gap_ppm <= old_risk.gap_ppm
                        && risk.gap_pause_secs >= old_risk.gap_pause_secs
                        && *risk
                            == RiskTerms {
                                version: risk.version,
                                profit_haircut_initial_ppm: risk.profit_haircut_initial_ppm,
                                liquidation_volume_cap: risk.liquidation_volume_cap,
                                gap_ppm: risk.gap_ppm,
                                gap_pause_secs: risk.gap_pause_secs,
                                ..*old_risk
                            }
                        && *oracle == underlying.oracle.terms
                        && new.perp_interest_cap <= old.perp_interest_cap
                        && new.future_interest_cap <= old.future_interest_cap
                        && new.option_interest_cap <= old.option_interest_cap
                        && new.position_allowance <= old.position_allowance
                        && new.concentration_ppm <= old.concentration_ppm
                        && *new
                            == MarketTerms {
                                perp_interest_cap: new.perp_interest_cap,
                                future_interest_cap: new.future_interest_cap,
                                option_interest_cap: new.option_interest_cap,
                                position_allowance: new.position_allowance,
                                concentration_ppm: new.concentration_ppm,
                                ..*old
                            }
                })
            }
            Self::Venue { terms, .. } => {
                targets.venue.as_ref().is_some_and(|(_, venue)| terms.is_tighter_than(&venue.terms))
            }
            Self::Roles(_)
            | Self::Options(_)
            | Self::Receivers(_)
            | Self::Unpause(_)
            | Self::Resume { .. }
            | Self::ResumeVenue { .. } => false,
        }
    }

    /// Makes the change, and requires that what it leaves is within every bound.
    pub fn apply(&self, targets: &mut Targets) -> Result<()> {
        match self {
            Self::Roles(roles) => targets.group.roles = *roles,
            Self::Group(terms) => targets.group.terms = *terms,
            Self::Options(options) => targets.group.options = *options,
            Self::Receivers(receivers) => targets.group.receivers = *receivers,
            Self::Unpause(bits) => {
                require!(bits & !Pause::ALL == 0, MargraveError::ParameterOutOfBounds);
                targets.group.unpause(*bits);
            }
            Self::Bank { bank: key, terms } => {
                // Before anything is computed with them.
                terms.require_valid()?;
                let underlying = targets.underlying.take();
                let price = underlying.as_ref().map_or(0, |(_, underlying)| underlying.oracle.price);
                let bank = targets.bank(key)?;
                make_room_for_haircut(bank, terms, underlying)?;
                bank.terms = *terms;
                if !bank.is_quote() {
                    bank.reference_price = price;
                }
                bank.update_rate()?;
                bank.invariant()?;
            }
            Self::Underlying { underlying: key, oracle, risk, market } => {
                let underlying = targets.underlying(key)?;
                let lot = underlying.market.lot;
                // A position in old lots must stay closable in new ones.
                require!(lot == 0 || (market.lot != 0 && lot % market.lot == 0), MargraveError::ParameterOutOfBounds);
                let version = underlying.risk.version.checked_add(1).ok_or(MargraveError::ValueOutOfRange)?;
                underlying.oracle.terms = *oracle;
                underlying.risk = RiskTerms { version, ..*risk };
                underlying.market = *market;
                underlying.invariant()?;
            }
            Self::Resume { underlying: key } => targets.underlying(key)?.breaker.paused_until = 0,
            Self::Venue { venue: key, terms } => {
                terms.require_valid(targets.group.underlyings)?;
                let venue = targets.venue(key)?;
                venue.terms = *terms;
                venue.invariant()?;
            }
            Self::ResumeVenue { venue: key } => {
                let venue = targets.venue(key)?;
                venue.paused_until = 0;
                venue.invariant()?;
            }
        }
        targets.group.invariant()
    }
}

impl Targets<'_> {
    fn bank(&mut self, expected: &Pubkey) -> Result<&mut Bank> {
        match &mut self.bank {
            Some((key, bank)) if key == expected => Ok(bank),
            _ => err!(MargraveError::BankMissing),
        }
    }

    fn underlying(&mut self, expected: &Pubkey) -> Result<&mut Underlying> {
        match &mut self.underlying {
            Some((key, underlying)) if key == expected => Ok(underlying),
            _ => err!(MargraveError::UnderlyingMissing),
        }
    }

    fn venue(&mut self, expected: &Pubkey) -> Result<&mut Venue> {
        match &mut self.venue {
            Some((key, venue)) if key == expected => Ok(venue),
            _ => err!(MargraveError::VenueMissing),
        }
    }
}

/// A deposit must never lower health (I-12): the haircut leaves what margin asks for the token itself, and the underlying's later
/// terms leave room for the haircut.
fn make_room_for_haircut(bank: &Bank, terms: &BankTerms, underlying: Option<(Pubkey, &mut Underlying)>) -> Result<()> {
    let haircut = terms.haircut_initial_ppm;
    if bank.is_quote() {
        require!(haircut == 0 && terms.liability_initial_ppm == 0, MargraveError::ParameterOutOfBounds);
        return Ok(());
    }
    let underlying = underlying.filter(|(key, _)| *key == bank.underlying);
    let (_, underlying) = underlying.ok_or(MargraveError::UnderlyingMissing)?;
    // A token that counts for nothing may still be listed: nobody can deposit it.
    if terms.deposit_cap > 0 {
        underlying.largest_haircut_ppm = underlying.largest_haircut_ppm.max(haircut).max(1);
    }
    underlying.invariant()
}
