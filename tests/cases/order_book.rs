//! The example venue: orders rest on its book, and margin decides when they are filled, not when they are posted.

use crate::{common::*, desk::*, venues::*};
use anchor_lang::AccountDeserialize;
use margrave::state::Instrument;
use margrave_client::instruction::{instruction_of, trade_accounts};
use margrave_venue::{Book, BookError, Order, TakeArgs, accounts, instruction as data};

/// The book of SOL's perp at one venue.
pub struct OrderBook {
    pub venue: Pubkey,
    pub key: Pubkey,
    group: Pubkey,
    sol: Pubkey,
    usdc_bank: Pubkey,
}

impl OrderBook {
    pub fn open(world: &mut World, venue: Pubkey) -> Self {
        let (underlying, instrument) = (world.underlying().index, Instrument::PERP);
        let seeds: &[&[u8]] = &[b"book", venue.as_ref(), &underlying.to_le_bytes(), &[1, 0], &[0; 2], &[0; 4]];
        let key = Pubkey::find_program_address(seeds, &margrave_venue::ID).0;
        let payer = world.admin.pubkey();
        let open = accounts::OpenBook { payer, venue, book: key, system_program: Pubkey::default() };
        let open = instruction_of(margrave_venue::ID, open, data::OpenBook { underlying, instrument });
        world.send(&[open], &[]).unwrap();
        Self { venue, key, group: world.group, sol: world.sol, usdc_bank: world.usdc_bank }
    }

    pub fn orders(&self, world: &World) -> Vec<Order> {
        let account = world.svm.get_account(&self.key).unwrap();
        Book::try_deserialize(&mut &account.data[..]).unwrap().orders
    }

    fn change(&self, trader: Pubkey, margin_account: Pubkey) -> accounts::ChangeBook {
        accounts::ChangeBook { trader, margin_account, book: self.key }
    }

    /// For ten minutes.
    pub fn post(&self, world: &mut World, maker: &Trader, quantity: i64, price: i64) -> Outcome {
        let expires_at = world.now() + 600;
        let accounts = self.change(maker.key(), maker.margin_account);
        let post = instruction_of(margrave_venue::ID, accounts, data::Post { quantity, price, expires_at });
        world.send(&[post], &[&maker.keypair])
    }

    pub fn cancel(&self, world: &mut World, maker: &Trader, id: u64) -> Outcome {
        let accounts = self.change(maker.key(), maker.margin_account);
        world.send(&[instruction_of(margrave_venue::ID, accounts, data::Cancel { id })], &[&maker.keypair])
    }

    /// A program of ours calls Margrave with these accounts; so does any integrator's.
    pub fn take_instruction(
        &self,
        world: &World,
        taker: &Trader,
        makers: &[&Trader],
        quantity: i64,
        limit: i64,
    ) -> Instruction {
        let accounts = accounts::Take {
            trader: taker.key(),
            book: self.key,
            group: self.group,
            venue: self.venue,
            authority: pda::venue_authority(&self.venue, &margrave_venue::ID),
            taker: taker.margin_account,
            taker_consent: pda::consent(&taker.margin_account, &self.venue),
            event_authority: instruction::event_authority(),
            margrave: margrave::ID,
        };
        let everybody: Vec<_> = [taker].iter().chain(makers).map(|trader| world.account(trader)).collect();
        let everybody: Vec<_> = everybody.iter().collect();
        let (rest, sheets) = trade_accounts(&everybody, &[self.sol], self.usdc_bank, false);
        let args = TakeArgs { quantity, limit, makers: u8::try_from(makers.len()).unwrap(), sheet: sheets[0] };
        let mut take = instruction_of(margrave_venue::ID, accounts, data::Take { args });
        for maker in makers {
            let consent = pda::consent(&maker.margin_account, &self.venue);
            take.accounts.extend([maker.margin_account, consent].map(|key| AccountMeta::new(key, false)));
        }
        take.accounts.extend(rest);
        take
    }

    pub fn take(&self, world: &mut World, taker: &Trader, makers: &[&Trader], quantity: i64, limit: i64) -> Outcome {
        let take = self.take_instruction(world, taker, makers, quantity, limit);
        world.send(&[take], &[&taker.keypair])
    }
}

/// A refusal by the book itself.
#[track_caller]
pub fn book_refuses(world: &mut World, error: BookError, action: impl FnOnce(&mut World) -> Outcome) {
    let code = error as u32 + anchor_lang::error::ERROR_CODE_OFFSET;
    refuses_with_code(world, code, action);
}

fn position(world: &World, trader: &Trader) -> i64 {
    holding(world, trader, &Instrument::PERP).0
}

