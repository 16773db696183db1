//! What the tests of the compiled programs (`cases`) and their measurements (`cu`) share.

pub mod portfolios;
pub mod venues;
pub mod vm;
