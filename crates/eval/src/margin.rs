//! A portfolio's margin. The request becomes the engine's plain data here; everything else is the engine.

use crate::fields::Fields;
use crate::number::{self, charge, decimal, ratio, share, usd};
use crate::pricing::{discount, smile, smile_vol};
use anyhow::{Context, Result, bail, ensure};
use margrave_risk::{
    Black76, CELLS, Cell, CellWeights, Collateral, Dated, Decimals, Expiry, Group, Haircuts, Holdings, Levels,
    LinearPosition, Market, Mode, OptionKind, OptionTerms, Portfolio, Price, PriceMove, Quantity, Ratio, RiskArray,
    Shortfall, SizeCharge, Strike, Terms, Usd, Vol, VolMove, Years,
};
use rust_decimal::{Decimal, RoundingStrategy, dec};
use serde_json::{Map, Value, json};

/// The share of the mass that expected shortfall looks at.
const TAIL: Decimal = dec!(0.025);

const PARAMS: [&str; 26] = [
    "maintenance_scan",
    "liquidation_buffer",
    "net_charge",
    "hedged_charge",
    "naked_maintenance",
    "naked_initial",
    "basis_base",
    "basis_per_year",
    "vega_charge",
    "size_slope",
    "size_cap",
    "profit_haircut_maintenance",
    "profit_haircut_initial",
    "vol_up",
    "vol_down",
    "vol_power_short",
    "vol_power_long",
    "vol_floor",
    "skew_cap",
    "skew_cap_slope",
    "skew_width",
    "skew_min_width",
    "long_factor",
    "short_factor",
    "depeg_threshold",
    "depeg_factor",
];
const MORE_PARAMS: [&str; 2] = ["quote_price", "cell_weights"];

/// The terms that are the same for all underlyings.
struct Params {
    options: OptionTerms,
    levels: Levels,
    net_charge: Ratio,
    hedged_charge: Ratio,
    profit: Haircuts,
    size_slope: Ratio,
    size_cap: Ratio,
    weights: CellWeights,
}

impl Params {
    fn of(fields: Option<Fields>) -> Result<Self> {
        let nothing = Value::Object(Map::new());
        let fields = fields.map_or_else(|| Fields::of(&nothing), Ok)?;
        fields.require_known(&[&PARAMS[..], &MORE_PARAMS].concat())?;
        let part = |name: &str, default: Decimal| fields.convert_or(name, default, share);
        let rate = |name: &str, default: Decimal| fields.convert_or(name, default, charge);
        let options = OptionTerms {
            vol_up: rate("vol_up", dec!(0.50))?,
            vol_down: part("vol_down", dec!(0.25))?,
            power_short: rate("vol_power_short", dec!(0.30))?,
            power_long: rate("vol_power_long", dec!(0.13))?,
            vol_floor: rate("vol_floor", dec!(0.40))?,
            skew_cap: part("skew_cap", dec!(0.25))?,
            skew_cap_slope: rate("skew_cap_slope", dec!(0.10))?,
            skew_width: rate("skew_width", dec!(2.4))?,
            skew_min_width: rate("skew_min_width", dec!(0.01))?,
            long_factor: rate("long_factor", dec!(0.95))?,
            short_factor: rate("short_factor", dec!(1.04))?,
            basis_base: rate("basis_base", dec!(0.5))?,
            basis_per_year: rate("basis_per_year", dec!(2.0))?,
            vega_charge: rate("vega_charge", dec!(0.10))?,
            naked_maintenance: rate("naked_maintenance", dec!(0.003))?,
            naked_initial: rate("naked_initial", dec!(0.002))?,
        };
        options.require_valid()?;
        let below_peg =
            fields.decimal_or("depeg_threshold", dec!(0.99))? - fields.decimal_or("quote_price", Decimal::ONE)?;
        let factor = fields.decimal_or("depeg_factor", dec!(4))?;
        let depeg = below_peg.max(Decimal::ZERO).checked_mul(factor).context("params.depeg_factor is too large")?;
        let weights = match fields.decimals("cell_weights")? {
            None => CellWeights::STANDARD_PPM.map(|ppm| Ratio::from_ppm_up(ppm).unwrap_or(Ratio::ZERO)),
            Some(list) => {
                let list = list.into_iter().map(share).collect::<Result<Vec<_>>>().context("params.cell_weights")?;
                let given = list.len();
                list.try_into()
                    .ok()
                    .with_context(|| format!("params.cell_weights has {given} numbers instead of {CELLS}"))?
            }
        };
        Ok(Self {
            options,
            levels: Levels {
                maintenance_scan: part("maintenance_scan", dec!(0.8))?,
                liquidation_buffer: part("liquidation_buffer", dec!(0.15))?,
                depeg: charge(depeg).context("params.depeg_factor")?,
            },
            net_charge: rate("net_charge", dec!(0.02))?,
            hedged_charge: rate("hedged_charge", dec!(0.01))?,
            profit: haircuts_of(
                fields.decimal_or("profit_haircut_initial", dec!(0.1))?,
                fields.decimal_or("profit_haircut_maintenance", Decimal::ZERO)?,
            )
            .context("params.profit_haircut")?,
            size_slope: rate("size_slope", dec!(0.05))?,
            size_cap: rate("size_cap", dec!(0.10))?,
            weights: CellWeights::new(weights).context("params.cell_weights")?,
        })
    }
}

