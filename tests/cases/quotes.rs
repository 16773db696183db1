//! Signed quotes: what a signature lets a taker do, and what it does not. And delegates, who may sign them.

use crate::{common::*, desk::*};
use margrave::state::{Instrument, Mode};
use margrave_client::{Leg, Quote, SignedQuote};

/// A market in which the maker quotes, and alice takes.
struct Quoting {
    world: World,
    maker: Trader,
    alice: Trader,
}

impl Quoting {
    fn open() -> Self {
        let Market { world, maker, alice } = Market::open();
        Self { world, maker, alice }
    }

    /// Up to a hundred times one SOL at 35 dollars, for an hour, to anyone.
    fn quote(&self, nonce: u64) -> Quote {
        Quote {
            group: self.world.group,
            maker: self.maker.margin_account,
            quotes_since: self.world.account(&self.maker).quotes_since,
            taker: Pubkey::default(),
            expires_at: self.world.now() + 3_600,
            nonce,
            units: 100,
            legs: vec![Leg {
                underlying: self.world.underlying().index,
                instrument: Instrument::PERP,
                quantity: SOL_LONG,
                price: PRICE,
            }],
        }
    }

    fn sign(&self, quote: Quote) -> SignedQuote {
        SignedQuote::sign(quote, &self.maker.keypair)
    }

    fn fill(&mut self, signed: &SignedQuote, units: u64) -> Outcome {
        let both = self.world.fill_instructions(&self.alice, &self.maker, signed, units);
        self.world.send(&both, &[&self.alice.keypair])
    }

    #[track_caller]
    fn refuses(&mut self, error: MargraveError, signed: &SignedQuote, units: u64) {
        let both = self.world.fill_instructions(&self.alice, &self.maker, signed, units);
        let Self { world, alice, .. } = self;
        world.refuses(error, |world| world.send(&both, &[&alice.keypair]));
    }

    /// The fill of a quote, with another instruction before it in place of the signature's check.
    #[track_caller]
    fn refuses_check(&mut self, error: MargraveError, signed: &SignedQuote, check: &[Instruction]) {
        let [_, fill] = self.world.fill_instructions(&self.alice, &self.maker, signed, 1);
        let mut all = check.to_vec();
        // The fill names the first instruction of the transaction.
        all.push(fill);
        let Self { world, alice, .. } = self;
        world.refuses(error, |world| world.send(&all, &[&alice.keypair]));
    }

    fn cancel(&mut self, nonce: u64, all_below: bool) -> Outcome {
        let cancel = instruction::cancel_quotes(self.maker.key(), self.maker.margin_account, nonce, all_below);
        self.world.send(&[cancel], &[&self.maker.keypair])
    }

    fn later(&mut self, seconds: i64) {
        self.world.set_time(self.world.now() + seconds);
        self.world.set_price(PRICE).unwrap();
    }

    fn position(&self) -> i64 {
        holding(&self.world, &self.alice, &Instrument::PERP).0
    }
}

#[test]
fn a_fill_is_a_trade_at_the_quoted_price() {
    let mut market = Quoting::open();
    let signed = market.sign(market.quote(1));
    assert!(signed.verify());
    let receipt = market.fill(&signed, 3).unwrap();
    let events = receipt.events();
    let [Event::QuoteTraded(event)] = &events[..] else { panic!("one event") };
    assert_eq!((event.nonce, event.units, event.legs[0].quantity), (1, 3, 3 * SOL_LONG));
    // 105 dollars and 0.05 %: what a trade that both sign costs.
    assert_eq!(holding(&market.world, &market.alice, &Instrument::PERP), (3 * SOL_LONG, -105_000_000));
    assert_eq!(holding(&market.world, &market.maker, &Instrument::PERP), (-3 * SOL_LONG, 105_000_000));
    assert_eq!((claim(&market.world, &market.alice), claim(&market.world, &market.maker)), (-52_500, -21_000));
    check_books(&market.world).unwrap();
}

