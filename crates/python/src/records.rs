//! Answers as the records of `python/margrave/results.py`, and errors as its exceptions.

use anchor_lang::error::Error;
use margrave_client::Refusal;
use margrave_eval::Report;
use margrave_risk::{CELLS, Charges, RiskArray, Valuation};
use pyo3::{
    call::PyCallArgs,
    prelude::*,
    sync::PyOnceLock,
    types::{PyDict, PyTuple, PyType},
};

/// A record of this name.
macro_rules! record {
    ($py:expr, $name:literal, $fields:expr) => {{
        static CLASS: pyo3::sync::PyOnceLock<pyo3::Py<pyo3::types::PyType>> = pyo3::sync::PyOnceLock::new();
        $crate::records::make($py, &CLASS, $name, $fields)
    }};
}
pub(crate) use record;

/// The record of a class that is imported once.
pub fn make<'py>(
    py: Python<'py>,
    class: &'static PyOnceLock<Py<PyType>>,
    name: &str,
    fields: impl PyCallArgs<'py>,
) -> PyResult<Bound<'py, PyAny>> {
    class.import(py, "margrave.results", name)?.call1(fields)
}

/// A rule that was broken, outside the program.
pub fn risk_error(py: Python<'_>, rule: &str) -> PyErr {
    record!(py, "RiskError", (rule,)).map_or_else(|error| error, PyErr::from_value)
}

/// What the program's code refused for.
#[derive(Debug)]
pub enum Refused {
    ByProgram(Refusal),
    Otherwise(String),
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        Refusal::of_error(&error).map_or_else(|| Self::Otherwise(error.to_string()), Self::ByProgram)
    }
}

impl Refused {
    /// The exception.
    pub fn raised(&self, py: Python<'_>) -> PyErr {
        match self {
            Self::ByProgram(refusal) => program_error(py, refusal).map_or_else(|error| error, PyErr::from_value),
            Self::Otherwise(sentence) => risk_error(py, sentence),
        }
    }
}

/// `ProgramError`, to be raised or returned.
pub fn program_error<'py>(py: Python<'py>, refusal: &Refusal) -> PyResult<Bound<'py, PyAny>> {
    let Refusal { number, name, sentence, remedy } = refusal;
    record!(py, "ProgramError", (*number, *name, *sentence, *remedy))
}

/// Whether it is a `decimal.Decimal`.
pub fn is_decimal(item: &Bound<'_, PyAny>) -> PyResult<bool> {
    static DECIMAL: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    item.is_instance(DECIMAL.import(item.py(), "decimal", "Decimal")?)
}

/// Profit and loss in each scenario, micro-dollars.
pub fn cells<'py>(py: Python<'py>, array: &RiskArray) -> PyResult<Bound<'py, PyTuple>> {
    micros(py, &array.cells().map(|cell| cell.micros()))
}

pub fn micros<'py>(py: Python<'py>, cells: &[i64; CELLS]) -> PyResult<Bound<'py, PyTuple>> {
    PyTuple::new(py, cells)
}

/// The worst scenario: whose it is, and its cell.
pub fn worst<'py>(py: Python<'py>, worst: Option<(String, u8)>) -> PyResult<Option<Bound<'py, PyAny>>> {
    worst.map(|worst| record!(py, "WorstCell", worst)).transpose()
}

/// Equity and the three levels.
pub fn levels<'py>(py: Python<'py>, valuation: &Valuation) -> PyResult<Bound<'py, PyAny>> {
    let Valuation { equity, initial_margin, liquidation_end, maintenance_margin, .. } = valuation;
    let levels = [equity, initial_margin, liquidation_end, maintenance_margin].map(|level| level.micros());
    record!(py, "Levels", <(i64, i64, i64, i64)>::from(levels))
}

/// The answer to `Market.margin`.
pub fn margin<'py>(py: Python<'py>, report: &Report) -> PyResult<Bound<'py, PyAny>> {
    let (arrays, compressed, greeks) = (PyDict::new(py), PyDict::new(py), PyDict::new(py));
    for underlying in &report.underlyings {
        let (symbol, stored) = (&underlying.symbol, underlying.array.compress_down());
        let mantissas = PyTuple::new(py, stored.mantissas)?;
        arrays.set_item(symbol, cells(py, &underlying.array)?)?;
        compressed.set_item(symbol, record!(py, "CompressedArray", (stored.exponent, mantissas))?)?;
        let [delta, gamma, vega, theta] = underlying.greeks.rounded();
        greeks.set_item(symbol, record!(py, "Greeks", (delta, gamma, vega, theta))?)?;
    }
    let valuation = &report.valuation;
    let fields = (
        valuation.equity.micros(),
        valuation.initial_margin.micros(),
        valuation.liquidation_end.micros(),
        valuation.maintenance_margin.micros(),
        valuation.scan.micros(),
        report.expected_shortfall.micros(),
        worst(py, report.worst().map(|(symbol, cell)| (symbol.to_owned(), cell)))?,
        charges(py, &valuation.charges)?,
        arrays,
        compressed,
        greeks,
    );
    record!(py, "Margin", fields)
}

fn charges<'py>(py: Python<'py>, charges: &Charges) -> PyResult<Bound<'py, PyAny>> {
    let Charges { basis, delta, naked_maintenance, vega, size, naked_initial, confidence, collateral, depeg, stable } =
        charges;
    let all = [basis, delta, naked_maintenance, vega, size, naked_initial, confidence, collateral, depeg, stable];
    charges_of(py, all.map(|charge| charge.micros()))
}

/// In the order of the program's `Explanation`.
pub fn charges_of(py: Python<'_>, charges: [i64; 10]) -> PyResult<Bound<'_, PyAny>> {
    record!(py, "Charges", PyTuple::new(py, charges)?)
}
