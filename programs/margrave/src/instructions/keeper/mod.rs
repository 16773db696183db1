pub mod liquidate;
pub mod refresh_price;

pub use liquidate::*;
pub use refresh_price::*;