/// I-04: a quote is filled up to its units, in any number of pieces, and never again.
#[test]
fn a_quote_is_never_filled_beyond_its_units() {
    let mut market = Quoting::open();
    let signed = market.sign(market.quote(1));
    market.refuses(AmountMustBePositive, &signed, 0);
    for units in [101, u64::MAX, i64::MAX.unsigned_abs()] {
        market.refuses(QuoteFilled, &signed, units);
    }
    market.fill(&signed, 60).unwrap();
    market.refuses(QuoteFilled, &signed, 41);
    market.refuses(QuoteFilled, &signed, u64::MAX);
    market.fill(&signed, 40).unwrap();
    for _ in 0..2 {
        market.refuses(QuoteFilled, &signed, 1);
    }
    assert_eq!(market.position(), 100 * SOL_LONG);
    check_books(&market.world).unwrap();
}

/// I-04: under one nonce there is one count, whatever else two quotes say.
#[test]
fn two_quotes_of_one_nonce_share_what_is_filled() {
    let mut market = Quoting::open();
    let first = market.sign(market.quote(1));
    let second = market.sign(Quote { units: 50, expires_at: market.world.now() + 7_200, ..market.quote(1) });
    market.fill(&first, 40).unwrap();
    market.refuses(QuoteFilled, &second, 11);
    market.fill(&second, 10).unwrap();
    market.fill(&first, 50).unwrap();
    market.refuses(QuoteFilled, &first, 1);
    // Remembered as long as the longer one lives.
    market.later(3_601);
    market.refuses(QuoteFilled, &second, 1);
    check_books(&market.world).unwrap();
}

/// Units that no quantity can hold.
#[test]
fn units_beyond_any_quantity_are_refused() {
    let mut market = Quoting::open();
    let quote = Quote { units: u64::MAX, ..market.quote(1) };
    let signed = market.sign(quote);
    for units in [u64::MAX, u64::MAX - 1, 1 << 63, i64::MAX.unsigned_abs(), 1 << 40] {
        market.refuses(ValueOutOfRange, &signed, units);
    }
    let mut smallest = market.quote(2);
    (smallest.units, smallest.legs[0].quantity) = (u64::MAX, i64::MIN);
    let signed = market.sign(smallest);
    market.refuses(ValueOutOfRange, &signed, 2);
    market.refuses(QuantityNotInLots, &signed, 1);
    assert_eq!(market.position(), 0);
}

/// I-04.
#[test]
fn a_cancelled_quote_is_void() {
    let mut market = Quoting::open();
    let signed = market.sign(market.quote(1));
    market.fill(&signed, 10).unwrap();
    market.cancel(1, false).unwrap();
    market.refuses(QuoteCancelled, &signed, 1);
    // Before it was ever seen.
    market.cancel(2, false).unwrap();
    let unseen = market.sign(market.quote(2));
    market.refuses(QuoteCancelled, &unseen, 1);
    market.cancel(2, false).unwrap();
    // Another one is not.
    let other = market.sign(market.quote(3));
    market.fill(&other, 1).unwrap();
    // However long it would have lived.
    let long = market.sign(Quote { expires_at: market.world.now() + 86_400, ..market.quote(2) });
    market.later(80_000);
    market.refuses(QuoteCancelled, &long, 1);
    check_books(&market.world).unwrap();
}

/// I-04: one instruction cancels everything below a nonce, seen or not, and nothing brings it back.
#[test]
fn every_quote_below_a_nonce_can_be_cancelled_at_once() {
    let mut market = Quoting::open();
    let quotes: Vec<SignedQuote> = [1, 9, 10, u64::MAX].map(|nonce| market.sign(market.quote(nonce))).to_vec();
    market.fill(&quotes[0], 1).unwrap();
    market.cancel(10, true).unwrap();
    for below in &quotes[..2] {
        market.refuses(QuoteCancelled, below, 1);
    }
    for lower in [0, 5] {
        market.cancel(lower, true).unwrap();
        market.refuses(QuoteCancelled, &quotes[1], 1);
    }
    market.cancel(5, false).unwrap();
    market.fill(&quotes[2], 1).unwrap();
    market.cancel(u64::MAX, true).unwrap();
    market.refuses(QuoteCancelled, &quotes[2], 1);
    market.fill(&quotes[3], 1).unwrap();
    market.cancel(u64::MAX, false).unwrap();
    market.refuses(QuoteCancelled, &quotes[3], 1);
    check_books(&market.world).unwrap();
}

