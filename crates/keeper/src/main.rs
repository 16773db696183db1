//! `margrave-keeper`.
fn main() {}
