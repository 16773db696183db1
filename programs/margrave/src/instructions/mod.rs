//! One file per instruction, grouped by who calls it. Each reads top to bottom: accounts, require, compute, apply,
//! require margin and `invariant()`, move tokens, emit.

pub mod admin;
pub mod keeper;
pub mod user;

pub use admin::*;
pub use keeper::*;
pub use user::*;