#[test]
fn only_who_may_trade_cancels() {
    let mut market = Quoting::open();
    let cancel = instruction::cancel_quotes(market.alice.key(), market.maker.margin_account, 1, true);
    let Quoting { world, alice, maker } = &mut market;
    world.refuses(SignerMayNotTrade, |world| world.send(&[cancel], &[&alice.keypair]));
    let cancel = instruction::cancel_quotes(maker.key(), maker.margin_account, 1, true);
    let cancel = unsigned(cancel, maker.key());
    refuses_with_code(world, NOT_A_SIGNER, |world| world.send(&[cancel], &[]));
}

/// Two nonces 64 apart are remembered in one place: the second waits until the first is void, or cancelled by the floor.
#[test]
fn a_living_quote_is_not_forgotten_for_another() {
    let mut market = Quoting::open();
    let first = market.sign(market.quote(1));
    let second = market.sign(Quote { expires_at: market.world.now() + 7_200, ..market.quote(65) });
    market.fill(&first, 100).unwrap();
    market.refuses(QuoteSlotTaken, &second, 1);
    let Quoting { world, maker, .. } = &mut market;
    let cancel = instruction::cancel_quotes(maker.key(), maker.margin_account, 65, false);
    world.refuses(QuoteSlotTaken, |world| world.send(&[cancel], &[&maker.keypair]));

    // In the last second of the first one both still stand.
    market.later(3_600);
    market.refuses(QuoteFilled, &first, 1);
    market.refuses(QuoteSlotTaken, &second, 1);
    market.later(1);
    market.fill(&second, 1).unwrap();
    market.refuses(QuoteExpired, &first, 1);

    let third = market.sign(market.quote(129));
    market.refuses(QuoteSlotTaken, &third, 1);
    market.cancel(66, true).unwrap();
    market.fill(&third, 1).unwrap();
    market.refuses(QuoteCancelled, &second, 1);
    check_books(&market.world).unwrap();
}

#[test]
fn a_quote_lives_until_its_time_and_no_longer_than_a_day() {
    let mut market = Quoting::open();
    let now = market.world.now();
    let long = market.sign(Quote { expires_at: now + 86_401, ..market.quote(1) });
    market.refuses(QuoteLivesTooLong, &long, 1);
    for expires_at in [i64::MIN, -1, 0, now - 1] {
        let void = market.sign(Quote { expires_at, ..market.quote(2) });
        market.refuses(QuoteExpired, &void, 1);
    }
    for expires_at in [i64::MAX, i64::MAX - 1] {
        let endless = market.sign(Quote { expires_at, ..market.quote(2) });
        market.refuses(QuoteLivesTooLong, &endless, 1);
    }
    // What is too long now is a day in a second.
    market.world.set_time(now + 1);
    market.fill(&long, 1).unwrap();
    let signed = market.sign(market.quote(3));
    market.later(3_600);
    market.fill(&signed, 1).unwrap();
    market.later(1);
    market.refuses(QuoteExpired, &signed, 1);
}

/// A quote names its group, its maker and who may take it.
#[test]
fn a_quote_is_for_whom_it_names() {
    let mut market = Quoting::open();
    let bob = market.world.funded("bob", 5_000 * DOLLAR, 0);
    let quote = market.quote(1);
    let wrong = [
        Quote { group: Pubkey::new_unique(), ..quote.clone() },
        Quote { maker: bob.margin_account, ..quote.clone() },
        Quote { maker: market.alice.margin_account, ..quote.clone() },
        Quote { taker: bob.margin_account, ..quote.clone() },
        // The account, not its owner.
        Quote { taker: market.alice.key(), ..quote.clone() },
        Quote { quotes_since: quote.quotes_since - 1, ..quote.clone() },
    ];
    for quote in wrong {
        let signed = market.sign(quote);
        market.refuses(QuoteOfOthers, &signed, 1);
    }
    let signed = market.sign(Quote { taker: market.alice.margin_account, ..quote });
    market.fill(&signed, 1).unwrap();
}

