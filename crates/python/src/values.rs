//! What Python passes, as the JSON values of `margrave eval`.

use crate::records;
use margrave_eval::Fields;
use pyo3::{
    prelude::*,
    types::{PyBool, PyDict, PyFloat, PyInt, PyList, PyMapping, PyString, PyTuple},
};
use serde_json::{Map, Number, Value};
use std::fmt;

/// A request has lists of objects with objects in them. What is deeper refers to itself.
const DEPTH: usize = 8;

/// What cannot be a value, and where it stands.
struct Refusal {
    path: String,
    message: String,
}

impl Refusal {
    fn new(message: impl Into<String>) -> Self {
        Self { path: String::new(), message: message.into() }
    }

    fn inside(mut self, step: &str) -> Self {
        self.path.insert_str(0, step);
        self
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path.trim_start_matches('.') {
            "" => f.write_str(&self.message),
            path => write!(f, "{path}: {}", self.message),
        }
    }
}

impl From<PyErr> for Refusal {
    fn from(error: PyErr) -> Self {
        Self::new(error.to_string())
    }
}

/// An object of the arguments that were given, by name.
///
/// # Errors
/// `RiskError` with the path of what is no number, text, list or mapping.
pub fn object(py: Python<'_>, arguments: &[(&str, Option<&Bound<'_, PyAny>>)]) -> PyResult<Value> {
    let given = arguments.iter().filter_map(|(name, value)| value.map(|value| (*name, value)));
    let fields = given.map(|(name, item)| Ok((name.to_owned(), value_at(py, name, item)?)));
    fields.collect::<PyResult<Map<_, _>>>().map(Value::Object)
}

/// One value; `name` is what its path begins with.
fn value_at(py: Python<'_>, name: &str, item: &Bound<'_, PyAny>) -> PyResult<Value> {
    value(item, 0).map_err(|refusal| records::risk_error(py, &refusal.inside(name).to_string()))
}

/// One value by itself.
///
/// # Errors
/// The path of what is no number, text, list or mapping, and that.
pub fn converted(item: &Bound<'_, PyAny>) -> Result<Value, String> {
    value(item, 0).map_err(|refusal| refusal.to_string())
}

/// The items of a list of objects, converted by `read`, whose refusals get the item's path.
///
/// # Errors
/// As [`object`], and those of `read`.
pub fn each<T>(
    py: Python<'_>,
    name: &str,
    list: Option<&Bound<'_, PyAny>>,
    read: impl Fn(&Fields) -> anyhow::Result<T>,
) -> PyResult<Vec<T>> {
    let all = object(py, &[(name, list)])?;
    let read_all = || Fields::of(&all)?.objects(name)?.iter().map(read).collect::<anyhow::Result<_>>();
    read_all().map_err(|error| records::risk_error(py, &format!("{error:#}")))
}

fn value(item: &Bound<'_, PyAny>, depth: usize) -> Result<Value, Refusal> {
    if depth > DEPTH {
        return Err(Refusal::new(format!("values are nested deeper than {DEPTH}")));
    }
    if let Ok(text) = item.cast::<PyString>() {
        return Ok(Value::String(text.to_cow()?.into_owned()));
    }
    if item.is_none() {
        return Ok(Value::Null);
    }
    if let Ok(flag) = item.cast::<PyBool>() {
        return Ok(Value::Bool(flag.is_true()));
    }
    if item.is_instance_of::<PyFloat>() {
        return float(item.extract()?);
    }
    if item.is_instance_of::<PyInt>() || records::is_decimal(item)? {
        return Ok(Value::String(item.str()?.to_cow()?.into_owned()));
    }
    if let Ok(dict) = item.cast::<PyDict>() {
        return entries(dict.iter(), depth);
    }
    if let Ok(list) = item.cast::<PyList>() {
        return items(list.iter().map(Ok), depth);
    }
    if let Ok(tuple) = item.cast::<PyTuple>() {
        return items(tuple.iter().map(Ok), depth);
    }
    if let Ok(mapping) = item.cast::<PyMapping>() {
        let pairs = mapping.items()?;
        let pairs = pairs.iter().map(|pair| pair.extract()).collect::<PyResult<Vec<(Bound<PyAny>, Bound<PyAny>)>>>()?;
        return entries(pairs.into_iter(), depth);
    }
    // NumPy's numbers, and arrays of them.
    if item.hasattr("__index__")? && !item.hasattr("__len__")? {
        let whole = item.call_method0("__index__");
        return Ok(Value::String(whole?.str()?.to_cow()?.into_owned()));
    }
    if let Ok(list) = item.try_iter() {
        return items(list, depth);
    }
    if item.hasattr("__float__")? {
        return float(item.call_method0("__float__")?.extract()?);
    }
    let kind = item.get_type().name()?.to_string();
    Err(Refusal::new(format!("a {kind} is no number, text, list or mapping")))
}

/// A float counts as the shortest decimal that it is the nearest float of, as when it is printed.
fn float(number: f64) -> Result<Value, Refusal> {
    let finite = Number::from_f64(number).ok_or_else(|| Refusal::new(format!("{number} is not a finite number")))?;
    Ok(Value::Number(finite))
}

fn items<'py>(items: impl Iterator<Item = PyResult<Bound<'py, PyAny>>>, depth: usize) -> Result<Value, Refusal> {
    let values = items
        .enumerate()
        .map(|(index, item)| value(&item?, depth + 1).map_err(|refusal| refusal.inside(&format!("[{index}]"))));
    values.collect::<Result<Vec<_>, _>>().map(Value::Array)
}

fn entries<'py>(
    entries: impl Iterator<Item = (Bound<'py, PyAny>, Bound<'py, PyAny>)>,
    depth: usize,
) -> Result<Value, Refusal> {
    let values = entries.map(|(key, item)| {
        let key = key.cast::<PyString>().map_err(|_| Refusal::new(format!("the key {key} is not a text")))?;
        let key = key.to_cow()?.into_owned();
        let value = value(&item, depth + 1).map_err(|refusal| refusal.inside(&format!(".{key}")))?;
        Ok((key, value))
    });
    values.collect::<Result<Map<_, _>, Refusal>>().map(Value::Object)
}
