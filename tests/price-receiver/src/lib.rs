//! For local clusters only: stands where Pyth's receiver stands and writes the same `PriceUpdateV2` accounts, but believes
//! whoever asks. A group must never name a receiver like this one on a cluster that holds anything of value.

use anchor_lang::prelude::*;
use pyth_solana_receiver_sdk::price_update::{PriceFeedMessage, PriceUpdateV2, VerificationLevel};

declare_id!("rec5EKMGg6MxZYaMdyBfgwp4d5rB9T1VQH5pJv5LtFJ");

#[program]
pub mod margrave_price_receiver {
    use super::*;

    /// Makes the account of a feed.
    pub fn open(context: Context<Open>, feed_id: [u8; 32]) -> Result<()> {
        context.accounts.price_update.price_message.feed_id = feed_id;
        context.accounts.price_update.verification_level = VerificationLevel::Full;
        Ok(())
    }

    /// Posts a price, in units of 10^`exponent` dollars, published now.
    pub fn post(context: Context<Post>, feed_id: [u8; 32], price: i64, confidence: u64, exponent: i32) -> Result<()> {
        let clock = Clock::get()?;
        let update = &mut context.accounts.price_update;
        update.price_message = PriceFeedMessage {
            feed_id,
            price,
            conf: confidence,
            exponent,
            publish_time: clock.unix_timestamp,
            prev_publish_time: update.price_message.publish_time,
            ema_price: price,
            ema_conf: confidence,
        };
        update.posted_slot = clock.slot;
        Ok(())
    }
}

#[derive(Accounts)]
#[instruction(feed_id: [u8; 32])]
pub struct Open<'info> {
    #[account(mut)]
    pub payer: Signer<'info>,
    #[account(init, payer = payer, space = PriceUpdateV2::LEN, seeds = [feed_id.as_ref()], bump)]
    pub price_update: Account<'info, PriceUpdateV2>,
    pub system_program: Program<'info, System>,
}

#[derive(Accounts)]
#[instruction(feed_id: [u8; 32])]
pub struct Post<'info> {
    #[account(mut, seeds = [feed_id.as_ref()], bump)]
    pub price_update: Account<'info, PriceUpdateV2>,
}