/// A maker does not take his own quote.
#[test]
fn nobody_fills_his_own_quote() {
    let mut market = Quoting::open();
    let signed = market.sign(market.quote(1));
    let both = market.world.fill_instructions(&market.maker, &market.maker, &signed, 1);
    let Quoting { world, maker, .. } = &mut market;
    world.refuses(SelfDealing, |world| world.send(&both, &[&maker.keypair]));
}

/// I-17: the taker's own authority signs the transaction.
#[test]
fn nobody_is_made_to_take_a_quote() {
    let mut market = Quoting::open();
    let thief = market.world.funded("thief", 5_000 * DOLLAR, 0);
    let signed = market.sign(market.quote(1));
    let [check, fill] = market.world.fill_instructions(&market.alice, &market.maker, &signed, 1);
    let Quoting { world, alice, .. } = &mut market;
    let forged = with_account(fill.clone(), alice.key(), thief.key());
    world.refuses(SignerMayNotTrade, |world| world.send(&[check.clone(), forged], &[&thief.keypair]));
    let fill = unsigned(fill, alice.key());
    refuses_with_code(world, NOT_A_SIGNER, |world| world.send(&[check, fill], &[]));
}

/// A signature that is not one stops the transaction before the program runs.
#[test]
fn a_forged_signature_is_refused_by_the_runtime() {
    let mut market = Quoting::open();
    let signed = market.sign(market.quote(1));
    let dearer = SignedQuote { quote: market.quote(2), ..signed.clone() };
    let stranger = SignedQuote { signer: market.alice.key(), ..signed };
    for forged in [dearer, stranger] {
        assert!(!forged.verify());
        let before = market.world.snapshot();
        let refusal = market.fill(&forged, 1).unwrap_err();
        assert!(refusal.error.contains("Instruction 0"), "{refusal}");
        assert!(refusal.logs.iter().all(|line| !line.contains("fill")), "{refusal}");
        assert!(before == market.world.snapshot());
    }
}

/// A signature is the owner's, or that of a delegate while his time lasts.
#[test]
fn a_quote_is_signed_by_who_may_trade() {
    let mut market = Quoting::open();
    let delegate = keypair(77);
    let signed = SignedQuote::sign(market.quote(1), &delegate);
    market.refuses(QuoteSignerMayNotTrade, &signed, 1);
    let stranger = SignedQuote::sign(market.quote(1), &market.alice.keypair);
    market.refuses(QuoteSignerMayNotTrade, &stranger, 1);
    let until = market.world.now() + 600;
    appoint(&mut market.world, &market.maker, &delegate.pubkey(), until).unwrap();
    market.fill(&signed, 1).unwrap();
    market.later(600);
    market.fill(&signed, 1).unwrap();
    market.later(1);
    market.refuses(QuoteSignerMayNotTrade, &signed, 1);
    // The key of all zeros is nobody's.
    appoint(&mut market.world, &market.maker, &Pubkey::default(), until + 7_200).unwrap();
    market.refuses(QuoteSignerMayNotTrade, &signed, 1);
    check_books(&market.world).unwrap();
}

fn appoint(world: &mut World, owner: &Trader, delegate: &Pubkey, until: i64) -> Outcome {
    let set = instruction::set_delegate(owner.key(), owner.margin_account, 0, *delegate, until);
    world.send(&[set], &[&owner.keypair])
}

/// The runtime's signature checker.
const ED25519: &str = "Ed25519SigVerify111111111111111111111111111";

