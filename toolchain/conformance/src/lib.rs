//! What an SBPF toolchain is most likely to get wrong, as one function that runs both on the VM and natively.
//!
//! SBPF v3 has no signed division, no wide multiply and five argument registers, so each toolchain synthesises them.
//! `tests/cases/conformance.rs` sends the same inputs through [`evaluate`] on the compiled program and on the host and
//! compares every byte. A program built by a toolchain that fails here computes wrong margins without any error.

use solana_account_info::AccountInfo;
use solana_program_error::{ProgramError, ProgramResult};
use solana_pubkey::Pubkey;

/// Bytes of one input: two little-endian 128-bit operands.
pub const INPUT_LEN: usize = 32;
/// Results of [`evaluate`] per input, each a little-endian 128-bit integer.
pub const RESULTS: usize = 10 * OPERATIONS + CALLS;
/// Bytes of one output.
pub const OUTPUT_LEN: usize = RESULTS * 16;
/// The text the program panics with when its instruction data says so.
pub const PANIC_MESSAGE: &str = "conformance panic on request";

const OPERATIONS: usize = 9;
const CALLS: usize = 5;

#[derive(Clone, Copy)]
struct Pair {
    low: u64,
    high: u64,
}

#[derive(Clone, Copy)]
struct Triple {
    first: i64,
    second: u64,
    third: i64,
}

#[inline(never)]
fn six_arguments(a: u64, b: i64, c: u32, d: i128, e: u8, f: i64) -> i128 {
    i128::from(a) ^ (i128::from(b) << 3) ^ i128::from(c) ^ d.rotate_left(7) ^ i128::from(e) ^ (i128::from(f) << 40)
}

#[inline(never)]
fn pair_by_value(pair: Pair) -> Pair {
    Pair { low: pair.high.wrapping_add(3), high: pair.low.wrapping_mul(5) }
}

#[inline(never)]
fn triple_by_value(triple: Triple, scale: u64) -> Triple {
    Triple {
        first: triple.third.wrapping_neg(),
        second: triple.second.wrapping_mul(scale),
        third: triple.first.wrapping_sub(1),
    }
}

/// Computes every result for one input. Division by zero and overflowing divisions give zero in each operation.
pub fn evaluate(a: u128, b: u128, mut emit: impl FnMut(u128)) {
    macro_rules! integer {
        ($($type:ty),*) => {$({
            let (x, y) = (a as $type, b as $type);
            let shift = (b as u32) % <$type>::BITS;
            emit(x.checked_div(y).unwrap_or(0) as u128);
            emit(x.checked_rem(y).unwrap_or(0) as u128);
            emit(x.checked_rem_euclid(y).unwrap_or(0) as u128);
            emit(x.checked_div_euclid(y).unwrap_or(0) as u128);
            emit(x.wrapping_mul(y) as u128);
            emit(x.checked_mul(y).map_or(1, |product| product as u128));
            emit((x << shift) as u128);
            emit((x >> shift) as u128);
            emit((x as i128).wrapping_sub(y as i128) as u128);
        })*};
    }
    integer!(i8, i16, i32, i64, i128, u8, u16, u32, u64, u128);

    let (low, high) = (a as u64, (a >> 64) as u64);
    emit(six_arguments(low, high as i64, b as u32, b as i128, (b >> 8) as u8, (b >> 64) as i64) as u128);
    let pair = pair_by_value(Pair { low, high });
    emit((u128::from(pair.high) << 64) | u128::from(pair.low));
    let triple = triple_by_value(Triple { first: low as i64, second: high, third: b as i64 }, b as u64);
    emit(triple.first as i128 as u128);
    emit(u128::from(triple.second));
    emit(triple.third as i128 as u128);
}

/// Accounts: `[]` inputs, `[writable]` outputs owned by this program. Instruction data: empty, or anything to panic.
pub fn process(_program: &Pubkey, accounts: &[AccountInfo], data: &[u8]) -> ProgramResult {
    assert!(data.is_empty(), "conformance panic on request");
    let [inputs, outputs] = accounts else { return Err(ProgramError::NotEnoughAccountKeys) };
    let (inputs, mut outputs) = (inputs.try_borrow_data()?, outputs.try_borrow_mut_data()?);
    let mut results = outputs.chunks_exact_mut(16);
    for input in inputs.chunks_exact(INPUT_LEN) {
        let (a, b) = input.split_at(16);
        let word = |bytes: &[u8]| bytes.try_into().map(u128::from_le_bytes).unwrap_or_default();
        evaluate(word(a), word(b), |result| {
            if let Some(slot) = results.next() {
                slot.copy_from_slice(&result.to_le_bytes());
            }
        });
    }
    Ok(())
}

#[cfg(not(feature = "no-entrypoint"))]
solana_program_entrypoint::entrypoint!(process);
