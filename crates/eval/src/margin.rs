//! A portfolio's margin. The request becomes the engine's plain data here; everything else is the engine.

use crate::fields::Fields;
use crate::number::{self, charge, decimal, ratio, share};
use crate::pricing::{discount, smile, smile_vol};
use crate::report::{Greeks, Report, UnderlyingReport};
use anyhow::{Context, Result, bail, ensure};
use margrave_risk::{
    Black76, CELLS, CellWeights, Collateral, Dated, Decimals, Expiry, Group, Haircuts, Holdings, Levels,
    LinearPosition, Mode, OptionKind, OptionTerms, Portfolio, Price, Quantity, Ratio, RiskArray, Shortfall, SizeCharge,
    Strike, Terms, Usd, Vol, Years,
};
use rust_decimal::{Decimal, RoundingStrategy, dec};
use serde_json::{Map, Value};

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
const UNDERLYING: [&str; 10] =
    ["symbol", "spot", "confidence", "range", "group", "kappa", "depth", "profit_cap", "ramp", "expiries"];
const EXPIRY: [&str; 5] = ["years", "forward", "discount", "vol", "svi"];
const SVI: [&str; 5] = ["a", "b", "rho", "m", "sigma"];
const POSITION: [&str; 6] = ["underlying", "kind", "expiry", "strike", "quantity", "entry"];
const COLLATERAL: [&str; 6] = ["asset", "underlying", "amount", "price", "haircut_initial", "haircut_maintenance"];

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
}