fn haircuts_of(initial: Decimal, maintenance: Decimal) -> Result<Haircuts> {
    ensure!(initial >= maintenance, "the initial haircut {initial} is below the maintenance one {maintenance}");
    Ok(Haircuts { maintenance: share(maintenance)?, initial: share(initial)? })
}

/// An expiry as given and as the engine has it.
struct ExpiryData {
    terms: Terms,
    expiry: Expiry,
    vol: Option<Vol>,
    smile: Option<margrave_risk::Smile>,
    futures: Vec<LinearPosition>,
    strikes: Vec<Strike>,
}

impl ExpiryData {
    fn of(fields: &Fields, options: &OptionTerms) -> Result<Self> {
        let terms = Terms {
            years: fields.convert("years", number::years)?,
            forward: fields.convert("forward", number::price)?,
            discount: fields.convert_or("discount", Decimal::ONE, discount)?,
        };
        let smile = fields.object("svi")?.map(|svi| smile(&svi).with_context(|| svi.path().to_owned())).transpose()?;
        ensure!(smile.is_none() || !fields.has("vol"), "{} has both vol and svi", fields.path());
        Ok(Self {
            terms,
            expiry: Expiry::new(&terms, options).with_context(|| fields.path().to_owned())?,
            vol: fields.has("vol").then(|| fields.convert("vol", number::vol)).transpose()?,
            smile,
            futures: vec![],
            strikes: vec![],
        })
    }

    fn vol_of(&self, strike: Price) -> Result<Vol> {
        match (self.vol, &self.smile) {
            (Some(vol), _) => Ok(vol),
            (None, Some(_)) if self.terms.years == Years::default() => Ok(Vol::from_bits(1)?),
            (None, Some(smile)) => smile_vol(smile, strike, self.terms.forward, self.terms.years),
            (None, None) => bail!("the expiry has neither vol nor svi"),
        }
    }

    fn add_option(&mut self, kind: OptionKind, price: Price, quantity: Quantity) -> Result<()> {
        let index = match self.strikes.iter().position(|strike| strike.price() == price) {
            Some(index) => index,
            None => {
                let vol = self.vol_of(price)?;
                self.strikes.push(Strike::new(price, vol, Quantity::ZERO, Quantity::ZERO));
                self.strikes.len() - 1
            }
        };
        let strike = &mut self.strikes[index];
        let held = match kind {
            OptionKind::Call => &mut strike.calls,
            OptionKind::Put => &mut strike.puts,
        };
        let total =
            held.atoms().checked_add(quantity.atoms()).context("the quantities of one option add up to too much")?;
        *held = Quantity::new(total);
        Ok(())
    }
}

