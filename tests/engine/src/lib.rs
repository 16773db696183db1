//! The margin engine on the VM: evaluates portfolios given as plain numbers, for two questions.
//!
//! Are the numbers the same bits as here (`tests/cases/engine.rs`), and how many compute units does a full check of a
//! portfolio cost (`tests/cu`)? For the second it stops after a stage: the differences are what the stages cost.

mod words;

pub use words::{ExpiryHoldings, Portfolio, Underlying, decode, encode};

use margrave_risk::{CELLS, CompressedArray, RiskError, UnderlyingRisk, Valuation};
use solana_account_info::AccountInfo;
use solana_program_error::{ProgramError, ProgramResult};
use solana_pubkey::Pubkey;

/// Words of an answer before the underlyings' arrays.
const FIXED_WORDS: usize = 18;
/// Underlyings an answer has room for.
pub const MAX_UNDERLYINGS: usize = 8;
/// Words of an answer: the verdict, and arrays with exponent and worst cell.
pub const ANSWER_WORDS: usize = FIXED_WORDS + MAX_UNDERLYINGS * (CELLS + 2);

/// How far to go: instruction data of one byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Read the portfolio.
    Decode = 1,
    /// And prepare its expiries.
    Prepare = 2,
    /// And evaluate it, without looking at arrays.
    Evaluate = 3,
    /// And compress each underlying's array, as a program that stores it does.
    Store = 4,
}

/// Evaluates one portfolio and writes everything the engine says of it.
pub fn answer(words: &[i64], out: &mut [i64; ANSWER_WORDS]) {
    out.fill(0);
    let result = decode(words).and_then(|portfolio| {
        let prepared = portfolio.prepare()?;
        portfolio.evaluate(&prepared, |index, risk| write_underlying(index, risk, out))
    });
    match result {
        Ok(valuation) => write_valuation(&valuation, out),
        Err(error) => {
            out.fill(0);
            out[0] = 1 + code(error);
        }
    }
}

fn code(error: RiskError) -> i64 {
    error as i64
}

fn write_underlying(index: usize, risk: &UnderlyingRisk, out: &mut [i64; ANSWER_WORDS]) {
    let start = FIXED_WORDS + index * (CELLS + 2);
    let Some(slots) = out.get_mut(start..start + CELLS + 2) else { return };
    let array = risk.array();
    for (slot, cell) in slots.iter_mut().zip(array.cells()) {
        *slot = cell.micros();
    }
    let compressed = risk.compressed();
    slots[CELLS] = i64::from(compressed.exponent) << 8 | i64::from(risk.worst.index());
    slots[CELLS + 1] = compressed.mantissas.iter().fold(0, |sum, mantissa| sum * 31 % (1 << 55) + i64::from(*mantissa));
}

fn write_valuation(valuation: &Valuation, out: &mut [i64; ANSWER_WORDS]) {
    let charges = &valuation.charges;
    let amounts = [
        valuation.equity,
        valuation.initial_margin,
        valuation.liquidation_end,
        valuation.maintenance_margin,
        valuation.scan,
        charges.basis,
        charges.delta,
        charges.naked_maintenance,
        charges.vega,
        charges.size,
        charges.naked_initial,
        charges.confidence,
        charges.collateral,
        charges.depeg,
    ];
    for (slot, amount) in out[1..].iter_mut().zip(amounts) {
        *slot = amount.micros();
    }
    if let Some(worst) = valuation.worst {
        out[15] = 1 + (i64::from(worst.underlying) << 8 | i64::from(worst.cell.index()));
    }
}

/// Goes through the stages up to `last` and gives back something that depends on all of them.
fn measure(words: &[i64], last: u8) -> Result<i64, RiskError> {
    let portfolio = decode(words)?;
    if last < Stage::Prepare as u8 {
        return Ok(portfolio.cash.micros());
    }
    let prepared = portfolio.prepare()?;
    if last < Stage::Evaluate as u8 {
        return Ok(prepared.digest());
    }
    if last < Stage::Store as u8 {
        return Ok(portfolio.evaluate(&prepared, |_, _| ())?.initial_margin.micros());
    }
    let mut stored = Box::new([CompressedArray { exponent: 0, mantissas: [0; CELLS] }; MAX_UNDERLYINGS]);
    let valuation = portfolio.evaluate(&prepared, |index, risk| {
        if let Some(slot) = stored.get_mut(index) {
            *slot = risk.compressed();
        }
    })?;
    let digest = stored.iter().fold(0, |sum, array| sum ^ i64::from(array.mantissas[30]) ^ i64::from(array.exponent));
    Ok(valuation.initial_margin.micros() ^ digest)
}

/// Accounts: `[]` inputs, `[writable]` answers owned by this program. Each input starts with its number of words. With
/// instruction data only that stage of the first input is gone through, and its result is the first word.
pub fn process(_program: &Pubkey, accounts: &[AccountInfo], data: &[u8]) -> ProgramResult {
    let [inputs, outputs] = accounts else { return Err(ProgramError::NotEnoughAccountKeys) };
    let (inputs, mut outputs) = (inputs.try_borrow_data()?, outputs.try_borrow_mut_data()?);
    let words: Vec<i64> = inputs.chunks_exact(8).map(|bytes| bytes.try_into().map_or(0, i64::from_le_bytes)).collect();
    if let ([last, ..], [_, words @ ..]) = (data, &words[..]) {
        let result = measure(words, *last).map_err(|error| ProgramError::Custom(error as u32))?;
        outputs[..8].copy_from_slice(&result.to_le_bytes());
        return Ok(());
    }
    let mut rest = &words[..];
    let mut out = Box::new([0; ANSWER_WORDS]);
    let mut answers = outputs.chunks_exact_mut(8 * ANSWER_WORDS);
    while let [length, tail @ ..] = rest {
        let length = usize::try_from(*length).unwrap_or(usize::MAX).min(tail.len());
        let (portfolio, next) = tail.split_at(length);
        answer(portfolio, &mut out);
        let slot = answers.next().ok_or(ProgramError::AccountDataTooSmall)?;
        for (bytes, word) in slot.chunks_exact_mut(8).zip(out.iter()) {
            bytes.copy_from_slice(&word.to_le_bytes());
        }
        rest = next;
    }
    Ok(())
}

#[cfg(not(feature = "no-entrypoint"))]
solana_program_entrypoint::entrypoint!(process);
