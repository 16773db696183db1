//! The accounts. Fields say unit, sign and what zero means; amounts are in the token's smallest unit ("atoms"), dollars
//! are micro-dollars, prices are 10^-10 dollars. No 128-bit field: account data sits at an 8-byte boundary.

mod bank;
mod group;
mod margin_account;
mod proposal;
mod underlying;
mod venue;

pub use bank::*;
pub use group::*;
pub use margin_account::*;
pub use proposal::*;
pub use underlying::*;
pub use venue::*;

use crate::error::MargraveError;
use anchor_lang::{ZeroCopy, prelude::*};
use std::cell::{Ref, RefMut};

/// The zero-copy view of an account that reached us outside an `Accounts` struct: owner, discriminator and length are
/// checked here, identity by whoever looked the account up.
pub fn view<'a, T: ZeroCopy + Owner>(info: &'a AccountInfo<'_>) -> Result<Ref<'a, T>> {
    require!(same_key(info.owner, &crate::ID), MargraveError::UnexpectedAccount);
    let data = info.try_borrow_data()?;
    require!(is_type::<T>(&data), MargraveError::WrongAccountType);
    Ok(Ref::map(data, |data| bytemuck::from_bytes(&data[8..8 + size_of::<T>()])))
}

/// The same to be written. The account must be writable, or the runtime refuses the transaction at its end.
pub fn view_mut<'a, T: ZeroCopy + Owner>(info: &'a AccountInfo<'_>) -> Result<RefMut<'a, T>> {
    require!(same_key(info.owner, &crate::ID), MargraveError::UnexpectedAccount);
    require!(info.is_writable, MargraveError::AccountMustBeWritable);
    let data = info.try_borrow_mut_data()?;
    require!(is_type::<T>(&data), MargraveError::WrongAccountType);
    Ok(RefMut::map(data, |data| bytemuck::from_bytes_mut(&mut data[8..8 + size_of::<T>()])))
}

/// Whether account data carries the discriminator of `T` and is long enough to hold it.
pub fn is_type<T: ZeroCopy>(data: &[u8]) -> bool {
    data.len() >= 8 + size_of::<T>() && word(&data[..8]) == word(T::DISCRIMINATOR)
}

/// Key equality in four word comparisons; the derived one is a call with a system call inside.
pub fn same_key(a: &Pubkey, b: &Pubkey) -> bool {
    let (a, b) = (a.as_array(), b.as_array());
    a.chunks_exact(8).zip(b.chunks_exact(8)).all(|(a, b)| word(a) == word(b))
}

fn word(bytes: &[u8]) -> u64 {
    bytes.try_into().map_or(0, u64::from_le_bytes)
}