struct UnderlyingData {
    symbol: String,
    market: Market,
    decimals: u32,
    expiries: Vec<ExpiryData>,
    perps: Vec<LinearPosition>,
    collateral: Vec<Collateral>,
    greeks: Greeks,
}

#[derive(Default)]
struct Greeks {
    delta: Decimal,
    gamma: Decimal,
    vega: Decimal,
    theta: Decimal,
}

/// The number of a group's label, and the least kappa of its members.
#[derive(Default)]
struct Groups(Vec<(String, Decimal)>);

impl Groups {
    fn enter(&mut self, fields: &Fields) -> Result<u8> {
        let Some(label) = fields.label("group")? else { return Ok(0) };
        let kappa = fields.decimal_or("kappa", Decimal::ZERO)?;
        ensure!(
            kappa >= Decimal::ZERO && kappa <= dec!(0.8),
            "{}.kappa: {kappa} is not between 0 and 0.8",
            fields.path()
        );
        let index = match self.0.iter().position(|(known, _)| *known == label) {
            Some(index) => index,
            None => {
                self.0.push((label, kappa));
                self.0.len() - 1
            }
        };
        self.0[index].1 = self.0[index].1.min(kappa);
        let id = u8::try_from(index + 1).ok().filter(|id| *id < 64);
        id.context("more than 63 groups")
    }

    fn group(&self, id: u8) -> Result<Group> {
        match usize::from(id).checked_sub(1) {
            None => Ok(Group::ALONE),
            // Rounded down: an offset is never larger than stated.
            Some(index) => Ok(Group { id, kappa: ratio(self.0[index].1)?.min(Ratio::MAX_KAPPA) }),
        }
    }
}

impl UnderlyingData {
    fn of(fields: &Fields, groups: &mut Groups, params: &Params) -> Result<Self> {
        let price = fields.convert("spot", number::price)?;
        let confidence = fields.decimal_or("confidence", Decimal::ZERO)?;
        let confidence = number::scaled(confidence, Price::DECIMALS).unwrap_or(i64::MAX);
        let limit = |name: &str, none: Usd| match fields.optional_decimal(name)? {
            Some(value) => {
                number::dollars(value.max(Decimal::ZERO)).with_context(|| format!("{}.{name}", fields.path()))
            }
            None => Ok(none),
        };
        let range = fields.convert_or("range", dec!(0.18), charge)?;
        ensure!(
            range > Ratio::ZERO && range.bits() <= 3 * Ratio::ONE.bits(),
            "{}.range is not above 0 and at most 3",
            fields.path()
        );
        let market = Market {
            price,
            confidence: Ratio::of_up(confidence, price.raw())
                .with_context(|| format!("{}.confidence", fields.path()))?,
            stable_gap: Ratio::ZERO,
            unit: Decimals::new(0)?,
            scan_range: range,
            net_charge: params.net_charge,
            hedged_charge: params.hedged_charge,
            profit: params.profit,
            profit_cap: limit("profit_cap", Usd::NO_LIMIT)?,
            size: SizeCharge { depth: limit("depth", Usd::ZERO)?, slope: params.size_slope, cap: params.size_cap },
            ramp: fields.convert_or("ramp", Decimal::ONE, share)?,
            group: Group { id: groups.enter(fields)?, kappa: Ratio::ZERO },
        };
        market.require_valid().with_context(|| format!("the charges of {}", fields.path()))?;
        let expiries = fields.objects("expiries")?;
        Ok(Self {
            symbol: fields.text("symbol")?.to_owned(),
            market,
            decimals: 0,
            expiries: expiries.iter().map(|fields| ExpiryData::of(fields, &params.options)).collect::<Result<_>>()?,
            perps: vec![],
            collateral: vec![],
            greeks: Greeks::default(),
        })
    }

