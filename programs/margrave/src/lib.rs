//! Margrave: portfolio margin accounts on Solana.
//!
//! Accounts are in [`state`], one instruction per file in [`instructions`]. Between them: [`oracle`] and [`snapshot`] bring a
//! price in, [`surface`] volatilities; [`portfolio`] is the way from accounts to the margin engine; [`trading`] and [`quote`]
//! move positions, [`settlement`] their profit and loss, [`vault`] tokens; [`breaker`] stops new risk for a while. The engine
//! itself is the crate `margrave-risk` and knows nothing of Solana.

#![deny(clippy::float_arithmetic, clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_possible_wrap)]

pub mod breaker;
pub mod constants;
pub mod error;
pub mod events;
pub mod instructions;
pub mod liquidation;
pub mod losses;
pub mod oracle;
pub mod portfolio;
pub mod quote;
pub mod settlement;
pub mod slice;
pub mod snapshot;
pub mod state;
pub mod surface;
pub mod token;
pub mod trading;
pub mod vault;

use anchor_lang::prelude::*;
use instructions::*;
use liquidation::LiquidationLeg;
use state::{Change, Instrument, Mode};
use surface::Surface;
use trading::Leg;

declare_id!("MrgRzbsnUSP8PnfKcAvr5Hu96M8U4D21h3agp2hiJpu");

#[cfg(not(feature = "no-entrypoint"))]
solana_security_txt::security_txt! {
    name: "Margrave",
    project_url: "https://margrave.invalid",
    contacts: "link:SECURITY.md in the source repository",
    policy: "Report privately to the deployer before publishing. Not audited.",
    auditors: "None"
}

#[program]
pub mod margrave {
    use super::*;

    // What is sent most comes first: finding an instruction costs three units for each before it.

    // Traders.

