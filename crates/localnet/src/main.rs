//! `margrave-localnet`.
fn main() {}