    /// What an entry costs less what it is worth, so that equity gets the unsettled profit.
    fn linear(&self, fields: &Fields, quantity: Quantity, mark: Price) -> Result<LinearPosition> {
        let entry = match fields.optional_decimal("entry")? {
            Some(_) => fields.convert("entry", number::price)?.value_up(quantity, self.market.unit)?,
            None => mark.value_down(quantity, self.market.unit)?,
        };
        Ok(LinearPosition { quantity, quote: -entry })
    }

    fn add_position(&mut self, fields: &Fields) -> Result<()> {
        let amount = fields.decimal("quantity")?;
        let atoms = number::scaled(amount, self.decimals);
        let quantity = atoms.map(Quantity::new).with_context(|| {
            format!("quantity: {amount} with {} decimals is beyond 2^63 of its smallest unit", self.decimals)
        })?;
        let kind = match fields.text("kind")? {
            "perp" => {
                self.greeks.delta += amount;
                self.perps.push(self.linear(fields, quantity, self.market.price)?);
                return Ok(());
            }
            "future" => None,
            "call" => Some(OptionKind::Call),
            "put" => Some(OptionKind::Put),
            other => bail!("kind: '{other}' is none of perp, future, call, put"),
        };
        let label = fields.label("expiry")?.context("expiry is missing")?;
        let count = self.expiries.len();
        let index = label.parse::<usize>().ok().filter(|index| *index < count);
        let index = index
            .with_context(|| format!("expiry: '{label}' is not an index of the {count} expiries of {}", self.symbol))?;
        let Some(kind) = kind else {
            let mark = self.expiries[index].terms.forward;
            let position = self.linear(fields, quantity, mark)?;
            self.greeks.delta += amount;
            self.expiries[index].futures.push(position);
            return Ok(());
        };
        let strike = fields.convert("strike", number::price)?;
        self.expiries[index].add_option(kind, strike, quantity)?;
        self.add_greeks(kind, strike, index, amount)
    }

    fn add_greeks(&mut self, kind: OptionKind, strike: Price, index: usize, amount: Decimal) -> Result<()> {
        let data = &self.expiries[index];
        let Terms { years, forward, discount } = data.terms;
        let log_discount = number::log(decimal(discount.bits(), Ratio::BITS, 18))?;
        let greeks = Black76 { kind, forward, strike, years, discount }.greeks(data.vol_of(strike)?, log_discount);
        let forward = Decimal::new(forward.raw(), Price::DECIMALS);
        let times =
            |value: i64, bits: u32| amount.checked_mul(decimal(value, bits, 12)).context("the greeks are too large");
        let large = || "the greeks are too large";
        self.greeks.delta += times(greeks.delta, 30)?;
        self.greeks.gamma += times(greeks.gamma, 40)?.checked_div(forward).with_context(large)?;
        self.greeks.vega += times(greeks.vega, 40)?.checked_mul(forward).with_context(large)?;
        self.greeks.theta += times(greeks.theta, 40)?.checked_mul(forward).with_context(large)?;
        Ok(())
    }
}

fn collateral(fields: &Fields) -> Result<Collateral> {
    let (amount, price) = (fields.decimal("amount")?, fields.decimal("price")?);
    ensure!(price >= Decimal::ZERO, "{}.price: {price} is negative", fields.path());
    let value = amount.checked_mul(price).with_context(|| format!("{}: the value is too large", fields.path()))?;
    // Down in value: less that is owned, more that is owed.
    let value = value.round_dp_with_strategy(6, RoundingStrategy::ToNegativeInfinity);
    let value = number::dollars(value).with_context(|| fields.path().to_owned())?;
    let haircuts = haircuts_of(
        fields.decimal_or("haircut_initial", fields.decimal_or("haircut_maintenance", Decimal::ZERO)?)?,
        fields.decimal_or("haircut_maintenance", Decimal::ZERO)?,
    );
    Ok(Collateral { value, haircuts: haircuts.with_context(|| fields.path().to_owned())? })
}