/// An ed25519 instruction by hand: `indices` of the instructions that hold signature, key and message, which are put into this one
/// all the same.
fn check_of(count: u8, indices: [u16; 3], key: &Pubkey, signature: &[u8], message: &[u8]) -> Instruction {
    let start = 2 + 14;
    let fields =
        [start + 32, indices[0], start, indices[1], start + 96, u16::try_from(message.len()).unwrap(), indices[2]];
    let mut data = vec![count, 0];
    data.extend(fields.iter().flat_map(|field| field.to_le_bytes()));
    data.extend(key.as_ref());
    data.extend(signature);
    data.extend(message);
    Instruction { program_id: ED25519.parse().unwrap(), accounts: vec![], data }
}

/// P-43: the checker can be told to read another instruction. Here it checks a thief's own signature there, while this one holds
/// what the thief would like the maker to have signed.
#[test]
fn what_is_signed_elsewhere_does_not_count() {
    let mut market = Quoting::open();
    let thief = keypair(78);
    let mut generous = market.quote(1);
    generous.legs[0].price = PRICE * 96 / 100;
    let (maker, message) = (market.maker.key(), generous.message());
    let by_thief = SignedQuote::sign(generous.clone(), &thief);
    let honest = by_thief.instruction();
    let signed = SignedQuote { quote: generous, ..by_thief };
    let this = u16::MAX;
    // Each field in turn, and all of them, in the thief's instruction, which is the second one.
    for indices in [[1, 1, 1], [1, this, 1], [this, 1, 1]] {
        let check = check_of(1, indices, &maker, signed.signature.as_array(), &message);
        let all = [check, honest.clone()];
        let runs = market.world.send(&all, &[]).is_ok();
        // Where the key is taken from this instruction the runtime refuses by itself.
        if runs {
            market.refuses_check(QuoteNotSigned, &signed, &all);
        }
        assert_eq!(runs, indices[1] == 1, "{indices:?}");
    }
    // The thief's own quote is signed well, and by the wrong one.
    market.refuses_check(QuoteSignerMayNotTrade, &signed, &[honest]);
}

/// P-43: an instruction that names itself by its number would be as good, but there is one way to say it.
#[test]
fn an_instruction_that_names_itself_by_number_is_refused() {
    let mut market = Quoting::open();
    let signed = market.sign(market.quote(1));
    let check = check_of(1, [0, 0, 0], &market.maker.key(), signed.signature.as_array(), &signed.quote.message());
    market.world.send(std::slice::from_ref(&check), &[]).unwrap();
    market.refuses_check(QuoteNotSigned, &signed, &[check]);
    let this = u16::MAX;
    let check = check_of(1, [this; 3], &market.maker.key(), signed.signature.as_array(), &signed.quote.message());
    let [_, fill] = market.world.fill_instructions(&market.alice, &market.maker, &signed, 1);
    market.world.send(&[check, fill], &[&market.alice.keypair]).unwrap();
}

/// P-43: one instruction, one signature.
#[test]
fn an_instruction_with_two_signatures_or_none_is_refused() {
    let mut market = Quoting::open();
    let signed = market.sign(market.quote(1));
    let message = signed.quote.message();
    let (key, signature, this) = (market.maker.key(), signed.signature, u16::MAX);
    let mut none = check_of(0, [this; 3], &key, signature.as_array(), &message);
    none.data.truncate(2);
    market.refuses_check(QuoteNotSigned, &signed, &[none]);

    let size = u16::try_from(message.len()).unwrap();
    let start = 2 + 2 * 14;
    let fields = [start + 32, this, start, this, start + 96, size, this];
    let mut data = vec![2, 0];
    for _ in 0..2 {
        data.extend(fields.iter().flat_map(|field| field.to_le_bytes()));
    }
    data.extend(key.as_ref());
    data.extend(signature.as_array());
    data.extend(&message);
    let two = Instruction { program_id: ED25519.parse().unwrap(), accounts: vec![], data };
    market.world.send(std::slice::from_ref(&two), &[]).unwrap();
    market.refuses_check(QuoteNotSigned, &signed, &[two]);
}

