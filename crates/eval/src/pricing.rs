//! Single options, elementary functions and smiles.

use crate::fields::Fields;
use crate::number::{self, decimal};
use anyhow::{Context, Result, bail, ensure};
use margrave_risk::{
    Black76, Log, OptionKind, Price, Ratio, RiskError, Smile, SmileParameters, normal_cdf, normal_pdf, sqrt_down,
};
use rust_decimal::Decimal;
use serde_json::{Map, Value, json};

type Answer = Map<String, Value>;

fn answer<const N: usize>(fields: [(&str, Decimal); N]) -> Answer {
    fields.into_iter().map(|(name, value)| (name.to_owned(), Value::String(value.normalize().to_string()))).collect()
}

/// Forward and strike times the power of ten that gives the greater 17 digits: the engine's unit fits any price level.
struct Scale {
    digits: i32,
}

impl Scale {
    fn of(greatest: Decimal) -> Result<Self> {
        let value = greatest.normalize();
        let length = value.mantissa().unsigned_abs().checked_ilog10().unwrap_or(0);
        let exponent = i32::try_from(length)? - i32::try_from(value.scale())?;
        let digits = 16 - exponent;
        ensure!((0..=28).contains(&digits), "prices must lie between 10^-12 and 10^16");
        Ok(Self { digits })
    }

    fn price(&self, value: Decimal) -> Result<Price> {
        let raw = number::scaled(value, self.digits.unsigned_abs()).filter(|raw| *raw > 0);
        Ok(Price::new(raw.context("forward and strike lie more than 10^16 apart")?)?)
    }

    fn value(&self, raw: i64) -> Decimal {
        Decimal::new(raw, self.digits.unsigned_abs())
    }
}

pub fn kind(fields: &Fields) -> Result<OptionKind> {
    match fields.text("kind")? {
        "call" => Ok(OptionKind::Call),
        "put" => Ok(OptionKind::Put),
        other => bail!("kind: '{other}' is neither call nor put"),
    }
}

/// An option, and the power of ten that its prices were taken times.
struct Quoted {
    option: Black76,
    scale: Scale,
    forward: Decimal,
}

impl Quoted {
    fn of(fields: &Fields) -> Result<Self> {
        let positive = |name: &str| {
            fields.convert(name, |value| {
                ensure!(value > Decimal::ZERO, "{value} is not positive");
                Ok(value)
            })
        };
        let (forward, strike) = (positive("forward")?, positive("strike")?);
        let scale = Scale::of(forward.max(strike))?;
        let option = Black76 {
            kind: kind(fields)?,
            forward: scale.price(forward)?,
            strike: scale.price(strike)?,
            years: fields.convert("years", number::years)?,
            discount: fields.convert_or("discount", Decimal::ONE, discount)?,
        };
        Ok(Self { option, scale, forward })
    }
}

/// What Black's formula says of one option.
#[derive(Clone, Copy, Debug)]
pub struct OptionValue {
    /// Dollars per unit, rounded down.
    pub value: Decimal,
    /// To the forward, discounted.
    pub delta: Decimal,
    /// Change of delta per dollar.
    pub gamma: Decimal,
    /// Dollars per 1.00 of volatility.
    pub vega: Decimal,
    /// Dollars per year that passes.
    pub theta: Decimal,
}

impl OptionValue {
    /// Of an object as a line of `margrave eval price` is.
    ///
    /// # Errors
    /// The rule that a field breaks, and which one.
    pub fn new(request: &Value) -> Result<Self> {
        Self::of(&Fields::of(request)?)
    }

    fn of(fields: &Fields) -> Result<Self> {
        let Quoted { option, scale, forward } = Quoted::of(fields)?;
        let vol = fields.convert("vol", number::vol)?;
        let greeks = option.greeks(vol, number::log(fields.decimal_or("discount", Decimal::ONE)?)?);
        Ok(Self {
            value: scale.value(option.value_down(vol)).normalize(),
            delta: decimal(greeks.delta, 30, 15).normalize(),
            gamma: (decimal(greeks.gamma, 40, 28) / forward).normalize(),
            vega: (decimal(greeks.vega, 40, 28) * forward).normalize(),
            theta: (decimal(greeks.theta, 40, 28) * forward).normalize(),
        })
    }
}

pub fn price(fields: &Fields) -> Result<Answer> {
    let OptionValue { value, delta, gamma, vega, theta } = OptionValue::of(fields)?;
    Ok(answer([("value", value), ("delta", delta), ("gamma", gamma), ("vega", vega), ("theta", theta)]))
}

/// The least volatility at which the option of an object as a line of `margrave eval price`, without its `vol`, is worth its `value` or
/// more: [`Black76::implied_vol`].
///
/// # Errors
/// The rule that a field breaks, and which one; a value that no volatility gives.
pub fn implied_vol(request: &Value) -> Result<Decimal> {
    let fields = Fields::of(request)?;
    let Quoted { option, scale, .. } = Quoted::of(&fields)?;
    let value = fields.convert("value", |value| {
        Ok(number::scaled(value, scale.digits.unsigned_abs()).ok_or(RiskError::NoImpliedVol)?)
    })?;
    Ok(decimal(option.implied_vol(value).context("value")?.bits(), 30, 15))
}