fn mode(fields: &Fields) -> Result<Mode> {
    match if fields.has("mode") { fields.text("mode")? } else { "portfolio" } {
        "portfolio" => Ok(Mode::Portfolio),
        "cross" => Ok(Mode::Cross),
        "isolated" => Ok(Mode::Isolated),
        other => bail!("mode: '{other}' is none of portfolio, cross, isolated"),
    }
}

fn index_of(underlyings: &[UnderlyingData], fields: &Fields) -> Result<usize> {
    let symbol = fields.text("underlying")?;
    let index = underlyings.iter().position(|underlying| underlying.symbol == symbol);
    index.with_context(|| format!("{}.underlying: '{symbol}' is not among the underlyings", fields.path()))
}

pub fn margin(fields: &Fields) -> Result<Map<String, Value>> {
    let mode = mode(fields)?;
    let params = Params::of(fields.object("params")?)?;
    let mut groups = Groups::default();
    let mut underlyings = vec![];
    for item in fields.objects("underlyings")? {
        let underlying = UnderlyingData::of(&item, &mut groups, &params)?;
        let is_new = underlyings.iter().all(|known: &UnderlyingData| known.symbol != underlying.symbol);
        ensure!(is_new, "{}.symbol: '{}' is there twice", item.path(), underlying.symbol);
        underlyings.push(underlying);
    }

    let positions = fields.objects("positions")?;
    for item in &positions {
        let index = index_of(&underlyings, item)?;
        let decimals = item.decimal("quantity")?.normalize().scale();
        underlyings[index].decimals = underlyings[index].decimals.max(decimals);
    }
    for underlying in &mut underlyings {
        let decimals = u8::try_from(underlying.decimals)?;
        underlying.market.unit =
            Decimals::new(decimals).with_context(|| format!("a quantity of {}", underlying.symbol))?;
        underlying.market.group = groups.group(underlying.market.group.id)?;
    }
    for item in &positions {
        let index = index_of(&underlyings, item)?;
        underlyings[index].add_position(&item.without_path()).with_context(|| item.path().to_owned())?;
    }

    let (mut cash, mut shared) = (Usd::ZERO, vec![]);
    for item in fields.objects("collateral")? {
        let value = collateral(&item)?;
        if item.has("underlying") {
            let index = index_of(&underlyings, &item)?;
            let underlying = &mut underlyings[index];
            let units =
                Decimal::new(value.value.micros(), 6) / Decimal::new(underlying.market.price.raw(), Price::DECIMALS);
            underlying.greeks.delta += units.round_dp(9);
            underlying.collateral.push(value);
        } else if value.haircuts.initial == Ratio::ZERO {
            cash += value.value;
        } else {
            shared.push(value);
        }
    }
    // The engine takes the members of a group one after another.
    underlyings.sort_by_key(|underlying| underlying.market.group.id);
    evaluate(mode, &params, &underlyings, cash, &shared)
}

