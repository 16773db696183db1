//! One instruction per file, by who calls it.

pub mod governance;
pub mod keeper;
pub mod user;
pub mod views;

pub use governance::*;
pub use keeper::*;
pub use user::*;
pub use views::*;
