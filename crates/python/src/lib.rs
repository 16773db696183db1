//! The engine for Python: portfolios by the types of `margrave eval`, accounts of the program by `margrave-client`.
//!
//! This crate only converts. What Python passes becomes the JSON value that a line of `margrave eval` would be, so that fields, defaults
//! and refusals are the same; what it gets back are the records of `python/margrave/results.py`, in which dollars are whole
//! micro-dollars. Everything that computes runs without the interpreter's lock.
#![forbid(unsafe_code)]

mod accounts;
mod options;
mod portfolios;
mod records;
mod values;

use pyo3::prelude::*;

#[pymodule(gil_used = false)]
mod _engine {
    #[pymodule_export]
    use crate::accounts::Accounts;
    #[pymodule_export]
    use crate::options::{black76, implied_vol, svi};
    #[pymodule_export]
    use crate::portfolios::{Market, scenarios};
}