/// Above zero and at most one.
pub fn discount(value: Decimal) -> Result<Ratio> {
    ensure!(value > Decimal::ZERO && value <= Decimal::ONE, "{value} is not above 0 and at most 1");
    number::ratio(value)
}

pub fn math(fields: &Fields) -> Result<Answer> {
    let x = fields.decimal("x")?;
    let limited = |limit: i64| {
        ensure!(x.abs() <= Decimal::from(limit), "x: {x} is beyond {limit} in size");
        Ok(())
    };
    let normal = |x: Decimal| number::fixed(x.clamp(Decimal::from(-16), Decimal::from(16)), 30);
    let value = match fields.text("fn")? {
        "norm_cdf" => decimal(normal_cdf(normal(x)?), 32, 18),
        "norm_pdf" => decimal(normal_pdf(normal(x)?), 60, 24),
        "ln" => decimal(number::log(x)?.bits(), Log::BITS, 18),
        "exp" => {
            limited(40)?;
            number::of_scaled(Log::from_bits(number::fixed(x, Log::BITS)?)?.exp()?)
        }
        "sqrt" => sqrt(x)?,
        "pow" => {
            let log = number::log(x)?.power(fields.convert("y", |y| {
                ensure!(y.abs() <= Decimal::from(4096), "{y} is beyond 4096 in size");
                number::fixed(y, Log::BITS)
            })?)?;
            number::of_scaled(log.exp()?)
        }
        other => bail!("fn: '{other}' is none of norm_cdf, norm_pdf, ln, exp, sqrt, pow"),
    };
    Ok(answer([("value", value)]))
}

/// The engine's integer root of the number times an even power of ten that gives it 35 or 36 digits.
fn sqrt(x: Decimal) -> Result<Decimal> {
    ensure!(x >= Decimal::ZERO, "x: {x} is negative");
    if x.is_zero() {
        return Ok(x);
    }
    let (mut mantissa, mut scale) = (u128::try_from(x.mantissa())?, i64::from(x.scale()));
    while mantissa < 10u128.pow(34) || scale % 2 != 0 {
        (mantissa, scale) = (mantissa * 10, scale + 1);
    }
    let root = Decimal::from(sqrt_down(mantissa));
    Ok((0..scale / 2).fold(root, |root, _| root / Decimal::TEN))
}

/// The smile of the fields `a`, `b`, `rho`, `m`, `sigma`.
pub fn smile(fields: &Fields) -> Result<Smile> {
    let parameter = |name: &str| {
        fields.convert(name, |value| {
            ensure!(value.abs() <= Decimal::from(8), "{}", RiskError::SmileOutOfRange);
            number::fixed(value, Log::BITS)
        })
    };
    Ok(Smile::new(SmileParameters {
        a: parameter("a")?,
        b: parameter("b")?,
        rho: parameter("rho")?,
        m: parameter("m")?,
        sigma: parameter("sigma")?,
    })?)
}

/// What a smile says of one strike.
#[derive(Clone, Copy, Debug)]
pub struct SmilePoint {
    pub vol: Decimal,
    /// Whether no strike's density is negative, by the engine's test.
    pub free_of_butterflies: bool,
    /// Durrleman's g(k).
    pub density: Decimal,
}

impl SmilePoint {
    /// Of an object as a line of `margrave eval svi` is.
    ///
    /// # Errors
    /// The rule that a field breaks, and which one.
    pub fn new(request: &Value) -> Result<Self> {
        Self::of(&Fields::of(request)?)
    }

    fn of(fields: &Fields) -> Result<Self> {
        let smile = smile(fields)?;
        let limit = Decimal::from(16);
        let k = fields.convert("k", |k| Ok(Log::from_bits(number::fixed(k.clamp(-limit, limit), Log::BITS)?)?))?;
        let vol = smile.vol_at(k, fields.convert("years", number::years)?)?;
        Ok(Self {
            vol: decimal(vol.bits(), 30, 15),
            free_of_butterflies: smile.is_free_of_butterflies(),
            density: decimal(smile.density(k), 30, 12),
        })
    }
}

pub fn svi(fields: &Fields) -> Result<Answer> {
    let SmilePoint { vol, free_of_butterflies, density } = SmilePoint::of(fields)?;
    let mut answer = answer([("vol", vol)]);
    answer.insert("free_of_butterflies".to_owned(), json!(free_of_butterflies));
    answer.insert("density".to_owned(), json!(density.to_string()));
    Ok(answer)
}

/// Volatility of a strike from a smile, at ln(K/F).
pub fn smile_vol(
    smile: &Smile,
    strike: Price,
    forward: Price,
    years: margrave_risk::Years,
) -> Result<margrave_risk::Vol> {
    Ok(smile.vol_at(Log::of_price(strike).minus(Log::of_price(forward)), years)?)
}
