pub mod create_group;
pub mod list_bank;
pub mod list_perp;
pub mod list_underlying;

pub use create_group::*;
pub use list_bank::*;
pub use list_perp::*;
pub use list_underlying::*;