/// The instruction at the named index is the signature's check, and nothing else is.
#[test]
fn the_named_instruction_checks_the_signature() {
    let mut market = Quoting::open();
    let signed = market.sign(market.quote(1));
    let refresh = instruction::refresh_price(market.world.group, market.world.sol, market.world.price_update);
    market.refuses_check(QuoteNotSigned, &signed, &[]);
    market.refuses_check(QuoteNotSigned, &signed, &[refresh.clone(), signed.instruction()]);
    let [check, mut fill] = market.world.fill_instructions(&market.alice, &market.maker, &signed, 1);
    // units u64, signature_index u16 behind the discriminator.
    for index in [1u16, 2, 7, u16::MAX] {
        fill.data[16..18].copy_from_slice(&index.to_le_bytes());
        let Quoting { world, alice, .. } = &mut market;
        world.refuses(QuoteNotSigned, |world| world.send(&[check.clone(), fill.clone()], &[&alice.keypair]));
    }
    fill.data[16..18].copy_from_slice(&2u16.to_le_bytes());
    market.world.send(&[refresh.clone(), refresh, check, fill], &[&market.alice.keypair]).unwrap();
}

/// Whose program has not checked the signature has checked nothing, though its data says the same.
#[test]
fn another_program_checks_no_signature() {
    let mut market = Quoting::open();
    let signed = market.sign(market.quote(1));
    let [check, mut fill] = market.world.fill_instructions(&market.alice, &market.maker, &signed, 1);
    // Named before it runs, so that it is asked about first.
    fill.data[16..18].copy_from_slice(&1u16.to_le_bytes());
    let pretended = Instruction { program_id: TOKEN_PROGRAM, ..check };
    let Quoting { world, alice, .. } = &mut market;
    world.refuses(QuoteNotSigned, |world| world.send(&[fill, pretended], &[&alice.keypair]));
}

/// P-43: the list of instructions is the runtime's own.
#[test]
fn another_account_is_not_the_list_of_instructions() {
    let mut market = Quoting::open();
    let signed = market.sign(market.quote(1));
    let [check, fill] = market.world.fill_instructions(&market.alice, &market.maker, &signed, 1);
    let sysvar = fill.accounts[4].pubkey;
    // With the runtime's very bytes, at another address.
    let fake = Pubkey::new_unique();
    let mut bytes = vec![1, 0, 4, 0, 0, 0];
    bytes.extend(ED25519.parse::<Pubkey>().unwrap().as_ref());
    bytes.extend(u16::try_from(check.data.len()).unwrap().to_le_bytes());
    bytes.extend(&check.data);
    bytes.extend([0, 0]);
    let owner = "Sysvar1111111111111111111111111111111111111".parse().unwrap();
    let account = solana_account::Account { lamports: 1_000_000_000, data: bytes, owner, ..Default::default() };
    market.world.svm.set_account(fake, account).unwrap();
    let fill = with_account(fill, sysvar, fake);
    let Quoting { world, alice, .. } = &mut market;
    world.refuses(QuoteNotSigned, |world| world.send(&[fill], &[&alice.keypair]));
}

/// What was signed is a quote from the first byte to the last.
#[test]
fn signed_bytes_are_a_quote_and_nothing_else() {
    let mut market = Quoting::open();
    let signed = market.sign(market.quote(1));
    let message = signed.quote.message();
    let mut longer = message.clone();
    longer.push(0);
    let mut legs = message.clone();
    let count = message.len() - 26 - 4;
    assert_eq!(legs[count..count + 4], [1, 0, 0, 0], "the number of legs");
    legs[count..count + 4].copy_from_slice(&u32::MAX.to_le_bytes());
    let mut other_domain = message.clone();
    other_domain[0] ^= 1;
    let mut kind = message.clone();
    // The instrument's kind, behind the underlying's index.
    kind[count + 4 + 2] = 9;
    let cases = [
        longer,
        message[..message.len() - 1].to_vec(),
        message[16..].to_vec(),
        message[..16].to_vec(),
        vec![],
        legs,
        other_domain,
        kind,
    ];
    for bytes in cases {
        let signature = market.maker.keypair.sign_message(&bytes);
        let check = check_of(1, [u16::MAX; 3], &market.maker.key(), signature.as_array(), &bytes);
        market.refuses_check(NotAQuote, &signed, &[check]);
    }
}

