//! What the program refuses for: the rule by name, in a sentence, and what to do about it.

use anchor_lang::error::{ERROR_CODE_OFFSET, Error};
use margrave::error::MargraveError;
use serde::Deserialize;
use std::{collections::BTreeMap, fmt, sync::LazyLock};

/// An error of the program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// As in transactions: 6000 and above.
    pub number: u32,
    /// The rule that was broken.
    pub name: &'static str,
    /// What is wrong, in the program's words.
    pub sentence: &'static str,
    /// What may be done about it.
    pub remedy: &'static str,
}

impl Refusal {
    /// The error with this number; `None` when it is not one of the program's.
    pub fn of(number: u32) -> Option<Self> {
        let error = TABLE.errors.iter().find(|error| error.code == number)?;
        let topic = number / 100 * 100;
        let remedy = TABLE.remedies.errors.get(&error.name).or_else(|| TABLE.remedies.topics.get(&topic));
        let remedy = remedy.map_or("Read the transaction's log.", String::as_str);
        Some(Self { number, name: &error.name, sentence: &error.msg, remedy })
    }

    /// The refusal that an error of the program's own code is, run here.
    pub fn of_error(error: &Error) -> Option<Self> {
        match error {
            Error::AnchorError(error) => Self::of(error.error_code_number),
            Error::ProgramError(_) => None,
        }
    }

    /// The program's refusal in a transaction's log. Its line is the first that tells of a failure of it: those that called it
    /// repeat its number.
    pub fn in_log<S: AsRef<str>>(log: &[S]) -> Option<Self> {
        let start = format!("Program {} failed: custom program error: 0x", margrave::ID);
        let number = log.iter().find_map(|line| line.as_ref().strip_prefix(&start))?;
        Self::of(u32::from_str_radix(number, 16).ok()?)
    }

    /// Whether the program refused with `error`.
    pub fn is(&self, error: MargraveError) -> bool {
        self.number == error as u32 + ERROR_CODE_OFFSET
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}). {} {}", self.name, self.number, with_stop(self.sentence), self.remedy)
    }
}

impl std::error::Error for Refusal {}

fn with_stop(sentence: &str) -> String {
    format!("{}.", sentence.trim_end_matches('.'))
}

#[derive(Deserialize)]
struct Interface {
    errors: Vec<ErrorOfInterface>,
}

#[derive(Deserialize)]
struct ErrorOfInterface {
    code: u32,
    name: String,
    msg: String,
}

/// By name, and by the hundred that an error belongs to.
#[derive(Deserialize)]
struct Remedies {
    topics: BTreeMap<u32, String>,
    errors: BTreeMap<String, String>,
}

struct Table {
    errors: Vec<ErrorOfInterface>,
    remedies: Remedies,
}

/// The interface that CI compares with the program, and the remedies that every client shares.
static TABLE: LazyLock<Table> = LazyLock::new(|| {
    let interface: Interface =
        serde_json::from_str(include_str!("../../../idl/margrave.json")).expect("the committed interface");
    let remedies = serde_json::from_str(include_str!("../../../idl/remedies.json")).expect("the committed remedies");
    Table { errors: interface.errors, remedies }
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_found_in_a_log_by_the_programs_own_line() {
        let number = MargraveError::InitialMarginNotMet as u32 + ERROR_CODE_OFFSET;
        let log = [
            "Program 11111111111111111111111111111111 failed: custom program error: 0x1".to_owned(),
            format!("Program {} failed: custom program error: {number:#x}", margrave::ID),
        ];
        let refusal = Refusal::in_log(&log).unwrap();
        assert!(refusal.is(MargraveError::InitialMarginNotMet));
        assert_eq!(refusal.name, "InitialMarginNotMet");
        assert!(refusal.to_string().contains("Deposit collateral"), "{refusal}");
    }

    #[test]
    fn every_remedy_is_of_an_error_and_every_error_has_one() {
        for name in TABLE.remedies.errors.keys() {
            assert!(TABLE.errors.iter().any(|error| error.name == *name), "{name} is no error");
        }
        for error in &TABLE.errors {
            assert_ne!(Refusal::of(error.code).unwrap().remedy, "Read the transaction's log.", "{}", error.name);
        }
    }
}
