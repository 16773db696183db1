//! Pyth's accounts as observations: what a receiver program wrote, whichever kind it is.

use super::Observation;
use crate::{
    error::*,
    state::{Group, OracleKind, OracleTerms},
};
use anchor_lang::prelude::*;
use pyth_sdk_solana::state::{PriceStatus, load_price_account};
use pyth_solana_receiver_sdk::price_update::{PriceUpdateV2, VerificationLevel};

/// Where a legacy account says that it is of a price, and the status of its aggregate price.
const LEGACY_TYPE: usize = 16;
const LEGACY_STATUS: usize = 224;

/// Reads the price account that `terms` ask for, whichever kind it is.
///
/// Not checked here: the write authority of a `PriceUpdateV2` (anybody may post) and its address (any account of the receiver
/// will do, the content is signed).
pub fn read_price(group: &Group, terms: &OracleTerms, info: &AccountInfo<'_>) -> Result<Observation> {
    require!(group.accepts_receiver(info.owner), MargraveError::ReceiverNotAllowed);
    if terms.kind == OracleKind::Legacy as u32 {
        return read_legacy(terms, info);
    }
    let data = info.try_borrow_data()?;
    let update = PriceUpdateV2::try_deserialize(&mut &data[..]).map_err(|_| error!(MargraveError::NotAPriceUpdate))?;
    let message = &update.price_message;
    require!(message.feed_id == terms.feed_id, MargraveError::FeedMismatch);
    require!(update.verification_level == VerificationLevel::Full, MargraveError::PriceNotFullyVerified);
    Ok(Observation {
        price: message.price,
        confidence: message.conf,
        exponent: message.exponent,
        publish_time: message.publish_time,
        posted_slot: update.posted_slot,
    })
}

/// A legacy account is its feed: there is one per product, written by the oracle program itself.
fn read_legacy(terms: &OracleTerms, info: &AccountInfo<'_>) -> Result<Observation> {
    require!(info.key.to_bytes() == terms.feed_id, MargraveError::FeedMismatch);
    let data = info.try_borrow_data()?;
    // The SDK reads type and status as enumerations without looking whether they are one.
    let word = |at: usize| data.get(at..at + 4).and_then(|bytes| bytes.try_into().ok()).map(u32::from_le_bytes);
    let is_price = word(LEGACY_TYPE) == Some(1) && word(LEGACY_STATUS).is_some_and(|status| status <= 4);
    require!(is_price, MargraveError::NotAPriceUpdate);
    let account = load_price_account::<32, ()>(&data).map_err(|_| error!(MargraveError::NotAPriceUpdate))?;
    require!(account.agg.status == PriceStatus::Trading, MargraveError::PriceNotFullyVerified);
    Ok(Observation {
        price: account.agg.price,
        confidence: account.agg.conf,
        exponent: account.expo,
        publish_time: account.timestamp,
        posted_slot: account.agg.pub_slot,
    })
}
