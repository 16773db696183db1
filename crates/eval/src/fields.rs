//! Reads a request and names what is wrong with it by its path.

use anyhow::{Context, Result, bail};
use rust_decimal::Decimal;
use serde_json::{Map, Value};

/// A JSON object and where it stands in the request.
pub struct Fields<'a> {
    object: &'a Map<String, Value>,
    path: String,
}

impl<'a> Fields<'a> {
    pub fn of(value: &'a Value) -> Result<Self> {
        Self::at(value, String::new())
    }

    fn at(value: &'a Value, path: String) -> Result<Self> {
        let name = if path.is_empty() { "the line" } else { &path };
        let object = value.as_object().with_context(|| format!("{name} is not a JSON object"))?;
        Ok(Self { object, path })
    }

    /// The path of a field of this object, for messages.
    pub fn path_of(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    /// A field that is there and not null.
    fn get(&self, name: &str) -> Option<&'a Value> {
        self.object.get(name).filter(|value| !value.is_null())
    }

    fn required(&self, name: &str) -> Result<&'a Value> {
        self.get(name).with_context(|| format!("{} is missing", self.path_of(name)))
    }

    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    pub fn text(&self, name: &str) -> Result<&'a str> {
        self.required(name)?.as_str().with_context(|| format!("{} is not a text", self.path_of(name)))
    }

    /// A text or a number, as text.
    pub fn label(&self, name: &str) -> Result<Option<String>> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(Value::Number(number)) => Ok(Some(number.to_string())),
            Some(_) => bail!("{} is neither a text nor a number", self.path_of(name)),
        }
    }

    pub fn decimal(&self, name: &str) -> Result<Decimal> {
        decimal(self.required(name)?, &self.path_of(name))
    }

    pub fn decimal_or(&self, name: &str, default: Decimal) -> Result<Decimal> {
        self.get(name).map_or(Ok(default), |value| decimal(value, &self.path_of(name)))
    }

    pub fn optional_decimal(&self, name: &str) -> Result<Option<Decimal>> {
        self.get(name).map(|value| decimal(value, &self.path_of(name))).transpose()
    }

    /// A decimal put through `convert`, whose error gets the field's name.
    pub fn convert<T>(&self, name: &str, convert: impl FnOnce(Decimal) -> Result<T>) -> Result<T> {
        convert(self.decimal(name)?).with_context(|| self.path_of(name))
    }

    /// The same with a default.
    pub fn convert_or<T>(&self, name: &str, default: Decimal, convert: impl FnOnce(Decimal) -> Result<T>) -> Result<T> {
        convert(self.decimal_or(name, default)?).with_context(|| self.path_of(name))
    }

    /// An object, if there.
    pub fn object(&self, name: &str) -> Result<Option<Fields<'a>>> {
        self.get(name).map(|value| Fields::at(value, self.path_of(name))).transpose()
    }

    /// A list of objects; none if it is not there.
    pub fn objects(&self, name: &str) -> Result<Vec<Fields<'a>>> {
        let items = self.list(name)?.iter().enumerate();
        items.map(|(index, value)| Fields::at(value, format!("{}[{index}]", self.path_of(name)))).collect()
    }

    /// A list of decimals, if there.
    pub fn decimals(&self, name: &str) -> Result<Option<Vec<Decimal>>> {
        if !self.has(name) {
            return Ok(None);
        }
        let items = self.list(name)?.iter().enumerate();
        items
            .map(|(index, value)| decimal(value, &format!("{}[{index}]", self.path_of(name))))
            .collect::<Result<_>>()
            .map(Some)
    }

    fn list(&self, name: &str) -> Result<&'a [Value]> {
        let Some(value) = self.get(name) else { return Ok(&[]) };
        Ok(value.as_array().with_context(|| format!("{} is not a list", self.path_of(name)))?)
    }

    /// Refuses a field that is none of `names`.
    pub fn require_known(&self, names: &[&str]) -> Result<()> {
        match self.object.keys().find(|key| !names.contains(&key.as_str())) {
            Some(key) => bail!("{} is not known; known are {}", self.path_of(key), names.join(", ")),
            None => Ok(()),
        }
    }

    /// The same fields, named without where the object stands: for a caller that says so itself.
    pub fn without_path(&self) -> Self {
        Self { object: self.object, path: String::new() }
    }

    /// The path of this object, for messages.
    pub fn path(&self) -> &str {
        &self.path
    }
}

fn decimal(value: &Value, path: &str) -> Result<Decimal> {
    let text = match value {
        Value::String(text) => text.trim().to_owned(),
        Value::Number(number) => number.to_string(),
        _ => bail!("{path} is neither a decimal in quotes nor a number"),
    };
    let parsed =
        if text.contains(['e', 'E']) { Decimal::from_scientific(&text) } else { Decimal::from_str_exact(&text) };
    parsed.map_err(|_| anyhow::anyhow!("{path}: '{text}' is not a decimal number of at most 28 digits"))
}