/// A quote names the second its account was opened in: it does not outlive the account.
#[test]
fn a_quote_does_not_outlive_the_account() {
    let mut market = Quoting::open();
    let bob = market.world.trader("bob");
    let quotes_since = market.world.account(&bob).quotes_since;
    let quote = Quote { maker: bob.margin_account, quotes_since, ..market.quote(1) };
    let signed = SignedQuote::sign(quote.clone(), &bob.keypair);
    let close = instruction::close_margin_account(bob.key(), bob.margin_account);
    let open = instruction::open_margin_account(bob.key(), bob.key(), market.world.group, 0);
    // Not in the second it was opened in: the new one could not be told from it.
    market.world.refuses(MarginAccountNotEmpty, |world| world.send(std::slice::from_ref(&close), &[&bob.keypair]));
    market.later(1);
    market.world.send(&[close, open], &[&bob.keypair]).unwrap();
    market.world.give(&bob, Token::Usdc, 5_000 * DOLLAR);
    market.world.deposit(&bob, Token::Usdc, 5_000 * DOLLAR).unwrap();
    let both = market.world.fill_instructions(&market.alice, &bob, &signed, 1);
    let Quoting { world, alice, .. } = &mut market;
    world.refuses(QuoteOfOthers, |world| world.send(&both, &[&alice.keypair]));
    let renewed = SignedQuote::sign(Quote { quotes_since: quotes_since + 1, ..quote }, &bob.keypair);
    let both = market.world.fill_instructions(&market.alice, &bob, &renewed, 1);
    market.world.send(&both, &[&market.alice.keypair]).unwrap();
    check_books(&market.world).unwrap();
}

/// A maker without margin is protected from his own quote, and the market from him.
#[test]
fn a_quote_is_no_way_around_the_maker_s_margin() {
    let mut market = Quoting::open();
    let bob = market.world.funded("bob", 100 * DOLLAR, 0);
    let quotes_since = market.world.account(&bob).quotes_since;
    let quote = Quote { maker: bob.margin_account, quotes_since, ..market.quote(1) };
    let signed = SignedQuote::sign(quote, &bob.keypair);
    let both = market.world.fill_instructions(&market.alice, &bob, &signed, 20);
    let Quoting { world, alice, .. } = &mut market;
    world.refuses(InitialMarginNotMet, |world| world.send(&both, &[&alice.keypair]));
    let both = world.fill_instructions(alice, &bob, &signed, 10);
    world.send(&both, &[&alice.keypair]).unwrap();
    // The refused fill counted nothing.
    assert_eq!(world.account(&bob).quotes[1].filled, 10);
    check_books(world).unwrap();
}

/// All legs or none: a spread of which one leg cannot be traded is not traded.
#[test]
fn a_quote_of_several_legs_is_filled_whole_or_not_at_all() {
    let desk = Desk::open();
    let mut legs: Vec<Leg> = [(desk.future(), SOL_LONG), (desk.call(35), -2 * SOL_LONG), (desk.put(30), SOL_LONG)]
        .map(|(instrument, quantity)| desk.leg(instrument, quantity).leg)
        .to_vec();
    let Desk { world, maker, alice, .. } = desk;
    let mut market = Quoting { world, maker, alice };
    let sound = market.sign(Quote { legs: legs.clone(), units: 10, ..market.quote(1) });
    market.fill(&sound, 4).unwrap();
    assert_eq!(holding(&market.world, &market.alice, &legs[1].instrument).0, -8 * SOL_LONG);
    check_books(&market.world).unwrap();

    legs[2].price = PRICE;
    let banded = market.sign(Quote { legs: legs.clone(), ..market.quote(2) });
    market.refuses(PriceOutsideBand, &banded, 1);
    legs[2].instrument.series += 1;
    let unlisted = market.sign(Quote { legs: legs.clone(), ..market.quote(2) });
    market.refuses(InstrumentNotListed, &unlisted, 1);
    for count in [0, 9] {
        let many = market.sign(Quote { legs: vec![legs[0]; count], ..market.quote(2) });
        market.refuses(LegsOutOfRange, &many, 1);
    }
    market.fill(&sound, 6).unwrap();
    check_books(&market.world).unwrap();
}