/// What the book itself looks after: whose orders they are, until when, and that a taker wants what he takes.
#[test]
fn an_order_is_its_trader_s_until_its_time() {
    let Floor { mut world, maker, alice, venue } = Floor::open();
    let book = OrderBook::open(&mut world, venue);
    book_refuses(&mut world, BookError::NothingToTrade, |world| book.post(world, &maker, 0, PRICE));
    book.post(&mut world, &maker, -10 * SOL_LONG, PRICE).unwrap();
    book.post(&mut world, &maker, -10 * SOL_LONG, PRICE + 1).unwrap();
    // In another's name nobody posts, cancels or takes.
    let thief = keypair(85);
    for instruction in [
        instruction_of(
            margrave_venue::ID,
            book.change(thief.pubkey(), alice.margin_account),
            data::Post { quantity: 1, price: 1, expires_at: i64::MAX },
        ),
        instruction_of(margrave_venue::ID, book.change(thief.pubkey(), maker.margin_account), data::Cancel { id: 0 }),
        with_account(book.take_instruction(&world, &alice, &[&maker], SOL_LONG, PRICE), alice.key(), thief.pubkey()),
    ] {
        book_refuses(&mut world, BookError::SignerMayNotTrade, |world| world.send(&[instruction], &[&thief]));
    }
    book_refuses(&mut world, BookError::NoSuchOrder, |world| book.cancel(world, &alice, 0));

    let refused = BookError::NotEnoughOrders;
    book_refuses(&mut world, refused, |world| book.take(world, &alice, &[&maker], 11 * SOL_LONG, PRICE));
    book_refuses(&mut world, BookError::NotEnoughOrders, |world| book.take(world, &alice, &[], SOL_LONG, PRICE));
    book_refuses(&mut world, BookError::NotEnoughOrders, |world| book.take(world, &alice, &[&maker], -SOL_LONG, PRICE));
    book.take(&mut world, &alice, &[&maker], 12 * SOL_LONG, PRICE + 1).unwrap();
    assert_eq!((position(&world, &alice), position(&world, &maker)), (12 * SOL_LONG, -12 * SOL_LONG));
    let [left] = &book.orders(&world)[..] else { panic!("one order is used up") };
    assert_eq!((left.id, left.quantity, left.price), (1, -8 * SOL_LONG, PRICE + 1));
    book.cancel(&mut world, &maker, 1).unwrap();
    assert!(book.orders(&world).is_empty());

    book.post(&mut world, &maker, -SOL_LONG, PRICE).unwrap();
    world.set_time(world.now() + 601);
    world.set_price(PRICE).unwrap();
    book_refuses(&mut world, BookError::NotEnoughOrders, |world| book.take(world, &alice, &[&maker], SOL_LONG, PRICE));
    check_books(&world).unwrap();
}

/// P-13: a venue calls Margrave by its address; a program that stands in for it is refused.
#[test]
fn a_fake_margrave_is_refused_by_the_venue() {
    let Floor { mut world, maker, alice, venue } = Floor::open();
    let book = OrderBook::open(&mut world, venue);
    book.post(&mut world, &maker, -SOL_LONG, PRICE).unwrap();
    let take = book.take_instruction(&world, &alice, &[&maker], SOL_LONG, PRICE);
    for fake in [TOKEN_PROGRAM, margrave_venue::ID] {
        let take = with_account(take.clone(), margrave::ID, fake);
        // Anchor: InvalidProgramId.
        refuses_with_code(&mut world, 3008, |world| world.send(&[take], &[&alice.keypair]));
    }
    // Nor is a venue that the fake would have registered: an account of another program with a venue's bytes.
    let forged = keypair(86).pubkey();
    let account = world.svm.get_account(&venue).unwrap();
    world.svm.set_account(forged, solana_account::Account { owner: TOKEN_PROGRAM, ..account }).unwrap();
    let take = with_account(take, venue, forged);
    refuses_with_code(&mut world, WRONG_PROGRAM, |world| world.send(&[take], &[&alice.keypair]));
}

