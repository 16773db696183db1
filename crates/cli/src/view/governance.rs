//! Who may do what, what is stopped, what waits, and what every parameter is.

use super::{
    View, facts,
    oracle::{Stopped, paused, stopped_text},
    table,
};
use crate::{
    amount::Amount,
    market::{Market, duration, time},
};
use margrave::{constants::MAX_VENUE_MARKETS, state::*};
use margrave_client::Pubkey;
use serde::Serialize;

/// Fields by name, so that a file can set some of them and a screen can show all.
pub trait Fields {
    fn fields(&self) -> Vec<(&'static str, String)>;

    /// Sets one field from text.
    ///
    /// # Errors
    /// An unknown field, or text that is not its kind of value.
    fn set(&mut self, name: &str, value: &str) -> anyhow::Result<()>;
}

macro_rules! fields {
    ($type:ident { $($field:ident),* $(,)? } $(skips { $($skipped:ident),* })?) => {
        impl Fields for $type {
            fn fields(&self) -> Vec<(&'static str, String)> {
                // Without `..`: a field that is not named here does not compile.
                let Self { $($field,)* $($($skipped: _,)*)? } = self;
                vec![$((stringify!($field), Text::text($field))),*]
            }

            fn set(&mut self, name: &str, value: &str) -> anyhow::Result<()> {
                match name {
                    $(stringify!($field) => self.$field = Text::read(value).map_err(|error| {
                        crate::usage(format!("{name} = {value}: {error}"))
                    })?,)*
                    _ => return Err(crate::usage(format!(
                        "{} has no field '{name}'; it has {}",
                        stringify!($type),
                        [$(stringify!($field)),*].join(", ")
                    ))),
                }
                Ok(())
            }
        }
    };
}

/// A field's value as text.
trait Text: Sized {
    fn text(&self) -> String;
    fn read(text: &str) -> anyhow::Result<Self>;
}

macro_rules! plain_text {
    ($($type:ty),*) => {
        $(impl Text for $type {
            fn text(&self) -> String {
                self.to_string()
            }

            fn read(text: &str) -> anyhow::Result<Self> {
                Ok(text.parse()?)
            }
        })*
    };
}

plain_text!(u32, u64, Pubkey);

/// A feed, in hexadecimal.
impl Text for [u8; 32] {
    fn text(&self) -> String {
        self.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn read(text: &str) -> anyhow::Result<Self> {
        let text = text.strip_prefix("0x").unwrap_or(text);
        anyhow::ensure!(text.len() == 64 && text.is_ascii(), "a feed has 64 hexadecimal digits");
        let mut bytes = [0; 32];
        for (index, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&text[2 * index..2 * index + 2], 16)?;
        }
        Ok(bytes)
    }
}

fields!(Roles { admin, manager, operator, guardian });
fields!(GroupTerms {
    outflow_cap,
    maintenance_scan_ppm,
    liquidation_buffer_ppm,
    timelock_secs,
    peg_threshold_ppm,
    peg_factor_ppm,
    liquidation_start_ppm,
    liquidation_ramp_secs,
    liquidation_insurance_ppm,
    auction_start_ppm,
    auction_cut_ppm,
    auction_fast_secs,
    auction_slow_secs,
    deleverage_notice_secs,
    loss_notice_secs,
    peg_underlying,
});
fields!(OptionParameters {
    vol_up_ppm,
    vol_down_ppm,
    vol_power_short_ppm,
    vol_power_long_ppm,
    vol_floor_ppm,
    skew_cap_ppm,
    skew_cap_slope_ppm,
    skew_width_ppm,
    skew_min_width_ppm,
    long_factor_ppm,
    short_factor_ppm,
    basis_base_ppm,
    basis_per_year_ppm,
    vega_charge_ppm,
    naked_maintenance_ppm,
    naked_initial_ppm,
});
fields!(BankTerms {
    deposit_cap,
    borrow_cap,
    outflow_cap,
    weight_scale_start,
    insurance_target,
    haircut_maintenance_ppm,
    haircut_initial_ppm,
    liability_maintenance_ppm,
    liability_initial_ppm,
    rate_base_ppm,
    rate_optimal_ppm,
    rate_max_ppm,
    utilisation_optimal_ppm,
    interest_fee_ppm,
    liquidation_fee_ppm,
});
fields!(OracleTerms {
    feed_id,
    kind,
    max_confidence_ppm,
    max_age_secs,
    max_future_secs,
    liquidation_max_age_secs,
    stable_rate_ppm,
});
fields!(RiskTerms {
    size_depth,
    profit_cap,
    scan_range_ppm,
    scan_range_max_ppm,
    range_multiple_ppm,
    volatility_memory_secs,
    net_charge_ppm,
    hedged_charge_ppm,
    size_slope_ppm,
    size_cap_ppm,
    profit_haircut_maintenance_ppm,
    profit_haircut_initial_ppm,
    correlation_group,
    kappa_ppm,
    discount_ppm,
    liquidation_fee_ppm,
    vol_rate_ppm,
    carry_rate_ppm,
    max_surface_age_secs,
    liquidation_volume_cap,
    volume_window_secs,
    max_jump_ppm,
    gap_ppm,
    gap_pause_secs,
    halt_secs,
    grace_secs,
} skips { version });
fields!(MarketTerms {
    lot,
    perp_interest_cap,
    future_interest_cap,
    option_interest_cap,
    position_allowance,
    concentration_ppm,
    maker_fee_ppm,
    taker_fee_ppm,
    option_maker_fee_ppm,
    option_taker_fee_ppm,
    option_fee_cap_ppm,
    max_trade_deviation_ppm,
    max_option_deviation_ppm,
    funding_cap_ppm,
    funding_depth,
    first_loss_target,
    insurance_cap,
} skips { padding });
fields!(VenueTerms { exposure_cap, enabled } skips { padding, markets });

/// A kind of instrument by the name that files and tables have.
const KINDS: [(&str, InstrumentKind); 4] = [
    ("perp", InstrumentKind::Perp),
    ("future", InstrumentKind::Future),
    ("call", InstrumentKind::Call),
    ("put", InstrumentKind::Put),
];

/// Where a venue may fill trades, one text each: `SOL:perp+future:5000000000`, underlying, kinds, and the most of one leg in
/// micro-dollars.
pub fn venue_markets(market: &Market, terms: &VenueTerms) -> Vec<String> {
    let text = |it: &VenueMarket| {
        let all = market.underlyings();
        let found = all.iter().find(|(_, sheet)| sheet.index == it.underlying);
        let symbol = found.map_or_else(|| format!("#{}", it.underlying), |(key, _)| market.symbol(key));
        let kinds = KINDS.iter().filter(|(_, kind)| it.kinds & VenueMarket::kind(*kind) != 0);
        let kinds: Vec<&str> = kinds.map(|(name, _)| *name).collect();
        format!("{symbol}:{}:{}", kinds.join("+"), it.fill_cap)
    };
    terms.markets().map(text).collect()
}

/// The markets that such texts name.
///
/// # Errors
/// Too many of them, an unknown underlying or kind, or what is no number.
pub fn read_venue_markets(market: &Market, texts: &[&str]) -> anyhow::Result<[VenueMarket; MAX_VENUE_MARKETS]> {
    let mut markets = [VenueMarket::default(); MAX_VENUE_MARKETS];
    if texts.len() > MAX_VENUE_MARKETS {
        return Err(crate::usage(format!("a venue has at most {MAX_VENUE_MARKETS} markets")));
    }
    for (place, text) in markets.iter_mut().zip(texts) {
        let parts: Vec<&str> = text.split(':').collect();
        let [symbol, kinds, fill_cap] = parts[..] else {
            return Err(crate::usage(format!("'{text}' is not like SOL:perp+future:5000000000")));
        };
        let mut bits = 0;
        for name in kinds.split('+') {
            let kind = KINDS.iter().find(|(known, _)| *known == name);
            let (_, kind) = kind.ok_or_else(|| {
                crate::usage(format!("'{name}' is no kind of instrument; they are perp, future, call, put"))
            })?;
            bits |= VenueMarket::kind(*kind);
        }
        let fill_cap = fill_cap.parse().map_err(|error| crate::usage(format!("{text}: {error}")))?;
        let underlying = market.underlying_named(symbol)?.1.index;
        *place = VenueMarket { fill_cap, underlying, kinds: bits, padding: 0 };
    }
    Ok(markets)
}

/// A registered venue.
#[derive(Clone, Debug, Serialize)]
pub struct VenueView {
    pub venue: String,
    pub program: String,
    pub number: u16,
    pub authority: String,
    pub enabled: bool,
    /// Unix seconds; zero: nobody has stopped it.
    pub stopped_until: i64,
    pub markets: Vec<String>,
    pub exposure_cap: Amount,
    /// How much more may add risk now.
    pub room: Amount,
}

impl VenueView {
    pub fn of(market: &Market, key: &Pubkey, venue: &Venue) -> Self {
        let (cap, now) = (venue.terms.exposure_cap, market.now);
        Self {
            venue: key.to_string(),
            program: venue.program.to_string(),
            number: venue.number,
            authority: venue.authority.to_string(),
            enabled: venue.terms.enabled != 0,
            stopped_until: if now < venue.paused_until { venue.paused_until } else { 0 },
            markets: venue_markets(market, &venue.terms),
            exposure_cap: Amount::usd(cap),
            room: Amount::usd(venue.exposure.room(cap, now)),
        }
    }
}

impl View for VenueView {
    fn text(&self, _: bool) -> String {
        let stopped = if self.stopped_until == 0 { "no".to_owned() } else { time(self.stopped_until) };
        facts(&[
            ("Venue", format!("{} (number {})", self.venue, self.number)),
            ("Program", self.program.clone()),
            ("Signs as", self.authority.clone()),
            ("Enabled", if self.enabled { "yes" } else { "no" }.to_owned()),
            ("Stopped until", stopped),
            ("Markets, most of a leg", self.markets.join(", ")),
            ("New risk in a day $", self.exposure_cap.grouped(2)),
            ("Left of it now $", self.room.grouped(2)),
        ])
    }
}

/// Fields of one thing.
#[derive(Clone, Debug, Serialize)]
pub struct Terms {
    pub of: String,
    pub address: Option<String>,
    pub fields: Vec<(&'static str, String)>,
}

/// A group's roles, pauses and parameters.
#[derive(Clone, Debug, Serialize)]
pub struct GroupView {
    pub group: String,
    pub id: u16,
    pub launched: bool,
    pub quote_mint: String,
    pub receivers: Vec<String>,
    pub time: i64,
    pub paused: Vec<Stopped>,
    pub terms: Vec<Terms>,
}

impl GroupView {
    pub fn of(market: &Market) -> Self {
        let group = market.group();
        let of = |of: &str, address: Option<&Pubkey>, fields: &dyn Fields| Terms {
            of: of.to_owned(),
            address: address.map(ToString::to_string),
            fields: fields.fields(),
        };
        let mut terms =
            vec![of("roles", None, &group.roles), of("group", None, &group.terms), of("options", None, &group.options)];
        for (key, bank) in market.banks() {
            terms.push(of(&format!("bank {}", market.token(bank)), Some(key), &bank.terms));
        }
        for (key, sheet) in market.underlyings() {
            let symbol = market.symbol(key);
            terms.push(of(&format!("{symbol} oracle"), Some(key), &sheet.oracle.terms));
            terms.push(of(&format!("{symbol} risk"), Some(key), &sheet.risk));
            terms.push(of(&format!("{symbol} market"), Some(key), &sheet.market));
        }
        let receivers = group.receivers.iter().filter(|key| **key != Pubkey::default());
        Self {
            group: market.key.to_string(),
            id: group.id,
            launched: group.launched != 0,
            quote_mint: group.quote_mint.to_string(),
            receivers: receivers.map(ToString::to_string).collect(),
            time: market.now,
            paused: paused(market),
            terms,
        }
    }
}

impl View for GroupView {
    fn text(&self, _: bool) -> String {
        let mut text = facts(&[
            ("Group", format!("{} (id {})", self.group, self.id)),
            ("Launched", if self.launched { "yes" } else { "no: changes work at once" }.to_owned()),
            ("Quote mint", self.quote_mint.clone()),
            ("Price programs", self.receivers.join(", ")),
            ("Paused", stopped_text(&self.paused, self.time)),
        ]);
        for terms in &self.terms {
            let address = terms.address.as_ref().map_or_else(String::new, |address| format!(" ({address})"));
            text.push_str(&format!("\n{}{address}\n", terms.of));
            let rows: Vec<(&str, String)> = terms.fields.iter().map(|(name, value)| (*name, value.clone())).collect();
            text.push_str(&facts(&rows).lines().map(|line| format!("  {line}\n")).collect::<String>());
        }
        text
    }
}

/// A queued change.
#[derive(Clone, Debug, Serialize)]
pub struct ProposalLine {
    pub id: u64,
    pub address: String,
    pub proposer: String,
    pub change: String,
    /// What would be different: field, now, then.
    pub differences: Vec<(String, String, String)>,
    pub executable_at: i64,
    pub expires_at: i64,
    /// `waits`, `executable` or `expired`.
    pub state: &'static str,
    /// Until it is executable, or until it expires.
    pub secs_left: i64,
}

/// All queued changes of a group.
#[derive(Clone, Debug, Serialize)]
pub struct Proposals {
    pub group: String,
    pub time: i64,
    pub proposals: Vec<ProposalLine>,
}

impl Proposals {
    pub fn of(market: &Market, proposals: &[(Pubkey, Proposal)]) -> Self {
        let mut lines: Vec<ProposalLine> = proposals
            .iter()
            .filter(|(_, proposal)| proposal.group == market.key)
            .map(|(key, proposal)| line(market, key, proposal))
            .collect();
        lines.sort_by_key(|line| line.id);
        Self { group: market.key.to_string(), time: market.now, proposals: lines }
    }
}

fn line(market: &Market, key: &Pubkey, proposal: &Proposal) -> ProposalLine {
    let (state, until) = match market.now {
        now if now < proposal.executable_at => ("waits", proposal.executable_at),
        now if now <= proposal.expires_at => ("executable", proposal.expires_at),
        now => ("expired", now),
    };
    ProposalLine {
        id: proposal.id,
        address: key.to_string(),
        proposer: proposal.proposer.to_string(),
        change: change_name(market, &proposal.change),
        differences: differences(market, &proposal.change),
        executable_at: proposal.executable_at,
        expires_at: proposal.expires_at,
        state,
        secs_left: until - market.now,
    }
}

fn change_name(market: &Market, change: &Change) -> String {
    match change {
        Change::Roles(_) => "roles".to_owned(),
        Change::Group(_) => "group terms".to_owned(),
        Change::Options(_) => "option terms".to_owned(),
        Change::Receivers(_) => "price programs".to_owned(),
        Change::Unpause(bits) => format!("unpause {}", pause_names(*bits)),
        Change::Bank { bank, .. } => {
            let token = market.accounts.banks.get(bank).map_or_else(|| bank.to_string(), |it| market.token(it));
            format!("bank {token}")
        }
        Change::Underlying { underlying, .. } => format!("underlying {}", market.symbol(underlying)),
        Change::Resume { underlying } => format!("resume {}", market.symbol(underlying)),
        Change::Venue { venue, .. } => format!("venue {venue}"),
        Change::ResumeVenue { venue } => format!("resume venue {venue}"),
    }
}

/// Names of pause bits, joined.
pub fn pause_names(bits: u32) -> String {
    let names = super::oracle::PAUSES.iter().filter(|(bit, _)| bits & bit != 0).map(|(_, name)| *name);
    names.collect::<Vec<_>>().join(", ")
}

/// Fields that the change would set to something else: name, now, then.
pub fn differences(market: &Market, change: &Change) -> Vec<(String, String, String)> {
    let group = market.group();
    let apart = |prefix: &str, old: &dyn Fields, new: &dyn Fields| {
        let both = old.fields().into_iter().zip(new.fields());
        let changed = both.filter(|((_, old), (_, new))| old != new);
        changed.map(|((name, old), (_, new))| (format!("{prefix}{name}"), old, new)).collect::<Vec<_>>()
    };
    match change {
        Change::Roles(new) => apart("", &group.roles, new),
        Change::Group(new) => apart("", &group.terms, new),
        Change::Options(new) => apart("", &group.options, new),
        Change::Receivers(new) => {
            let both = group.receivers.iter().zip(new).filter(|(old, new)| old != new);
            both.map(|(old, new)| ("receiver".to_owned(), old.to_string(), new.to_string())).collect()
        }
        Change::Bank { bank, terms } => {
            market.accounts.banks.get(bank).map_or_else(Vec::new, |old| apart("", &old.terms, terms))
        }
        Change::Underlying { underlying, oracle, risk, market: new } => {
            let Some(old) = market.accounts.underlyings.get(underlying) else { return Vec::new() };
            let mut all = apart("oracle.", &old.oracle.terms, oracle);
            all.extend(apart("risk.", &old.risk, risk));
            all.extend(apart("market.", &old.market, new));
            all
        }
        Change::Venue { venue, terms } => {
            let Some(old) = market.accounts.venues.get(venue) else { return Vec::new() };
            let mut all = apart("", &old.terms, terms);
            let [old, new] = [&old.terms, terms].map(|terms| venue_markets(market, terms).join(", "));
            if old != new {
                all.push(("markets".to_owned(), old, new));
            }
            all
        }
        Change::Unpause(_) | Change::Resume { .. } | Change::ResumeVenue { .. } => Vec::new(),
    }
}

impl View for Proposals {
    fn text(&self, _: bool) -> String {
        if self.proposals.is_empty() {
            return format!("no change is queued in group {}", self.group);
        }
        let mut rows = table(&["Id", "Change", "Field: now -> then", "State", "Left", "Executable from", "By"]);
        for it in &self.proposals {
            let changed: Vec<String> =
                it.differences.iter().map(|(name, old, new)| format!("{name}: {old} -> {new}")).collect();
            rows.add_row(vec![
                it.id.to_string(),
                it.change.clone(),
                changed.join("\n"),
                it.state.to_owned(),
                duration(it.secs_left),
                time(it.executable_at),
                it.proposer.clone(),
            ]);
        }
        rows.to_string()
    }
}
