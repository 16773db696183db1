//! Where Pyth's prices are on chain.

use anchor_lang::{prelude::Pubkey, pubkey};

/// Pyth's receiver program, which owns price accounts.
pub const RECEIVER: Pubkey = pubkey!("rec5EKMGg6MxZYaMdyBfgwp4d5rB9T1VQH5pJv5LtFJ");
/// The program that derives the addresses of the feeds everybody shares.
pub const PUSH_ORACLE: Pubkey = pubkey!("pythWSnswVUd12oZpeFP8e9CVaEqJg25g1Vtc2biRsT");

/// The account that a feed's prices are pushed to; sponsored feeds are of shard 0.
pub fn push_account(shard: u16, feed_id: &[u8; 32]) -> Pubkey {
    Pubkey::find_program_address(&[&shard.to_le_bytes(), feed_id], &PUSH_ORACLE).0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// SOL/USD, as published.
    #[test]
    fn the_push_account_of_a_feed_is_the_published_one() {
        let mut feed = [0; 32];
        let hex = "ef0d8b6fda2ceba41da15d4095d1da392a0d2f8ed0c6c7bc0f4cfac8c280b56d";
        for (byte, digits) in feed.iter_mut().zip(hex.as_bytes().chunks(2)) {
            *byte = u8::from_str_radix(std::str::from_utf8(digits).unwrap(), 16).unwrap();
        }
        assert_eq!(push_account(0, &feed), pubkey!("7UVimffxr9ow1uXYxsr4LHAcV58mLzhmwaeKvJ1pjLiE"));
    }
}
