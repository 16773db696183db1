//! Single options and smiles.

use crate::{records, values};
use margrave_eval::{OptionValue, SmilePoint};
use pyo3::prelude::*;
use rust_decimal::Decimal;
use serde_json::Value;

type Argument<'a, 'py> = &'a Bound<'py, PyAny>;

fn answered<T>(py: Python<'_>, answer: anyhow::Result<T>) -> PyResult<T> {
    answer.map_err(|error| records::risk_error(py, &format!("{error:#}")))
}

/// The value and sensitivities of a European option on a forward (Black 1976), as the engine has them.
///
/// The value is rounded down and within 1e-8 of the forward for strikes of a fifth to five times it; greeks are within 1e-6 of the size
/// of each at the money.
///
/// Args:
///     forward, strike: Dollars, 1e-12 to 1e16, the same unit for both.
///     vol: Per year, above 0 to 32; 0.6 is 60 %.
///     years: 0 to 8.
///     discount: What a dollar at expiry is worth now, above 0 to 1; default 1.
///
/// Raises:
///     RiskError: A number is out of its bounds.
#[pyfunction]
#[pyo3(signature = (kind, forward, strike, vol, years, discount = None))]
pub fn black76<'py>(
    kind: Argument<'_, 'py>,
    forward: Argument<'_, 'py>,
    strike: Argument<'_, 'py>,
    vol: Argument<'_, 'py>,
    years: Argument<'_, 'py>,
    discount: Option<Argument<'_, 'py>>,
) -> PyResult<Bound<'py, PyAny>> {
    let py = kind.py();
    let request = quoted(kind, forward, strike, years, discount, ("vol", vol))?;
    let OptionValue { value, delta, gamma, vega, theta } = answered(py, OptionValue::new(&request))?;
    records::record!(py, "OptionValue", (value, delta, gamma, vega, theta))
}

/// The least volatility, in steps of total volatility of 2^-30, at which :func:`black76` is worth ``value`` or more.
///
/// Raises:
///     RiskError: As :func:`black76`; a value that is not above the intrinsic one, or above what any volatility gives.
#[pyfunction]
#[pyo3(signature = (kind, forward, strike, value, years, discount = None))]
pub fn implied_vol<'py>(
    kind: Argument<'_, 'py>,
    forward: Argument<'_, 'py>,
    strike: Argument<'_, 'py>,
    value: Argument<'_, 'py>,
    years: Argument<'_, 'py>,
    discount: Option<Argument<'_, 'py>>,
) -> PyResult<Decimal> {
    let request = quoted(kind, forward, strike, years, discount, ("value", value))?;
    answered(kind.py(), margrave_eval::implied_vol(&request))
}

fn quoted(
    kind: Argument<'_, '_>,
    forward: Argument<'_, '_>,
    strike: Argument<'_, '_>,
    years: Argument<'_, '_>,
    discount: Option<Argument<'_, '_>>,
    (name, quote): (&str, Argument<'_, '_>),
) -> PyResult<Value> {
    let given = [("kind", kind), ("forward", forward), ("strike", strike), ("years", years), (name, quote)];
    let mut arguments = given.map(|(name, value)| (name, Some(value))).to_vec();
    arguments.push(("discount", discount));
    values::object(kind.py(), &arguments)
}

/// The volatility of a raw SVI smile in total variance at log-moneyness k = ln(strike / forward), flat beyond 4.
///
/// Raises:
///     RiskError: b is not 0 to 8, |rho| not below 1, sigma not above 0, a parameter beyond 8, a negative variance, years not 0 to 8.
#[pyfunction]
#[pyo3(signature = (a, b, rho, m, sigma, k, years))]
pub fn svi<'py>(
    a: Argument<'_, 'py>,
    b: Argument<'_, 'py>,
    rho: Argument<'_, 'py>,
    m: Argument<'_, 'py>,
    sigma: Argument<'_, 'py>,
    k: Argument<'_, 'py>,
    years: Argument<'_, 'py>,
) -> PyResult<Bound<'py, PyAny>> {
    let py = a.py();
    let given = [("a", a), ("b", b), ("rho", rho), ("m", m), ("sigma", sigma), ("k", k), ("years", years)];
    let request = values::object(py, &given.map(|(name, value)| (name, Some(value))))?;
    let SmilePoint { vol, free_of_butterflies, density } = answered(py, SmilePoint::new(&request))?;
    records::record!(py, "SmilePoint", (vol, free_of_butterflies, density))
}
