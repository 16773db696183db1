//! Pyth price accounts as the receiver program writes them.

use anchor_lang::{AccountSerialize, prelude::Pubkey};
pub use margrave_client::pyth::RECEIVER;
pub use pyth_solana_receiver_sdk::price_update::VerificationLevel;
use pyth_solana_receiver_sdk::price_update::{PriceFeedMessage, PriceUpdateV2};
use solana_account::Account;

/// The SOL/USD feed.
pub const SOL_FEED: [u8; 32] = [
    0xef, 0x0d, 0x8b, 0x6f, 0xda, 0x2c, 0xeb, 0xa4, 0x1d, 0xa1, 0x5d, 0x40, 0x95, 0xd1, 0xda, 0x39, 0x2a, 0x0d, 0x2f,
    0x8e, 0xd0, 0xc6, 0xc7, 0xbc, 0x0f, 0x4c, 0xfa, 0xc8, 0xc2, 0x80, 0xb5, 0x6d,
];

/// The parts of a price update that a test may want to be wrong.
#[derive(Clone, Debug)]
pub struct PriceMessage {
    pub feed_id: [u8; 32],
    /// Times 10^exponent dollars.
    pub price: i64,
    pub confidence: u64,
    pub exponent: i32,
    pub publish_time: i64,
    pub verification: VerificationLevel,
}

/// An account holding a price update, owned by `owner`.
pub fn price_update_account(message: &PriceMessage, posted_slot: u64, owner: Pubkey) -> Account {
    let update = PriceUpdateV2 {
        write_authority: Pubkey::default(),
        verification_level: message.verification,
        price_message: PriceFeedMessage {
            feed_id: message.feed_id,
            price: message.price,
            conf: message.confidence,
            exponent: message.exponent,
            publish_time: message.publish_time,
            prev_publish_time: message.publish_time - 1,
            ema_price: message.price,
            ema_conf: message.confidence,
        },
        posted_slot,
    };
    let mut data = Vec::with_capacity(PriceUpdateV2::LEN);
    update.try_serialize(&mut data).expect("a vector can be written to");
    data.resize(PriceUpdateV2::LEN, 0);
    Account { lamports: 10_000_000, data, owner, executable: false, rent_epoch: u64::MAX }
}

/// A legacy price account with its aggregate at a status (1: trading), as the oracle program laid it out.
pub fn legacy_price_account(message: &PriceMessage, status: u32, owner: Pubkey) -> Account {
    let mut data = vec![0; 3_312];
    let mut put = |at: usize, bytes: &[u8]| data[at..at + bytes.len()].copy_from_slice(bytes);
    // Magic, version, account type, size, price type.
    for (index, word) in [0xa1b2_c3d4_u32, 2, 3, 3_312, 1].into_iter().enumerate() {
        put(4 * index, &word.to_le_bytes());
    }
    put(20, &message.exponent.to_le_bytes());
    put(96, &message.publish_time.to_le_bytes());
    put(208, &message.price.to_le_bytes());
    put(216, &message.confidence.to_le_bytes());
    put(224, &status.to_le_bytes());
    put(232, &42u64.to_le_bytes());
    Account { lamports: 30_000_000, data, owner, executable: false, rent_epoch: u64::MAX }
}