    /// Trades between two accounts that both sign.
    pub fn trade<'info>(ctx: Context<'info, Trade<'info>>, args: TradeArgs) -> Result<()> {
        user::trade::trade(ctx, args)
    }

    /// Trades units of a quote that its maker has signed.
    pub fn fill_quote<'info>(ctx: Context<'info, FillQuote<'info>>, args: FillQuoteArgs) -> Result<()> {
        user::fill_quote::fill_quote(ctx, args)
    }

    /// Trades between two accounts that have consented, called by a venue's program.
    pub fn venue_fill<'info>(ctx: Context<'info, VenueFill<'info>>, legs: Vec<Leg>, sheets: Vec<u8>) -> Result<()> {
        user::venue_fill::venue_fill(ctx, legs, sheets)
    }

    /// Opens an empty margin account.
    pub fn open_margin_account(ctx: Context<OpenMarginAccount>, number: u16) -> Result<()> {
        user::open_margin_account::open_margin_account(ctx, number)
    }

    /// Closes a margin account that holds nothing.
    pub fn close_margin_account(ctx: Context<CloseMarginAccount>) -> Result<()> {
        user::close_margin_account::close_margin_account(ctx)
    }

    /// Lets another key trade for the account, until a time.
    pub fn set_delegate(ctx: Context<SetDelegate>, place: u8, delegate: Pubkey, expires_at: i64) -> Result<()> {
        user::set_delegate::set_delegate(ctx, place, delegate, expires_at)
    }

    /// Lets a venue trade for a margin account, until a time and for so much value.
    pub fn grant_consent(ctx: Context<GrantConsent>, expires_at: i64, allowance: u64) -> Result<()> {
        user::grant_consent::grant_consent(ctx, expires_at, allowance)
    }

    /// Takes that back.
    pub fn revoke_consent(ctx: Context<RevokeConsent>) -> Result<()> {
        user::revoke_consent::revoke_consent(ctx)
    }

    /// Changes how much of the portfolio offsets the rest.
    pub fn set_mode<'info>(ctx: Context<'info, SetMode<'info>>, mode: Mode) -> Result<()> {
        user::set_mode::set_mode(ctx, mode)
    }

    /// Deposits collateral, or repays a loan.
    pub fn deposit(ctx: Context<Deposit>, amount: u64) -> Result<()> {
        user::deposit::deposit(ctx, amount)
    }

    /// Withdraws collateral that the account's margin does not need, or borrows against it.
    pub fn withdraw<'info>(ctx: Context<'info, Withdraw<'info>>, amount: u64, borrow: bool) -> Result<()> {
        user::withdraw::withdraw(ctx, amount, borrow)
    }

    /// Moves a deposit to another account of the same owner.
    pub fn transfer_collateral<'info>(ctx: Context<'info, TransferCollateral<'info>>, amount: u64) -> Result<()> {
        user::transfer_collateral::transfer_collateral(ctx, amount)
    }

    /// Cancels signed quotes.
    pub fn cancel_quotes(ctx: Context<CancelQuotes>, nonce: u64, all_below: bool) -> Result<()> {
        user::cancel_quotes::cancel_quotes(ctx, nonce, all_below)
    }

    // Keepers: anyone.

    /// Accepts a Pyth price.
    pub fn refresh_price(ctx: Context<RefreshPrice>) -> Result<()> {
        keeper::refresh_price::refresh_price(ctx)
    }

    /// Adds interest to a bank.
    pub fn accrue_interest(ctx: Context<AccrueInterest>) -> Result<()> {
        keeper::accrue_interest::accrue_interest(ctx)
    }

    /// Takes the surcharge on initial margin from the price of the quote token.
    pub fn update_depeg(ctx: Context<UpdateDepeg>) -> Result<()> {
        keeper::update_depeg::update_depeg(ctx)
    }

    /// Realises an account's profit and loss on one underlying and pays it into or out of the pool.
    pub fn settle_pnl<'info>(ctx: Context<'info, SettlePnl<'info>>, borrow: bool) -> Result<()> {
        keeper::settle_pnl::settle_pnl(ctx, borrow)
    }

    /// Turns an account's positions of a settled expiry into a claim.
    pub fn settle_expiry(ctx: Context<SettleExpiry>, expiry: u8) -> Result<()> {
        keeper::settle_expiry::settle_expiry(ctx, expiry)
    }

    /// Moves fees from a pool to insurance and fees of the quote bank.
    pub fn sweep_fees(ctx: Context<SweepFees>) -> Result<()> {
        keeper::sweep_fees::sweep_fees(ctx)
    }

    /// Takes over positions of an account below its maintenance margin. Anyone with margin for them.
    pub fn liquidate<'info>(
        ctx: Context<'info, Liquidate<'info>>,
        legs: Vec<LiquidationLeg>,
        max_units: u64,
    ) -> Result<()> {
        keeper::liquidate::liquidate(ctx, legs, max_units)
    }

    /// Buys collateral of such an account for what it owes.
    pub fn liquidate_collateral<'info>(ctx: Context<'info, LiquidateCollateral<'info>>, max_repay: u64) -> Result<()> {
        keeper::liquidate_collateral::liquidate_collateral(ctx, max_repay)
    }

    /// Buys a part of everything that such an account holds.
    pub fn liquidate_slice<'info>(ctx: Context<'info, LiquidateSlice<'info>>, max_share: i64) -> Result<()> {
        keeper::liquidate_slice::liquidate_slice(ctx, max_share)
    }

    /// Takes collateral out of such an account to sell it elsewhere. No inventory is needed.
    pub fn begin_bracket<'info>(ctx: Context<'info, BeginBracket<'info>>, amount: u64) -> Result<()> {
        keeper::begin_bracket::begin_bracket(ctx, amount)
    }

    /// Pays in what it was sold for, in the same transaction.
    pub fn end_bracket<'info>(ctx: Context<'info, EndBracket<'info>>, amount: u64) -> Result<()> {
        keeper::end_bracket::end_bracket(ctx, amount)
    }

    /// Writes down where an account stands.
    pub fn flag_account<'info>(ctx: Context<'info, FlagAccount<'info>>) -> Result<()> {
        keeper::flag_account::flag_account(ctx)
    }

    pub fn prove_breach<'info>(
        ctx: Context<'info, ProveBreach<'info>>,
        cells: [u8; constants::MAX_UNDERLYINGS],
    ) -> Result<()> {
        keeper::prove_breach::prove_breach(ctx, cells)
    }

    /// Pays what a bankrupt account owes a pool, from the floor and insurance, and writes the rest off.
    pub fn cover_deficit<'info>(ctx: Context<'info, CoverDeficit<'info>>) -> Result<()> {
        keeper::cover_deficit::cover_deficit(ctx)
    }

    /// The same for what it owes a bank.
    pub fn write_off_debt<'info>(ctx: Context<'info, WriteOffDebt<'info>>) -> Result<()> {
        keeper::write_off_debt::write_off_debt(ctx)
    }

    /// Names an account whose position may be closed against a bankrupt one's.
    pub fn nominate_candidate<'info>(
        ctx: Context<'info, NominateCandidate<'info>>,
        instrument: Instrument,
    ) -> Result<()> {
        keeper::nominate_candidate::nominate_candidate(ctx, instrument)
    }

    /// Closes it.
    pub fn deleverage<'info>(ctx: Context<'info, Deleverage<'info>>, instrument: Instrument) -> Result<()> {
        keeper::deleverage::deleverage(ctx, instrument)
    }

    /// Registers an account's profit to bear its part of a loss.
    pub fn register_profit(ctx: Context<RegisterProfit>) -> Result<()> {
        keeper::register_profit::register_profit(ctx)
    }

    /// Lets registered profit bear the losses of an underlying.
    pub fn share_loss(ctx: Context<ShareLoss>) -> Result<()> {
        keeper::share_loss::share_loss(ctx)
    }

    // Views: nothing is written.

    /// What an account's margin would be after a trade, deposits and withdrawals.
    pub fn preview<'info>(ctx: Context<'info, PreviewChange<'info>>, args: PreviewArgs) -> Result<PreviewAnswer> {
        views::preview::preview(ctx, args)
    }

    /// Every number behind an account's margin.
    pub fn explain<'info>(ctx: Context<'info, Explain<'info>>, slot: u8) -> Result<Explanation> {
        views::explain::explain(ctx, slot)
    }

    /// Fails when an account's equity is less than so much above a margin level.
    pub fn health_check<'info>(ctx: Context<'info, HealthCheck<'info>>, level: Level, least: i64) -> Result<()> {
        views::health_check::health_check(ctx, level, least)
    }

    /// Fails when an account has changed since.
    pub fn sequence_check(ctx: Context<SequenceCheck>, expected: u64) -> Result<()> {
        views::sequence_check::sequence_check(ctx, expected)
    }

    /// A bank's balance sheet; fails when it does not balance.
    pub fn solvency(ctx: Context<CheckSolvency>) -> Result<SolvencyStatement> {
        views::solvency::solvency(ctx)
    }

    // Governance.

    /// Creates a deployment with its own roles, money and price sources. Only the program's upgrade authority.
    pub fn create_group(ctx: Context<CreateGroup>, args: CreateGroupArgs) -> Result<()> {
        governance::create_group::create_group(ctx, args)
    }

    /// Opens the group for deposits; from then on loosening changes wait.
    pub fn launch(ctx: Context<Launch>) -> Result<()> {
        governance::launch::launch(ctx)
    }

    /// Lists a collateral token and creates its vault, with all caps at zero.
    pub fn list_bank(ctx: Context<ListBank>) -> Result<()> {
        governance::list_bank::list_bank(ctx)
    }

    /// Makes room for an underlying's sheet; call until it has its size.
    pub fn grow_underlying(ctx: Context<GrowUnderlying>, symbol: [u8; 16]) -> Result<()> {
        governance::grow_underlying::grow_underlying(ctx, symbol)
    }

    /// Lists a price risk factor, with all caps at zero.
    pub fn list_underlying(ctx: Context<ListUnderlying>, args: ListUnderlyingArgs) -> Result<()> {
        governance::list_underlying::list_underlying(ctx, args)
    }

    /// Lists an expiry with its future.
    pub fn list_expiry(ctx: Context<ListExpiry>, args: ListExpiryArgs) -> Result<()> {
        governance::list_expiry::list_expiry(ctx, args)
    }

    /// Lists calls and puts on an expiry.
    pub fn list_strikes(ctx: Context<ListStrikes>, expiry: u8, prices: Vec<i64>) -> Result<()> {
        governance::list_strikes::list_strikes(ctx, expiry, prices)
    }

    /// Frees the slots of an expiry that is past and empty. Anyone.
    pub fn close_expiry(ctx: Context<CloseExpiry>, expiry: u8) -> Result<()> {
        governance::close_expiry::close_expiry(ctx, expiry)
    }

    /// Sets the carry and the volatilities of an expiry, within bounds on their rate of change.
    pub fn set_surface(ctx: Context<SetSurface>, expiry: u8, series: u32, surface: Surface) -> Result<()> {
        governance::set_surface::set_surface(ctx, expiry, series, surface)
    }

    /// Registers another program as a venue, with all terms at zero.
    pub fn register_venue(ctx: Context<RegisterVenue>, number: u16) -> Result<()> {
        governance::register_venue::register_venue(ctx, number)
    }

    /// Announces a change of parameters.
    pub fn queue_change(ctx: Context<QueueChange>, change: Change) -> Result<()> {
        governance::queue_change::queue_change(ctx, change)
    }

    /// Makes an announced change whose time has come. Anyone.
    pub fn execute_change(ctx: Context<ExecuteChange>) -> Result<()> {
        governance::execute_change::execute_change(ctx)
    }

    /// Withdraws an announced change.
    pub fn cancel_change(ctx: Context<CancelChange>) -> Result<()> {
        governance::cancel_change::cancel_change(ctx)
    }

    /// Makes a change that only tightens, or any before the launch.
    pub fn change_now(ctx: Context<ChangeNow>, change: Change) -> Result<()> {
        governance::change_now::change_now(ctx, change)
    }

    /// Stops what a guardian may stop, for up to a week.
    pub fn pause(ctx: Context<PauseGroup>, bits: u32, secs: u32) -> Result<()> {
        governance::pause::pause(ctx, bits, secs)
    }

    /// Pays out fees that a bank has earned.
    pub fn collect_fees(ctx: Context<CollectFees>, amount: u64) -> Result<()> {
        governance::collect_fees::collect_fees(ctx, amount)
    }
}
