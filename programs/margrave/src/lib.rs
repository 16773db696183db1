//! Margrave: portfolio margin accounts on Solana.
//!
//! Accounts are in [`state`], one instruction per file in [`instructions`], the way from accounts to the margin engine in
//! [`portfolio`]. The engine itself is the crate `margrave-risk` and knows nothing of Solana.

#![deny(clippy::float_arithmetic, clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_possible_wrap)]

pub mod constants;
pub mod error;
pub mod events;
pub mod instructions;
pub mod oracle;
pub mod portfolio;
pub mod state;

use anchor_lang::prelude::*;
use instructions::*;

declare_id!("MrgRzbsnUSP8PnfKcAvr5Hu96M8U4D21h3agp2hiJpu");

#[program]
pub mod margrave {
    use super::*;

    /// Creates a deployment with its own admin, money and price sources. Only the program's upgrade authority.
    pub fn create_group(ctx: Context<CreateGroup>, args: CreateGroupArgs) -> Result<()> {
        admin::create_group::create_group(ctx, args)
    }

    /// Lists a collateral token and creates its vault.
    pub fn list_bank(ctx: Context<ListBank>, args: ListBankArgs) -> Result<()> {
        admin::list_bank::list_bank(ctx, args)
    }

    /// Lists a price risk factor.
    pub fn list_underlying(ctx: Context<ListUnderlying>, args: ListUnderlyingArgs) -> Result<()> {
        admin::list_underlying::list_underlying(ctx, args)
    }

    /// Lists the perpetual future of an underlying.
    pub fn list_perp(ctx: Context<ListPerp>, args: ListPerpArgs) -> Result<()> {
        admin::list_perp::list_perp(ctx, args)
    }

    /// Opens an empty margin account.
    pub fn open_margin_account(ctx: Context<OpenMarginAccount>, number: u16) -> Result<()> {
        user::open_margin_account::open_margin_account(ctx, number)
    }

    /// Deposits collateral.
    pub fn deposit(ctx: Context<Deposit>, amount: u64) -> Result<()> {
        user::deposit::deposit(ctx, amount)
    }

    /// Withdraws collateral that the account's margin does not need.
    pub fn withdraw<'info>(ctx: Context<'info, Withdraw<'info>>, amount: u64) -> Result<()> {
        user::withdraw::withdraw(ctx, amount)
    }

    /// Moves a perp position between two accounts whose owners both sign.
    pub fn trade<'info>(ctx: Context<'info, Trade<'info>>, args: TradeArgs) -> Result<()> {
        user::trade::trade(ctx, args)
    }

    /// Accepts a Pyth price. Anyone.
    pub fn refresh_price(ctx: Context<RefreshPrice>) -> Result<()> {
        keeper::refresh_price::refresh_price(ctx)
    }

    /// Takes over part of a position of an account below its maintenance margin. Anyone with margin for it.
    pub fn liquidate<'info>(ctx: Context<'info, Liquidate<'info>>, max_quantity: u64) -> Result<()> {
        keeper::liquidate::liquidate(ctx, max_quantity)
    }
}