impl ExpiryData {
    fn of(fields: &Fields, options: &OptionTerms) -> Result<Self> {
        fields.require_known(&EXPIRY)?;
        let terms = Terms {
            years: fields.convert("years", number::years)?,
            forward: fields.convert("forward", number::price)?,
            discount: fields.convert_or("discount", Decimal::ONE, discount)?,
        };
        let svi = fields.object("svi")?;
        let smile = svi.map(|svi| {
            svi.require_known(&SVI)?;
            smile(&svi).with_context(|| svi.path().to_owned())
        });
        let smile = smile.transpose()?;
        ensure!(smile.is_none() || !fields.has("vol"), "{} has both vol and svi", fields.path());
        Ok(Self {
            terms,
            expiry: Expiry::new(&terms, options).with_context(|| fields.path().to_owned())?,
            vol: fields.has("vol").then(|| fields.convert("vol", number::vol)).transpose()?,
            smile,
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
}

/// What a portfolio holds of one expiry.
struct HeldExpiry<'a> {
    data: &'a ExpiryData,
    futures: Vec<LinearPosition>,
    strikes: Vec<Strike>,
}

impl HeldExpiry<'_> {
    fn add_option(&mut self, kind: OptionKind, price: Price, quantity: Quantity) -> Result<()> {
        let index = match self.strikes.iter().position(|strike| strike.price() == price) {
            Some(index) => index,
            None => {
                let vol = self.data.vol_of(price)?;
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

/// An underlying as given and as the engine has it; its unit is known with the positions.
struct UnderlyingData {
    symbol: String,
    market: margrave_risk::Market,
    expiries: Vec<ExpiryData>,
}

/// What a portfolio holds on one underlying.
struct Held<'a> {
    symbol: &'a str,
    market: margrave_risk::Market,
    decimals: u32,
    expiries: Vec<HeldExpiry<'a>>,
    perps: Vec<LinearPosition>,
    collateral: Vec<Collateral>,
    greeks: Greeks,
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
        fields.require_known(&UNDERLYING)?;
        let price = fields.convert("spot", number::price)?;
        let confidence = fields.decimal_or("confidence", Decimal::ZERO)?;
        let confidence = number::scaled(confidence, Price::DECIMALS).unwrap_or(i64::MAX);
        let limit = |name: &str, none: Usd| match fields.optional_decimal(name)? {
            Some(value) => {
                number::dollars(value.max(Decimal::ZERO)).with_context(|| format!("{}.{name}", fields.path()))
            }
            None => Ok(none),
        };
        let range = scan_range(fields)?;
        let market = margrave_risk::Market {
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
            expiries: expiries.iter().map(|fields| ExpiryData::of(fields, &params.options)).collect::<Result<_>>()?,
        })
    }

    fn held(&self) -> Held<'_> {
        let expiries = self.expiries.iter();
        Held {
            symbol: &self.symbol,
            market: self.market,
            decimals: 0,
            expiries: expiries.map(|data| HeldExpiry { data, futures: vec![], strikes: vec![] }).collect(),
            perps: vec![],
            collateral: vec![],
            greeks: Greeks::default(),
        }
    }
}

impl Held<'_> {
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
            let mark = self.expiries[index].data.terms.forward;
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
        let data = self.expiries[index].data;
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

/// The field `range`, rounded up: above zero and at most three.
///
/// # Errors
/// The rule that it breaks.
pub fn scan_range(fields: &Fields) -> Result<Ratio> {
    let range = fields.convert_or("range", dec!(0.18), charge)?;
    let is_in_bounds = range > Ratio::ZERO && range.bits() <= 3 * Ratio::ONE.bits();
    ensure!(is_in_bounds, "{} is not above 0 and at most 3", fields.path_of("range"));
    Ok(range)
}

fn collateral(fields: &Fields) -> Result<Collateral> {
    fields.require_known(&COLLATERAL)?;
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

fn index_of(underlyings: &[Held], fields: &Fields) -> Result<usize> {
    let symbol = fields.text("underlying")?;
    let index = underlyings.iter().position(|underlying| underlying.symbol == symbol);
    index.with_context(|| format!("{}.underlying: '{symbol}' is not among the underlyings", fields.path()))
}

/// What portfolios are valued by: underlyings, their expiries and volatilities, and the terms that are the same for all.
pub struct Market {
    params: Params,
    /// In the order of their groups: the engine takes the members of a group one after another.
    underlyings: Vec<UnderlyingData>,
}

impl Market {
    /// Of an object with `underlyings` and `params`, as a line of `margrave eval margin` has them.
    ///
    /// # Errors
    /// The rule that a field breaks, and which one.
    pub fn new(market: &Value) -> Result<Self> {
        let fields = Fields::of(market)?;
        fields.require_known(&["underlyings", "params"])?;
        Self::of(&fields)
    }

    /// The margin of an object with `positions`, `collateral` and `mode`.
    ///
    /// # Errors
    /// As [`Market::new`]; and a portfolio beyond the engine's bounds.
    pub fn margin(&self, portfolio: &Value) -> Result<Report> {
        let fields = Fields::of(portfolio)?;
        fields.require_known(&["positions", "collateral", "mode"])?;
        self.margin_of(&fields)
    }

    pub(crate) fn of(fields: &Fields) -> Result<Self> {
        let params = Params::of(fields.object("params")?)?;
        let mut groups = Groups::default();
        let mut underlyings = vec![];
        for item in fields.objects("underlyings")? {
            let underlying = UnderlyingData::of(&item, &mut groups, &params)?;
            let is_new = underlyings.iter().all(|known: &UnderlyingData| known.symbol != underlying.symbol);
            ensure!(is_new, "{}.symbol: '{}' is there twice", item.path(), underlying.symbol);
            underlyings.push(underlying);
        }
        for underlying in &mut underlyings {
            underlying.market.group = groups.group(underlying.market.group.id)?;
        }
        underlyings.sort_by_key(|underlying| underlying.market.group.id);
        Ok(Self { params, underlyings })
    }

    pub(crate) fn margin_of(&self, fields: &Fields) -> Result<Report> {
        let mode = mode(fields)?;
        let mut held: Vec<Held> = self.underlyings.iter().map(UnderlyingData::held).collect();
        let positions = fields.objects("positions")?;
        for item in &positions {
            item.require_known(&POSITION)?;
            let index = index_of(&held, item)?;
            let decimals = item.decimal("quantity")?.normalize().scale();
            held[index].decimals = held[index].decimals.max(decimals);
        }
        for underlying in &mut held {
            let decimals = u8::try_from(underlying.decimals)?;
            underlying.market.unit =
                Decimals::new(decimals).with_context(|| format!("a quantity of {}", underlying.symbol))?;
        }
        for item in &positions {
            let index = index_of(&held, item)?;
            held[index].add_position(&item.without_path()).with_context(|| item.path().to_owned())?;
        }

        let (mut cash, mut shared) = (Usd::ZERO, vec![]);
        for item in fields.objects("collateral")? {
            let value = collateral(&item)?;
            if item.has("underlying") {
                let index = index_of(&held, &item)?;
                let underlying = &mut held[index];
                let price = Decimal::new(underlying.market.price.raw(), Price::DECIMALS);
                underlying.greeks.delta += (Decimal::new(value.value.micros(), 6) / price).round_dp(9);
                underlying.collateral.push(value);
            } else if value.haircuts.initial == Ratio::ZERO {
                cash += value.value;
            } else {
                shared.push(value);
            }
        }
        self.evaluate(mode, held, cash, &shared)
    }

    fn evaluate(&self, mode: Mode, held: Vec<Held>, cash: Usd, shared: &[Collateral]) -> Result<Report> {
        let dated: Vec<Vec<Dated>> = held
            .iter()
            .map(|underlying| {
                let expiries = underlying.expiries.iter();
                let held = expiries.filter(|expiry| !expiry.futures.is_empty() || !expiry.strikes.is_empty());
                held.map(|HeldExpiry { data, futures, strikes }| Dated { expiry: &data.expiry, futures, strikes })
                    .collect()
            })
            .collect();
        let holdings: Vec<Holdings> = held
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
            options: &self.params.options,
            levels: self.params.levels,
        };
        let mut shortfall = Shortfall::new(&self.params.weights, ratio(TAIL)?);
        // An isolated account does not look at the others.
        let mut arrays = vec![RiskArray::ZERO; held.len()];
        let valuation = portfolio.evaluate(|index, risk| {
            let array = risk.array();
            shortfall.add(if mode == Mode::Portfolio { held[index].market.group } else { Group::ALONE }, &array);
            arrays[index] = array;
        })?;
        let range = held.first().map_or(Ratio::ONE, |underlying| underlying.market.scan_range);
        let reports = held.into_iter().zip(arrays).map(|(underlying, array)| UnderlyingReport {
            symbol: underlying.symbol.to_owned(),
            array,
            greeks: underlying.greeks,
        });
        Ok(Report { valuation, underlyings: reports.collect(), expected_shortfall: shortfall.total(), range })
    }
}

pub fn margin(fields: &Fields) -> Result<Map<String, Value>> {
    Ok(Market::of(fields)?.margin_of(fields)?.to_json())
}