/// A delegate trades, quotes and cancels; money, mode and other delegates are the owner's.
#[test]
fn a_delegate_trades_and_does_nothing_else() {
    let mut market = Quoting::open();
    let delegate = keypair(79);
    let until = market.world.now() + 600;
    let second = instruction::open_margin_account(market.alice.key(), market.alice.key(), market.world.group, 1);
    market.world.send(&[second], &[&market.alice.keypair]).unwrap();
    let trade = market.world.trade_instruction(&market.alice, &market.maker, SOL_LONG, PRICE);
    let by_delegate = with_account(trade, market.alice.key(), delegate.pubkey());
    let Quoting { world, alice, maker } = &mut market;
    let signers = [&delegate, &maker.keypair];
    world.refuses(SignerMayNotTrade, |world| world.send(std::slice::from_ref(&by_delegate), &signers));
    appoint(world, alice, &delegate.pubkey(), until).unwrap();
    world.send(std::slice::from_ref(&by_delegate), &signers).unwrap();
    let cancel = instruction::cancel_quotes(delegate.pubkey(), alice.margin_account, 5, true);
    world.send(&[cancel], &[&delegate]).unwrap();

    let account = world.account(alice);
    let other = pda::margin_account(&world.group, &alice.key(), 1);
    let (bank_key, bank) = world.bank(Token::Usdc);
    let owners = [
        world.withdraw_instruction(alice, Token::Usdc, DOLLAR),
        instruction::transfer_collateral((alice.margin_account, &account), other, (bank_key, &bank), DOLLAR),
        instruction::set_mode((alice.margin_account, &account), Mode::Cross),
        instruction::set_delegate(alice.key(), alice.margin_account, 1, delegate.pubkey(), until),
        instruction::close_margin_account(alice.key(), alice.margin_account),
    ];
    for instruction in owners {
        let forged = with_account(instruction, alice.key(), delegate.pubkey());
        // A transfer first sees that the account it would go to is another owner's.
        let before = world.snapshot();
        let refusal = world.send(&[forged], &[&delegate]).unwrap_err();
        assert!(refusal.is(SignerIsNotOwner) || refusal.is(OwnersDiffer), "{refusal}");
        assert!(before == world.snapshot());
    }
    world.set_time(until + 1);
    world.set_price(PRICE).unwrap();
    world.refuses(SignerMayNotTrade, |world| world.send(&[by_delegate], &signers));
    let cancel = instruction::cancel_quotes(delegate.pubkey(), alice.margin_account, 6, true);
    world.refuses(SignerMayNotTrade, |world| world.send(&[cancel], &[&delegate]));
}

#[test]
fn a_delegate_is_appointed_by_the_owner_for_at_most_a_year() {
    let mut market = Quoting::open();
    let (key, year) = (keypair(80).pubkey(), 365 * 86_400);
    let Quoting { world, alice, maker } = &mut market;
    let now = world.now();
    for until in [now + year + 1, i64::MAX] {
        world.refuses(DelegationTooLong, |world| appoint(world, alice, &key, until));
    }
    appoint(world, alice, &key, now + year).unwrap();
    for place in [2, 255] {
        let set = instruction::set_delegate(alice.key(), alice.margin_account, place, key, now);
        world.refuses(ParameterOutOfBounds, |world| world.send(&[set], &[&alice.keypair]));
    }
    let forged = instruction::set_delegate(maker.key(), alice.margin_account, 0, key, now);
    world.refuses(SignerIsNotOwner, |world| world.send(&[forged], &[&maker.keypair]));
    // Dismissed at once.
    appoint(world, alice, &Pubkey::default(), 0).unwrap();
    let signed = SignedQuote::sign(market.quote(1), &keypair(80));
    market.refuses(QuoteSignerMayNotTrade, &signed, 1);
}
