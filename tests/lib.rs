//! What the tests of the compiled programs (`cases`) and their measurements (`cu`) share.

pub mod pages;
pub mod portfolios;
pub mod rich;
pub mod venues;
pub mod vm;