/// P-14: what a call of Margrave has written the next one sees, in one transaction and within one instruction of the venue's.
#[test]
fn a_fill_sees_what_was_written_before_it() {
    let Floor { mut world, maker, alice, venue } = Floor::open();
    let book = OrderBook::open(&mut world, venue);
    let bob = world.funded("bob", 5_000 * DOLLAR, 0);
    let until = world.now() + DAY;
    consent(&mut world, &bob, venue, until, u64::MAX).unwrap();
    for trader in [&maker, &bob] {
        book.post(&mut world, trader, -300 * SOL_LONG, PRICE).unwrap();
    }
    // 26 % of 10,500 dollars are 2,730: one fill fits 5,000 dollars, two do not, in either order.
    let untouched = world.svm.clone();
    for makers in [[&maker, &bob], [&bob, &maker]] {
        world.refuses(InitialMarginNotMet, |world| book.take(world, &alice, &makers, 600 * SOL_LONG, PRICE));
    }
    book.take(&mut world, &alice, &[&maker], 300 * SOL_LONG, PRICE).unwrap();
    world.refuses(InitialMarginNotMet, |world| book.take(world, &alice, &[&bob], 300 * SOL_LONG, PRICE));

    // A withdrawal before the fill, and a deposit.
    world.svm = untouched;
    let out = and_account(world.withdraw_instruction(&alice, Token::Usdc, 3_000 * DOLLAR), world.sol);
    let take = book.take_instruction(&world, &alice, &[&maker], 300 * SOL_LONG, PRICE);
    world.refuses(InitialMarginNotMet, |world| world.send(&[out.clone(), take.clone()], &[&alice.keypair]));
    world.refuses(InitialMarginNotMet, |world| world.send(&[take, out], &[&alice.keypair]));
    world.give(&alice, Token::Usdc, 5_000 * DOLLAR);
    let (key, bank) = world.bank(Token::Usdc);
    let more = 5_000 * DOLLAR;
    let place = instruction::deposit(alice.key(), alice.margin_account, (key, &bank), alice.usdc, TOKEN_PROGRAM, more);
    let take = book.take_instruction(&world, &alice, &[&maker, &bob], 600 * SOL_LONG, PRICE);
    world.refuses(InitialMarginNotMet, |world| world.send(std::slice::from_ref(&take), &[&alice.keypair]));
    world.send(&[place, take], &[&alice.keypair]).unwrap();
    assert_eq!(position(&world, &alice), 600 * SOL_LONG);
    // What is stored is what the engine makes of what is stored (I-09).
    for trader in [&alice, &maker, &bob] {
        let (stored, anew) = (world.account(trader), world.accounts().value(&trader.margin_account, world.now()));
        assert_eq!((stored.equity, stored.initial_margin), {
            let anew = anew.unwrap();
            (anew.equity.micros(), anew.initial_margin.micros())
        });
    }
    check_books(&world).unwrap();
}

/// P-35: orders rest on two venues, each of which the maker can carry, and not both: the second is refused when it would be filled.
#[test]
fn resting_orders_on_two_venues_are_bound_by_one_margin() {
    let Floor { mut world, maker, alice, venue } = Floor::open();
    let second = register(&mut world, margrave_venue::ID, 1);
    let until = world.now() + DAY;
    for trader in [&maker, &alice] {
        consent(&mut world, trader, second, until, u64::MAX).unwrap();
    }
    let books = [venue, second].map(|venue| OrderBook::open(&mut world, venue));
    for book in &books {
        book.post(&mut world, &alice, 500 * SOL_LONG, PRICE).unwrap();
    }
    books[0].take(&mut world, &maker, &[&alice], -500 * SOL_LONG, PRICE).unwrap();
    world.refuses(InitialMarginNotMet, |world| books[1].take(world, &maker, &[&alice], -500 * SOL_LONG, PRICE));
    // What is left of her margin is filled, and what reduces is in any case.
    books[1].take(&mut world, &maker, &[&alice], -10 * SOL_LONG, PRICE).unwrap();
    books[0].post(&mut world, &alice, -510 * SOL_LONG, PRICE).unwrap();
    books[0].take(&mut world, &maker, &[&alice], 510 * SOL_LONG, PRICE).unwrap();
    assert_eq!(position(&world, &alice), 0);
    check_books(&world).unwrap();
}

/// P-40: whoever sweeps a venue's book moves the price of nobody else's position, and the funding rate no further than its cap.
#[test]
fn fills_move_nobody_s_mark() {
    let Floor { mut world, maker, alice, venue } = Floor::open();
    let book = OrderBook::open(&mut world, venue);
    let mallory = world.funded("mallory", 1_000_000 * DOLLAR, 0);
    let until = world.now() + DAY;
    consent(&mut world, &mallory, venue, until, u64::MAX).unwrap();
    world.trade(&alice, &maker, 500 * SOL_LONG, PRICE).unwrap();
    let victim = |world: &World| {
        let value = world.accounts().value(&alice.margin_account, world.now()).unwrap();
        (value.equity.micros(), value.maintenance_margin.micros(), world.account(&alice).positions[0].quantity)
    };
    let (before, mark) = (victim(&world), world.mark(&world.sol, &Instrument::PERP));
    let low = PRICE * 95 / 100;
    for _ in 0..5 {
        book.post(&mut world, &maker, 2_000 * SOL_LONG, low).unwrap();
        book.take(&mut world, &mallory, &[&maker], -2_000 * SOL_LONG, low).unwrap();
    }
    assert_eq!((victim(&world), world.mark(&world.sol, &Instrument::PERP)), (before, mark));
    world.refuses(AccountIsHealthy, |world| world.liquidate(&maker, &alice, u64::MAX));
    // Eight hours at the highest rate, 0.3 %, are 52.5 dollars of 17,500; an hour at most is charged at once.
    world.set_time(world.now() + 3_600);
    world.set_price(PRICE).unwrap();
    let after = victim(&world).0;
    assert!((before.0 - after).abs() <= 52_500_000 / 8 + 1, "{}", before.0 - after);
    check_books(&world).unwrap();
}
