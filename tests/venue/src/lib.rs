//! An order book in miniature, and all that another program needs to have its fills margined by Margrave: docs/venues.md.
//!
//! Makers leave orders here, a taker fills the oldest that suit, and each fill is one call of `venue_fill`, signed with the address that
//! Margrave has found for this venue. The book holds no money and looks at no margin: what an account cannot carry Margrave refuses, and
//! the whole take with it. A taker leaves out a maker whose orders are refused by not naming his account.

use anchor_lang::prelude::*;
use margrave::{
    constants::VENUE_AUTHORITY_SEED,
    cpi,
    program::Margrave,
    state::{Group, Instrument, MarginAccount, Venue},
    trading::Leg,
};

declare_id!("vnuJ9RuUFjcgRApAsyvLVexQ2RnDHakoBuohXYNHHYG");

/// Orders that one book holds at once.
pub const MAX_ORDERS: usize = 16;

#[program]
pub mod margrave_venue {
    use super::*;

    /// Opens the book of one instrument. Anyone.
    pub fn open_book(context: Context<OpenBook>, underlying: u16, instrument: Instrument) -> Result<()> {
        let venue = context.accounts.venue.key();
        context.accounts.book.set_inner(Book { venue, underlying, instrument, next: 0, orders: vec![] });
        Ok(())
    }

    /// Leaves an order: `quantity` smallest units, positive to buy, at `price` (10^-10 dollars), until `expires_at` (unix seconds).
    pub fn post(context: Context<ChangeBook>, quantity: i64, price: i64, expires_at: i64) -> Result<()> {
        let (margin_account, now) = (context.accounts.margin_account.key(), Clock::get()?.unix_timestamp);
        let book = &mut context.accounts.book;
        book.orders.retain(|order| now <= order.expires_at);
        require!(book.orders.len() < MAX_ORDERS, BookError::BookIsFull);
        require!(quantity != 0 && quantity != i64::MIN, BookError::NothingToTrade);
        let id = book.next;
        book.next += 1;
        book.orders.push(Order { id, margin_account, quantity, price, expires_at });
        Ok(())
    }

    /// Takes an order out.
    pub fn cancel(context: Context<ChangeBook>, id: u64) -> Result<()> {
        let margin_account = context.accounts.margin_account.key();
        let orders = &mut context.accounts.book.orders;
        let place = orders.iter().position(|order| order.id == id && order.margin_account == margin_account);
        orders.remove(place.ok_or(BookError::NoSuchOrder)?);
        Ok(())
    }

    /// Trades `quantity` (positive buys) against the oldest orders of `makers` that are no worse than `limit`, all or nothing.
    pub fn take<'info>(context: Context<'info, Take<'info>>, args: TakeArgs) -> Result<()> {
        let now = Clock::get()?.unix_timestamp;
        let Take { book, taker, .. } = context.accounts;
        let suits = |order: &Order| {
            let crosses = if args.quantity > 0 { order.price <= args.limit } else { order.price >= args.limit };
            let opposite = order.quantity.signum() == -args.quantity.signum();
            opposite && crosses && now <= order.expires_at && order.margin_account != taker.key()
        };
        let makers = usize::from(args.makers) * 2;
        require!(args.quantity != 0 && makers <= context.remaining_accounts.len(), BookError::NothingToTrade);
        let (makers, trade) = context.remaining_accounts.split_at(makers);
        let (mut left, mut fills) = (args.quantity, Vec::new());
        for order in book.orders.iter_mut().filter(|order| suits(order)) {
            let maker = makers.chunks_exact(2).find(|pair| *pair[0].key == order.margin_account);
            let Some(maker) = maker.filter(|_| left != 0) else { continue };
            let size = if order.quantity.unsigned_abs() < left.unsigned_abs() { -order.quantity } else { left };
            (left, order.quantity) = (left - size, order.quantity + size);
            fills.push((maker, size, order.price));
        }
        require!(left == 0, BookError::NotEnoughOrders);
        book.orders.retain(|order| order.quantity != 0);

        let (underlying, instrument) = (book.underlying, book.instrument);
        for (maker, quantity, price) in fills {
            let leg = Leg { underlying, instrument, quantity, price };
            context.accounts.fill(&maker[0], &maker[1], trade, leg, args.sheet)?;
        }
        Ok(())
    }

    /// For tests only, see `pass_on`: a venue that somebody has taken over.
    pub fn fallback<'info>(program: &Pubkey, accounts: &'info [AccountInfo<'info>], data: &[u8]) -> Result<()> {
        pass_on(program, accounts, data)
    }
}

#[derive(AnchorSerialize, AnchorDeserialize, Clone, Debug)]
pub struct TakeArgs {
    pub quantity: i64,
    /// Worst price, 10^-10 dollars.
    pub limit: i64,
    /// So many makers' margin accounts, each with its consent, come first among the remaining accounts; then those of a trade.
    pub makers: u8,
    /// The place of the underlying among those of the trade.
    pub sheet: u8,
}

#[derive(Accounts)]
#[instruction(underlying: u16, instrument: Instrument)]
pub struct OpenBook<'info> {
    #[account(mut)]
    pub payer: Signer<'info>,
    #[account(constraint = venue.load()?.program == crate::ID @ BookError::VenueOfOthers)]
    pub venue: AccountLoader<'info, Venue>,
    #[account(
        init,
        payer = payer,
        space = Book::SPACE,
        seeds = [
            b"book",
            venue.key().as_ref(),
            &underlying.to_le_bytes(),
            &[instrument.kind as u8, instrument.expiry],
            &instrument.strike.to_le_bytes(),
            &instrument.series.to_le_bytes(),
        ],
        bump,
    )]
    pub book: Account<'info, Book>,
    pub system_program: Program<'info, System>,
}

