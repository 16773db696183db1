//! The switch of an instrumented program: which one of its guards is off.
//!
//! `run.mjs` adds this module to its copy of the program, lets every guard ask it before it refuses, and writes the number of a
//! guard behind the mark in the compiled file. A guard that accepts asks nothing, so what is accepted costs hardly more.

use anchor_lang::{prelude::*, solana_program::log::sol_log};

/// A mark, and in the last two bytes the number of the guard that is off. No guard has this one.
static SWITCH: [u8; 18] = *b"margrave mutant:\xff\xff";

/// Whether the guard is off. What is asked refuses, so its number goes to the log for the recording.
#[cold]
#[inline(never)]
pub fn off(guard: u16) -> bool {
    // SAFETY: two bytes of a static. Read as volatile, because the file is changed after the compiler has seen it.
    let off = unsafe { core::ptr::read_volatile((&raw const SWITCH[16]).cast::<[u8; 2]>()) };
    sol_log(&format!("guard {guard} refuses"));
    u16::from_le_bytes(off) == guard
}

/// What a check has answered, or that nothing is wrong when it is off.
pub fn pass<E>(guard: u16, outcome: core::result::Result<(), E>) -> core::result::Result<(), E> {
    match outcome {
        Err(_) if off(guard) => Ok(()),
        outcome => outcome,
    }
}

/// The error of a refusal that nothing can stand for: another one when it is off.
pub fn refusal(guard: u16, error: crate::error::MargraveError) -> Error {
    if off(guard) { ProgramError::Custom(u32::MAX).into() } else { error.into() }
}
