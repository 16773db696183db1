//! Portfolios of a market that is known, one by one or many at once.

use crate::{records, values};
use margrave_eval::Report;
use pyo3::{
    prelude::*,
    types::{PyList, PyTuple},
};
use serde_json::Value;
use std::thread;

type Argument<'a, 'py> = Option<&'a Bound<'py, PyAny>>;

const MAX_THREADS: usize = 256;
/// How many portfolios a thread is given at a time.
const PART: usize = 128;

/// What portfolios are valued by: read once, to value many. It does not change; threads may share it.
///
/// Args:
///     underlyings: What is listed, each with a symbol of its own.
///     params: Overrides of the standard terms; ``margrave eval --help`` and docs/parameters.md list them.
///
/// Raises:
///     RiskError: A field is missing, is not known or breaks a bound; the text names both.
#[pyclass(frozen, module = "margrave")]
pub struct Market(margrave_eval::Market);

#[pymethods]
impl Market {
    #[new]
    #[pyo3(signature = (underlyings, params = None))]
    fn new(py: Python<'_>, underlyings: &Bound<'_, PyAny>, params: Argument<'_, '_>) -> PyResult<Self> {
        let market = values::object(py, &[("underlyings", Some(underlyings)), ("params", params)])?;
        let market = py.detach(|| margrave_eval::Market::new(&market));
        market.map(Self).map_err(|error| records::risk_error(py, &format!("{error:#}")))
    }

    /// Equity, margin levels, risk arrays and charges of a portfolio (docs/margin-model.md).
    ///
    /// The numbers are those of ``margrave eval margin`` and of the program's engine, bit for bit.
    ///
    /// Raises:
    ///     RiskError: As for the market; more than 64 items; a value beyond 2^50 micro-dollars.
    #[pyo3(signature = (positions = None, collateral = None, mode = None))]
    fn margin<'py>(
        &self,
        py: Python<'py>,
        positions: Argument<'_, 'py>,
        collateral: Argument<'_, 'py>,
        mode: Argument<'_, 'py>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let fields = [("positions", positions), ("collateral", collateral), ("mode", mode)];
        let portfolio = values::object(py, &fields)?;
        let report = py.detach(|| self.report(&portfolio));
        records::margin(py, &report.map_err(|rule| records::risk_error(py, &rule))?)
    }

    /// The same of many portfolios, in their order.
    ///
    /// Args:
    ///     portfolios: Mappings with ``positions``, ``collateral`` and ``mode``.
    ///     threads: 1 to 256. The interpreter's lock is free while they work.
    ///     return_exceptions: Put a portfolio's RiskError in its place instead of raising the first one.
    #[pyo3(signature = (portfolios, *, threads = 1, return_exceptions = false))]
    fn margins<'py>(
        &self,
        py: Python<'py>,
        portfolios: &Bound<'py, PyAny>,
        threads: usize,
        return_exceptions: bool,
    ) -> PyResult<Bound<'py, PyList>> {
        require_threads(py, threads)?;
        let mut portfolios = portfolios.try_iter()?;
        let answers = PyList::empty(py);
        loop {
            // A part at a time, so that what waits to be valued is not in the way of what is.
            let part = portfolios.by_ref().take(PART * threads).map(|item| Ok(values::converted(&item?)));
            let part = part.collect::<PyResult<Vec<_>>>()?;
            if part.is_empty() {
                return Ok(answers);
            }
            let reports = py.detach(|| {
                in_threads(&part, threads, |item| {
                    item.as_ref().map_err(Clone::clone).and_then(|item| self.report(item))
                })
            });
            for report in reports {
                match report {
                    Ok(report) => answers.append(records::margin(py, &report)?)?,
                    Err(rule) => {
                        let error = records::risk_error(py, &format!("portfolios[{}]: {rule}", answers.len()));
                        if !return_exceptions {
                            return Err(error);
                        }
                        answers.append(error)?;
                    }
                }
            }
        }
    }
}

impl Market {
    fn report(&self, portfolio: &Value) -> Result<Report, String> {
        self.0.margin(portfolio).map_err(|error| format!("{error:#}"))
    }
}

/// # Errors
/// `RiskError` unless it is 1 to 256.
pub fn require_threads(py: Python<'_>, threads: usize) -> PyResult<()> {
    match threads {
        1..=MAX_THREADS => Ok(()),
        _ => Err(records::risk_error(py, &format!("threads: {threads} is not between 1 and {MAX_THREADS}"))),
    }
}

/// The answer to every item, in their order, by so many threads.
pub fn in_threads<T: Sync, A: Send>(items: &[T], threads: usize, answer: impl Fn(&T) -> A + Sync) -> Vec<A> {
    let all = |items: &[T]| items.iter().map(&answer).collect::<Vec<_>>();
    if threads == 1 {
        return all(items);
    }
    let all = &all;
    let parts = items.chunks(items.len().div_ceil(threads).max(1));
    thread::scope(|scope| {
        let workers: Vec<_> = parts.map(|part| scope.spawn(move || all(part))).collect();
        let answers = workers.into_iter().flat_map(|worker| match worker.join() {
            Ok(answers) => answers,
            Err(panic) => std::panic::resume_unwind(panic),
        });
        answers.collect()
    })
}

/// The 31 scenarios of an underlying with this scan range, in the order of the cells.
///
/// Raises:
///     RiskError: The range is not above 0 and at most 3.
#[pyfunction]
pub fn scenarios<'py>(scan_range: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyTuple>> {
    let py = scan_range.py();
    let request = values::object(py, &[("range", Some(scan_range))])?;
    let range = margrave_eval::Fields::of(&request).and_then(|fields| margrave_eval::scan_range(&fields));
    let range = range.map_err(|error| records::risk_error(py, &format!("{error:#}")))?;
    let grid = margrave_eval::scenarios(range);
    PyTuple::new(py, grid.map(|cell| records::record!(py, "Scenario", cell)).collect::<PyResult<Vec<_>>>()?)
}