#[derive(Accounts)]
pub struct ChangeBook<'info> {
    /// The owner of the margin account, or its delegate.
    pub trader: Signer<'info>,
    #[account(
        constraint = margin_account.load()?.may_trade(trader.key, Clock::get()?.unix_timestamp)
            @ BookError::SignerMayNotTrade,
    )]
    pub margin_account: AccountLoader<'info, MarginAccount>,
    #[account(mut)]
    pub book: Account<'info, Book>,
}

#[derive(Accounts)]
pub struct Take<'info> {
    /// The owner of the taking account, or its delegate: Margrave asks for his consent to the venue, the venue for his order.
    pub trader: Signer<'info>,
    #[account(mut, has_one = venue @ BookError::VenueOfOthers)]
    pub book: Account<'info, Book>,
    pub group: AccountLoader<'info, Group>,
    #[account(mut)]
    pub venue: AccountLoader<'info, Venue>,
    /// CHECK: what signs for the venue. Not checked here: Margrave refuses any other.
    pub authority: UncheckedAccount<'info>,
    #[account(
        mut,
        constraint = taker.load()?.may_trade(trader.key, Clock::get()?.unix_timestamp) @ BookError::SignerMayNotTrade,
    )]
    pub taker: AccountLoader<'info, MarginAccount>,
    /// CHECK: Margrave checks it.
    #[account(mut)]
    pub taker_consent: UncheckedAccount<'info>,
    /// CHECK: Margrave checks it.
    pub event_authority: UncheckedAccount<'info>,
    /// By its address, so that no other program is taken for it (P-13).
    pub margrave: Program<'info, Margrave>,
    // remaining - makers and their consents, then the accounts of a trade
}

impl<'info> Take<'info> {
    /// One call of Margrave.
    fn fill(
        &self,
        maker: &AccountInfo<'info>,
        maker_consent: &AccountInfo<'info>,
        trade: &[AccountInfo<'info>],
        leg: Leg,
        sheet: u8,
    ) -> Result<()> {
        let venue = self.venue.key();
        let (_, bump) = Pubkey::find_program_address(&[VENUE_AUTHORITY_SEED, venue.as_ref()], &crate::ID);
        let seeds: &[&[u8]] = &[VENUE_AUTHORITY_SEED, venue.as_ref(), &[bump]];
        let accounts = cpi::accounts::VenueFill {
            group: self.group.to_account_info(),
            venue: self.venue.to_account_info(),
            authority: self.authority.to_account_info(),
            taker: self.taker.to_account_info(),
            maker: maker.clone(),
            taker_consent: self.taker_consent.to_account_info(),
            maker_consent: maker_consent.clone(),
            event_authority: self.event_authority.to_account_info(),
            program: self.margrave.to_account_info(),
        };
        let signers = [seeds];
        let call = CpiContext::new_with_signer(margrave::ID, accounts, &signers);
        cpi::venue_fill(call.with_remaining_accounts(trade.to_vec()), vec![leg], vec![sheet])
    }
}

/// The orders in one instrument, oldest first.
#[account]
pub struct Book {
    pub venue: Pubkey,
    /// The underlying's index in its group.
    pub underlying: u16,
    pub instrument: Instrument,
    /// The next order's number.
    pub next: u64,
    pub orders: Vec<Order>,
}

#[derive(AnchorSerialize, AnchorDeserialize, Clone, Debug, PartialEq, Eq)]
pub struct Order {
    pub id: u64,
    pub margin_account: Pubkey,
    /// What is left of it: positive buys.
    pub quantity: i64,
    pub price: i64,
    pub expires_at: i64,
}

impl Book {
    pub const SPACE: usize = 8 + 32 + 2 + 8 + 8 + 4 + MAX_ORDERS * 64;
}

#[error_code]
pub enum BookError {
    #[msg("The book is of another venue, or the venue of another program")]
    VenueOfOthers,
    #[msg("The signer is neither the account's owner nor a delegate whose time has not run out")]
    SignerMayNotTrade,
    #[msg("The book holds its 16 orders already")]
    BookIsFull,
    #[msg("The margin account has no such order here")]
    NoSuchOrder,
    #[msg("A quantity is not zero, and every maker is named with a consent")]
    NothingToTrade,
    #[msg("The orders of the named makers within the limit are not enough")]
    NotEnoughOrders,
}

/// Sends whatever it is given to Margrave, and signs as the first venue among the accounts. What a thief of this program's upgrade
/// authority could do: tests do it (P-42).
fn pass_on<'info>(program: &Pubkey, accounts: &'info [AccountInfo<'info>], data: &[u8]) -> Result<()> {
    use anchor_lang::solana_program::{instruction::Instruction, program::invoke_signed};
    let venue = accounts.iter().find(|info| AccountLoader::<Venue>::try_from(info).is_ok());
    let venue = venue.map_or(Pubkey::default(), |info| *info.key);
    let (authority, bump) = Pubkey::find_program_address(&[VENUE_AUTHORITY_SEED, venue.as_ref()], program);
    let meta = |info: &AccountInfo| AccountMeta {
        pubkey: *info.key,
        is_signer: info.is_signer || *info.key == authority,
        is_writable: info.is_writable,
    };
    let call =
        Instruction { program_id: margrave::ID, accounts: accounts.iter().map(meta).collect(), data: data.to_vec() };
    invoke_signed(&call, accounts, &[&[VENUE_AUTHORITY_SEED, venue.as_ref(), &[bump]]]).map_err(Into::into)
}