fn evaluate(
    mode: Mode,
    params: &Params,
    underlyings: &[UnderlyingData],
    cash: Usd,
    shared: &[Collateral],
) -> Result<Map<String, Value>> {
    let dated: Vec<Vec<Dated>> = underlyings
        .iter()
        .map(|underlying| {
            let expiries = underlying.expiries.iter();
            let held = expiries.filter(|data| !data.futures.is_empty() || !data.strikes.is_empty());
            held.map(|data| Dated { expiry: &data.expiry, futures: &data.futures, strikes: &data.strikes }).collect()
        })
        .collect();
    let holdings: Vec<Holdings> = underlyings
        .iter()
        .zip(&dated)
        .map(|(underlying, dated)| Holdings {
            market: &underlying.market,
            nodes: None,
            perps: &underlying.perps,
            collateral: &underlying.collateral,
            expiries: dated,
        })
        .collect();
    let portfolio = Portfolio {
        mode,
        cash,
        collateral: shared,
        underlyings: &holdings,
        options: &params.options,
        levels: params.levels,
    };
    let tail = ratio(TAIL)?;
    let mut shortfall = Shortfall::new(&params.weights, tail);
    let (mut arrays, mut compressed, mut greeks) = (Map::new(), Map::new(), Map::new());
    let mut evaluated = vec![];
    let mut show = |data: &UnderlyingData, array: &RiskArray| {
        let stored = array.compress_down();
        let stored = json!({ "exponent": stored.exponent, "mantissas": stored.mantissas.to_vec() });
        arrays.insert(data.symbol.clone(), json!(array.cells().map(usd)));
        compressed.insert(data.symbol.clone(), stored);
        greeks.insert(data.symbol.clone(), data.greeks.to_json());
    };
    let valuation = portfolio.evaluate(|index, risk| {
        let data = &underlyings[index];
        let array = risk.array();
        shortfall.add(if mode == Mode::Portfolio { data.market.group } else { Group::ALONE }, &array);
        show(data, &array);
        evaluated.push(&data.symbol);
    })?;
    // An isolated account does not look at the others.
    for data in underlyings.iter().filter(|data| !evaluated.contains(&&data.symbol)) {
        show(data, &RiskArray::ZERO);
    }
    let charges = &valuation.charges;
    let worst = valuation.worst.map(
        |worst| json!({ "underlying": underlyings[usize::from(worst.underlying)].symbol, "cell": worst.cell.index() }),
    );
    let range = underlyings.first().map_or(Ratio::ONE, |underlying| underlying.market.scan_range);
    let answer = json!({
        "equity": usd(valuation.equity),
        "initial_margin": usd(valuation.initial_margin),
        "liquidation_end": usd(valuation.liquidation_end),
        "maintenance_margin": usd(valuation.maintenance_margin),
        "scan": usd(valuation.scan),
        "worst": worst,
        "cells": cells(range),
        "arrays": arrays,
        "compressed": compressed,
        "contingencies": {
            "basis": usd(charges.basis),
            "delta": usd(charges.delta),
            "naked_maintenance": usd(charges.naked_maintenance),
            "naked_initial": usd(charges.naked_initial),
            "vega": usd(charges.vega),
            "size": usd(charges.size),
            "confidence": usd(charges.confidence),
            "collateral": usd(charges.collateral),
            "depeg": usd(charges.depeg),
        },
        "greeks": greeks,
        "expected_shortfall": usd(shortfall.total()),
    });
    match answer {
        Value::Object(answer) => Ok(answer),
        _ => bail!("the answer is no object"),
    }
}

impl Greeks {
    fn to_json(&self) -> Value {
        let text = |value: Decimal| value.round_dp(12).normalize().to_string();
        json!({ "delta": text(self.delta), "gamma": text(self.gamma), "vega": text(self.vega), "theta": text(self.theta) })
    }
}

/// The grid as moves of the price, of an underlying with this range, and of volatility.
fn cells(range: Ratio) -> Vec<Value> {
    let cells = (0..CELLS).filter_map(|index| Cell::new(u8::try_from(index).ok()?).ok());
    cells
        .map(|cell| {
            let moved = match cell.price_move() {
                PriceMove::Thirds(thirds) => {
                    decimal(range.bits(), Ratio::BITS, 9) * Decimal::from(thirds) / Decimal::from(3)
                }
                PriceMove::TailPercent(percent) => Decimal::new(percent.into(), 2),
            };
            let vol = match cell.vol_move() {
                VolMove::Down => "down",
                VolMove::Same => "same",
                VolMove::Up => "up",
                VolMove::Rotated => "rotated",
                VolMove::WingsLifted => "wings",
            };
            json!({ "move": moved.round_dp(9).normalize().to_string(), "vol": vol })
        })
        .collect()
}
