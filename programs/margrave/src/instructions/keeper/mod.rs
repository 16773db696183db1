pub mod accrue_interest;
pub mod liquidate;
pub mod refresh_price;
pub mod settle_expiry;
pub mod settle_pnl;
pub mod sweep_fees;
pub mod update_depeg;

pub use accrue_interest::*;
pub use liquidate::*;
pub use refresh_price::*;
pub use settle_expiry::*;
pub use settle_pnl::*;
pub use sweep_fees::*;
pub use update_depeg::*;
