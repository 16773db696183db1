//! The program's valuation of accounts, for browsers: `margrave-client`'s [`Accounts`] behind four exports without imports.
//!
//! A page writes a [`Request`] in borsh to where `margrave_input` says, calls `margrave_run`, and reads the answer from
//! `margrave_output`: the borsh bytes that the chain would return for the same question, so that one decoder reads both.

use anchor_lang::{AnchorSerialize, error::Error};
use borsh::BorshDeserialize;
use margrave_client::{
    Accounts, Hypothesis, Instrument, Leg, Pubkey,
    desk::{self, Move},
};
use std::cell::RefCell;

/// What can be asked. Times are unix seconds.
#[derive(BorshDeserialize)]
pub enum Request {
    /// Keeps an account of the program; refused when its type is not known.
    Put { key: Pubkey, data: Vec<u8> },
    /// Forgets everything.
    Clear,
    /// The `preview` instruction's answer.
    Preview { key: Pubkey, now: i64, legs: Vec<(Pubkey, Leg)>, balances: Vec<(Pubkey, i64)> },
    /// The `explain` instruction's answer.
    Explain { key: Pubkey, now: i64, slot: u8 },
    /// The margin account's data as the chain would store it if it valued it now.
    Revalue { key: Pubkey, now: i64 },
    /// What a liquidator may take over of the perp, if anything.
    Takeover { key: Pubkey, now: i64, underlying: Pubkey },
    /// A line of `margrave eval`: 0 price, 1 math, 2 svi, 3 margin.
    Eval { kind: u8, line: String },
    /// What an instrument is worth by its sheet, 10^-10 dollars per whole unit.
    Mark { underlying: Pubkey, instrument: Instrument, now: i64 },
    /// Each position by itself, in the account's order: see [`desk::PositionReport`].
    Positions { key: Pubkey, now: i64 },
    /// The next step that `liquidator` would take on an account, as a keeper decides it: a [`desk::StepPlan`], if any.
    Plan { key: Pubkey, liquidator: Pubkey, now: i64 },
    /// The answer to `question`, another request, as if the account had traded at unix time `now`, and then the market had moved.
    Suppose {
        key: Pubkey,
        now: i64,
        legs: Vec<(Pubkey, Leg)>,
        balances: Vec<(Pubkey, i64)>,
        moves: Vec<Move>,
        question: Vec<u8>,
    },
}

/// A refusal: the program's error number, or zero for what is not the program's, and its sentence.
#[derive(Debug, PartialEq, Eq)]
pub struct Refusal {
    pub number: u32,
    pub sentence: String,
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        match error {
            Error::AnchorError(error) => Self { number: error.error_code_number, sentence: error.error_msg },
            Error::ProgramError(error) => Self { number: 0, sentence: error.program_error.to_string() },
        }
    }
}

impl From<std::io::Error> for Refusal {
    fn from(error: std::io::Error) -> Self {
        Self { number: 0, sentence: format!("The request cannot be read: {error}") }
    }
}

/// Answers one request.
///
/// # Errors
/// As the program, or that the request's bytes are none.
pub fn answer(accounts: &mut Accounts, request: &[u8]) -> Result<Vec<u8>, Refusal> {
    match Request::try_from_slice(request)? {
        Request::Put { key, data } => {
            if !accounts.insert(key, &data) {
                let sentence = "The data is of no account that is needed to value one".to_owned();
                return Err(Refusal { number: 0, sentence });
            }
            Ok(vec![])
        }
        Request::Clear => {
            *accounts = Accounts::default();
            Ok(vec![])
        }
        Request::Preview { key, now, legs, balances } => {
            written(&accounts.preview(&key, &Hypothesis { legs, balances }, now)?)
        }
        Request::Explain { key, now, slot } => written(&accounts.explain(&key, slot, now)?),
        Request::Revalue { key, now } => Ok(accounts.revalued_data(&key, now)?),
        Request::Mark { underlying, instrument, now } => written(&desk::mark(accounts, &underlying, &instrument, now)?),
        Request::Positions { key, now } => written(&desk::position_reports(accounts, &key, now)?),
        Request::Plan { key, liquidator, now } => written(&desk::plan(accounts, &key, &liquidator, now)?),
        Request::Suppose { key, now, legs, balances, moves, question } => {
            let mut supposed = desk::supposed(accounts, &key, &Hypothesis { legs, balances }, &moves, now)?;
            answer(&mut supposed, &question)
        }
        Request::Takeover { key, now, underlying } => written(&accounts.takeover(&key, &underlying, now)?),
        Request::Eval { kind, line } => {
            let kinds = [
                margrave_eval::Kind::Price,
                margrave_eval::Kind::Math,
                margrave_eval::Kind::Svi,
                margrave_eval::Kind::Margin,
            ];
            let kind = kinds.get(usize::from(kind)).ok_or_else(|| std::io::Error::other("there are four kinds"))?;
            Ok(margrave_eval::line(*kind, &line).to_string().into_bytes())
        }
    }
}

fn written(answer: &impl AnchorSerialize) -> Result<Vec<u8>, Refusal> {
    let mut bytes = Vec::new();
    answer.serialize(&mut bytes)?;
    Ok(bytes)
}

/// Input, accounts and output between two calls of the page.
#[derive(Default)]
struct Module {
    accounts: Accounts,
    input: Vec<u8>,
    output: Vec<u8>,
}

thread_local! {
    static MODULE: RefCell<Module> = RefCell::default();
}

/// Where to write a request of `length` bytes.
#[unsafe(no_mangle)]
pub extern "C" fn margrave_input(length: usize) -> *mut u8 {
    MODULE.with_borrow_mut(|module| {
        module.input.clear();
        module.input.resize(length, 0);
        module.input.as_mut_ptr()
    })
}

/// Answers the request. 0: the answer is the output; 1: the output is the number of the error, four bytes, and its sentence.
#[unsafe(no_mangle)]
pub extern "C" fn margrave_run() -> u32 {
    MODULE.with_borrow_mut(|module| {
        let answer = answer(&mut module.accounts, &module.input);
        let refused = answer.is_err();
        module.output =
            answer.unwrap_or_else(|refusal| [&refusal.number.to_le_bytes(), refusal.sentence.as_bytes()].concat());
        u32::from(refused)
    })
}

/// Where the output is.
#[unsafe(no_mangle)]
pub extern "C" fn margrave_output() -> *const u8 {
    MODULE.with_borrow(|module| module.output.as_ptr())
}

/// How many bytes it has.
#[unsafe(no_mangle)]
pub extern "C" fn margrave_output_length() -> usize {
    MODULE.with_borrow(|module| module.output.len())
}
