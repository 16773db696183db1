//! Instructions that change nothing: to be simulated, or put into a transaction to make it fail.

pub mod explain;
pub mod health_check;
pub mod preview;
pub mod sequence_check;
pub mod solvency;

pub use explain::*;
pub use health_check::*;
pub use preview::*;
pub use sequence_check::*;
pub use solvency::*;
