pub mod deposit;
pub mod open_margin_account;
pub mod trade;
pub mod withdraw;

pub use deposit::*;
pub use open_margin_account::*;
pub use trade::*;
pub use withdraw::*;
