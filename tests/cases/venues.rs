//! I-32, P-42: what a venue's program can do with accounts that have consented to it, and what it cannot, whoever has taken it over.
//!
//! The program is tests/venue. What is no instruction of its book it passes on to Margrave, signed as the venue.

use crate::{common::*, desk::*};
use margrave::{
    constants::MAX_DELEGATE_SECS,
    state::{Change, Consent, GroupTerms, Instrument, InstrumentKind, Pause, Status, Venue, VenueMarket, VenueTerms},
};
pub use margrave_tests::venues::{add_program, ample_terms, by_venue, consent, fill_instruction};

const YEAR: i64 = MAX_DELEGATE_SECS;

/// A market with options and a venue that may fill everything on it, to which alice and the maker have consented without a limit.
pub struct Floor {
    pub world: World,
    pub maker: Trader,
    pub alice: Trader,
    pub venue: Pubkey,
}

/// Registers a program with ample terms on SOL, for which two days pass.
pub fn register(world: &mut World, program: Pubkey, number: u16) -> Pubkey {
    let venue = margrave_tests::venues::register(world, program, number, ample_terms(1)).unwrap();
    world.set_price(PRICE).unwrap();
    venue
}

impl Floor {
    pub fn open() -> Self {
        let Desk { mut world, maker, alice, expiry, .. } = Desk::open();
        add_program(&mut world);
        let venue = register(&mut world, margrave_venue::ID, 0);
        set_flat_surface(&mut world, expiry, 60).unwrap();
        let now = world.now();
        for trader in [&maker, &alice] {
            consent(&mut world, trader, venue, now + YEAR, u64::MAX).unwrap();
        }
        Self { world, maker, alice, venue }
    }

    fn venue(&self) -> Venue {
        self.world.load(&self.venue)
    }

    fn consent_of(&self, trader: &Trader) -> Consent {
        self.world.load(&pda::consent(&trader.margin_account, &self.venue))
    }

    /// Tightens the venue's terms, at once.
    fn tighten(&mut self, change: impl FnOnce(&mut VenueTerms)) {
        let (mut terms, now) = (self.venue().terms, self.world.now());
        change(&mut terms);
        self.world.change(Change::Venue { venue: self.venue, terms }, None).unwrap();
        assert_eq!(self.world.now(), now, "nothing had to wait");
    }

    fn perp(&self, quantity: i64) -> PlacedLeg {
        self.world.leg(self.world.sol, Instrument::PERP, quantity)
    }

    /// What the venue sends when alice takes and the maker makes.
    fn fill_instruction(&self, legs: &[PlacedLeg]) -> Instruction {
        self.fill_of(&self.alice, &self.maker, legs)
    }

    fn fill_of(&self, taker: &Trader, maker: &Trader, legs: &[PlacedLeg]) -> Instruction {
        fill_instruction(&self.world, self.venue, taker, maker, legs)
    }

    pub fn fill(&mut self, legs: &[PlacedLeg]) -> Outcome {
        let fill = by_venue(self.fill_instruction(legs));
        self.world.send(&[fill], &[])
    }

    #[track_caller]
    pub fn refuses(&mut self, error: MargraveError, legs: &[PlacedLeg]) {
        let fill = by_venue(self.fill_instruction(legs));
        self.world.refuses(error, |world| world.send(&[fill], &[]));
    }

    /// With one account of the fill exchanged.
    #[track_caller]
    fn refuses_with(&mut self, error: MargraveError, from: Pubkey, to: Pubkey) {
        let fill = by_venue(with_account(self.fill_instruction(&[self.perp(SOL_LONG)]), from, to));
        self.world.refuses(error, |world| world.send(&[fill], &[]));
    }

    fn at(&mut self, time: i64) {
        self.world.set_time(time);
        self.world.set_price(PRICE).unwrap();
    }

    fn instrument(&self, kind: InstrumentKind, strike: i64) -> Instrument {
        self.world.instrument(&self.world.sol, kind, 0, strike * DOLLAR_PRICE)
    }
}

/// I-32: what both sides hold afterwards is what a trade that both sign would have left, to the byte.
#[test]
fn a_fill_is_a_trade_on_the_word_of_the_venue() {
    let mut floor = Floor::open();
    let of = |kind, strike, quantity| {
        let instrument = floor.instrument(kind, strike);
        floor.world.leg(floor.world.sol, instrument, quantity)
    };
    let legs = [
        floor.perp(10 * SOL_LONG),
        of(InstrumentKind::Future, 0, -3 * SOL_LONG),
        of(InstrumentKind::Call, 40, -2 * SOL_LONG),
        of(InstrumentKind::Put, 30, SOL_LONG),
    ];
    let signed = floor.world.trade_legs_instruction(&floor.alice, &floor.maker, &legs);
    let keys = [floor.alice.keypair.insecure_clone(), floor.maker.keypair.insecure_clone()];
    let mut expected = aftermath(&mut floor.world, signed, &[&keys[0], &keys[1]]);
    for trader in [&floor.alice, &floor.maker] {
        let now = floor.world.now();
        consent(&mut floor.world, trader, floor.venue, now, 1_000 * DOLLAR).unwrap();
    }

    let receipt = floor.fill(&legs).unwrap();
    let mut left = floor.world.snapshot();
    let own = [floor.venue, pda::consent(&floor.alice.margin_account, &floor.venue)];
    for key in own.into_iter().chain([pda::consent(&floor.maker.margin_account, &floor.venue)]) {
        expected.remove(&key);
        left.remove(&key);
    }
    assert!(expected == left, "a fill is not what a trade is");
    check_books(&floor.world).unwrap();
    let events = receipt.events();
    let [Event::VenueFilled(event)] = &events[..] else { panic!("one event") };
    assert_eq!((event.venue, event.taker.margin_account), (floor.venue, floor.alice.margin_account));
    assert_eq!((event.legs.len(), event.maker.sequence), (4, floor.world.account(&floor.maker).sequence));

    // 350 and 105 dollars of linear positions; of options their underlying: 2 at the strike of 40, one at the forward of 35.
    let value = 350 + 105 + 80 + 35;
    assert_eq!(floor.venue().exposure.net, value * 1_000_000);
    for trader in [&floor.alice, &floor.maker] {
        assert_eq!(floor.consent_of(trader).allowance, (1_000 - value.unsigned_abs()) * DOLLAR);
    }
}

/// P-42: what a trade is refused for a fill is refused for.
#[test]
fn a_venue_is_bound_by_band_caps_and_margin() {
    let mut floor = Floor::open();
    let mut leg = floor.perp(SOL_LONG);
    for price in [PRICE * 95 / 100 - 1, PRICE * 105 / 100 + 1] {
        leg.leg.price = price;
        floor.refuses(PriceOutsideBand, &[leg]);
    }
    let mut unknown = floor.perp(SOL_LONG);
    unknown.leg.instrument.series = 7;
    floor.refuses(InstrumentNotListed, &[unknown]);
    let mut other_series = floor.world.leg(floor.world.sol, floor.instrument(InstrumentKind::Future, 0), SOL_LONG);
    other_series.leg.instrument.series += 1;
    floor.refuses(InstrumentNotListed, &[other_series]);
    floor.refuses(QuantityNotInLots, &[floor.perp(SOL_LONG + 1)]);
    floor.refuses(LegsOutOfRange, &[]);
    floor.refuses(LegsOutOfRange, &[floor.perp(SOL_LONG); 9]);
    let many = floor.perp(1_000 * SOL_LONG);
    floor.refuses(InitialMarginNotMet, &[many]);
    // All or nothing: a good leg beside a bad one.
    floor.refuses(InstrumentNotListed, &[floor.perp(SOL_LONG), unknown]);
    floor.fill(&[floor.perp(SOL_LONG)]).unwrap();
    check_books(&floor.world).unwrap();
}

/// P-42: an underlying that is not the venue's, and a kind that is not.
#[test]
fn a_venue_fills_what_its_terms_name() {
    let mut floor = Floor::open();
    let eth = floor.world.list_other_underlying("ETH").unwrap();
    set_flat_surface(&mut floor.world, 0, 60).unwrap();
    let leg = floor.world.leg(eth, Instrument::PERP, SOL_LONG);
    floor.refuses(VenueMarketNotAllowed, &[leg]);
    // Not under another underlying's name either.
    let mut renamed = leg;
    renamed.leg.underlying = 0;
    floor.refuses(UnderlyingMissing, &[renamed]);

    let kinds = [InstrumentKind::Perp, InstrumentKind::Future, InstrumentKind::Call, InstrumentKind::Put];
    let legs = kinds.map(|kind| {
        let strike = if kind.is_option() { 35 } else { 0 };
        let instrument = if kind == InstrumentKind::Perp { Instrument::PERP } else { floor.instrument(kind, strike) };
        floor.world.leg(floor.world.sol, instrument, SOL_LONG)
    });
    let ample = floor.world.svm.clone();
    for allowed in kinds {
        floor.world.svm = ample.clone();
        floor.tighten(|terms| terms.markets[7].kinds = VenueMarket::kind(allowed));
        for (kind, leg) in kinds.iter().zip(legs) {
            match *kind == allowed {
                true => drop(floor.fill(&[leg]).unwrap()),
                false => floor.refuses(VenueMarketNotAllowed, &[leg]),
            }
        }
    }
    floor.tighten(|terms| terms.markets = Default::default());
    floor.refuses(VenueMarketNotAllowed, &[legs[0]]);
}

/// P-42: ten SOL are 350 dollars; options count as their underlying.
#[test]
fn a_leg_is_no_larger_than_the_fill_cap() {
    let mut floor = Floor::open();
    floor.tighten(|terms| terms.markets[7].fill_cap = 350 * DOLLAR);
    floor.refuses(VenueFillTooLarge, &[floor.perp(10 * SOL_LONG + SOL_LONG / 100)]);
    floor.refuses(VenueFillTooLarge, &[floor.perp(-10 * SOL_LONG - SOL_LONG / 100)]);
    floor.fill(&[floor.perp(10 * SOL_LONG), floor.perp(10 * SOL_LONG)]).unwrap();
    let call = floor.instrument(InstrumentKind::Call, 35);
    let calls = |quantity| floor.world.leg(floor.world.sol, call, quantity);
    let [small, large] = [calls(10 * SOL_LONG), calls(10 * SOL_LONG + SOL_LONG / 100)];
    floor.refuses(VenueFillTooLarge, &[large]);
    floor.fill(&[small]).unwrap();
    // What reduces both sides is bound by it too.
    floor.refuses(VenueFillTooLarge, &[floor.perp(-11 * SOL_LONG)]);
    check_books(&floor.world).unwrap();
}

/// P-42: value that adds risk to either side, in a day.
#[test]
fn a_venue_adds_no_more_risk_in_a_day_than_its_exposure_cap() {
    let mut floor = Floor::open();
    let start = floor.world.now();
    floor.tighten(|terms| terms.exposure_cap = 350 * DOLLAR);
    floor.refuses(VenueExposureExceeded, &[floor.perp(5 * SOL_LONG), floor.perp(5 * SOL_LONG + SOL_LONG / 100)]);
    floor.fill(&[floor.perp(4 * SOL_LONG)]).unwrap();
    floor.fill(&[floor.perp(6 * SOL_LONG)]).unwrap();
    floor.refuses(VenueExposureExceeded, &[floor.perp(SOL_LONG / 100)]);
    // What only makes both smaller is not counted; what passes a position on is.
    let bob = floor.world.funded("bob", 5_000 * DOLLAR, 0);
    consent(&mut floor.world, &bob, floor.venue, start + YEAR, u64::MAX).unwrap();
    let pass_on = by_venue(floor.fill_of(&bob, &floor.alice, &[floor.perp(SOL_LONG)]));
    floor.world.refuses(VenueExposureExceeded, |world| world.send(&[pass_on], &[]));
    floor.fill(&[floor.perp(-4 * SOL_LONG)]).unwrap();
    // Nor does it make room.
    floor.refuses(VenueExposureExceeded, &[floor.perp(SOL_LONG / 100)]);
    // Through zero is no reduction.
    floor.refuses(VenueExposureExceeded, &[floor.perp(-6 * SOL_LONG - SOL_LONG / 100)]);
    // Half a day later there is room for half of it.
    floor.at(start + DAY / 2);
    floor.refuses(VenueExposureExceeded, &[floor.perp(5 * SOL_LONG + SOL_LONG / 100)]);
    floor.fill(&[floor.perp(5 * SOL_LONG)]).unwrap();
    floor.at(start + 3 * DAY / 2);
    floor.fill(&[floor.perp(10 * SOL_LONG)]).unwrap();
    check_books(&floor.world).unwrap();
}

/// P-42: nobody is traded for who has not consented, to this venue, for this account.
#[test]
fn both_sides_have_consented() {
    let mut floor = Floor::open();
    let bob = floor.world.funded("bob", 5_000 * DOLLAR, 0);
    let second = register(&mut floor.world, margrave_venue::ID, 1);
    let now = floor.world.now();
    let leg = [floor.perp(SOL_LONG)];
    for sides in [[&bob, &floor.maker], [&floor.maker, &bob]] {
        let fill = by_venue(floor.fill_of(sides[0], sides[1], &leg));
        refuses_with_code(&mut floor.world, WRONG_PROGRAM, |world| world.send(&[fill], &[]));
    }
    // His consent to another venue is none to this one, nor is another's his.
    consent(&mut floor.world, &bob, second, now + YEAR, u64::MAX).unwrap();
    let (his, hers) = (bob.margin_account, floor.alice.margin_account);
    let missing = pda::consent(&his, &floor.venue);
    for wrong in [pda::consent(&his, &second), pda::consent(&hers, &floor.venue)] {
        for sides in [[&bob, &floor.maker], [&floor.maker, &bob]] {
            let fill = by_venue(with_account(floor.fill_of(sides[0], sides[1], &leg), missing, wrong));
            floor.world.refuses(ConsentOfOthers, |world| world.send(&[fill], &[]));
        }
    }
    consent(&mut floor.world, &bob, floor.venue, now + YEAR, u64::MAX).unwrap();
    let fill = by_venue(floor.fill_of(&bob, &floor.maker, &leg));
    floor.world.send(&[fill], &[]).unwrap();
    // The two sides' consents exchanged.
    let mut crossed = by_venue(floor.fill_instruction(&leg));
    crossed.accounts.swap(5, 6);
    floor.world.refuses(ConsentOfOthers, |world| world.send(&[crossed], &[]));
}

/// P-42: to the second, and to the millionth of a dollar, on either side.
#[test]
fn a_consent_has_a_time_and_an_allowance() {
    let mut floor = Floor::open();
    let now = floor.world.now();
    let untouched = floor.world.svm.clone();
    for takes in [true, false] {
        floor.world.svm = untouched.clone();
        let key = if takes { floor.alice.keypair.insecure_clone() } else { floor.maker.keypair.insecure_clone() };
        let account = if takes { floor.alice.margin_account } else { floor.maker.margin_account };
        let venue = floor.venue;
        let grant = |floor: &mut Floor, expires_at: i64, allowance: u64| {
            let grant = instruction::grant_consent(key.pubkey(), key.pubkey(), account, venue, expires_at, allowance);
            floor.world.send(&[grant], &[&key]).unwrap();
        };
        let left = |floor: &Floor| floor.world.load::<Consent>(&pda::consent(&account, &venue)).allowance;

        // 35 dollars each.
        grant(&mut floor, now + 60, 70 * DOLLAR - 1);
        floor.refuses(ConsentUsedUp, &[floor.perp(2 * SOL_LONG)]);
        floor.refuses(ConsentUsedUp, &[floor.perp(SOL_LONG), floor.perp(SOL_LONG)]);
        floor.fill(&[floor.perp(SOL_LONG)]).unwrap();
        assert_eq!(left(&floor), 35 * DOLLAR - 1);
        // Reductions are trades: a venue's prices cost there too.
        floor.refuses(ConsentUsedUp, &[floor.perp(-SOL_LONG)]);
        // Granted again, what was granted before is replaced.
        grant(&mut floor, now + 60, 35 * DOLLAR);
        floor.fill(&[floor.perp(-SOL_LONG)]).unwrap();
        assert_eq!(left(&floor), 0);
        floor.refuses(ConsentUsedUp, &[floor.perp(SOL_LONG / 100)]);
        grant(&mut floor, now + 60, u64::MAX);
        floor.fill(&[floor.perp(SOL_LONG)]).unwrap();
        assert_eq!(left(&floor), u64::MAX, "no limit is not counted");
        floor.at(now + 60);
        floor.fill(&[floor.perp(SOL_LONG)]).unwrap();
        floor.at(now + 61);
        floor.refuses(ConsentExpired, &[floor.perp(SOL_LONG)]);
    }
}

/// A liquidation voids what was granted before it, as it voids quotes.
#[test]
fn a_consent_does_not_outlive_a_liquidation() {
    let mut floor = Floor::open();
    floor.fill(&[floor.perp(500 * SOL_LONG)]).unwrap();
    floor.world.set_time(floor.world.now() + 60);
    floor.world.set_price(310_000_000_000).unwrap();
    floor.fill(&[floor.perp(-SOL_LONG)]).unwrap();
    floor.world.flag(&floor.alice).unwrap();
    assert_eq!(floor.world.account(&floor.alice).status, Status::InLiquidation as u8);
    floor.refuses(ConsentVoid, &[floor.perp(-SOL_LONG)]);
    let back = by_venue(floor.fill_of(&floor.maker, &floor.alice, &[floor.perp(SOL_LONG)]));
    floor.world.refuses(ConsentVoid, |world| world.send(&[back], &[]));
    // Granted again it is good for what an account in trouble may do.
    let now = floor.world.now();
    consent(&mut floor.world, &floor.alice, floor.venue, now, u64::MAX).unwrap();
    floor.refuses(InitialMarginNotMet, &[floor.perp(SOL_LONG)]);
    floor.fill(&[floor.perp(-SOL_LONG)]).unwrap();
    check_books(&floor.world).unwrap();
}

/// A new account of the same number has not consented, and the old consent's rent is still its owner's.
#[test]
fn a_consent_does_not_outlive_its_account() {
    let mut floor = Floor::open();
    let bob = floor.world.trader("bob");
    let (now, venue) = (floor.world.now(), floor.venue);
    consent(&mut floor.world, &bob, venue, now + YEAR, u64::MAX).unwrap();
    floor.at(now + 1);
    let close = instruction::close_margin_account(bob.key(), bob.margin_account);
    floor.world.send(&[close], &[&bob.keypair]).unwrap();
    let gone = floor.world.svm.clone();
    let open = instruction::open_margin_account(bob.key(), bob.key(), floor.world.group, 0);
    floor.world.send(&[open], &[&bob.keypair]).unwrap();
    floor.world.give(&bob, Token::Usdc, 5_000 * DOLLAR);
    floor.world.deposit(&bob, Token::Usdc, 5_000 * DOLLAR).unwrap();
    let fill = by_venue(floor.fill_of(&bob, &floor.maker, &[floor.perp(SOL_LONG)]));
    floor.world.refuses(ConsentVoid, |world| world.send(std::slice::from_ref(&fill), &[]));
    consent(&mut floor.world, &bob, venue, now + YEAR, u64::MAX).unwrap();
    floor.world.send(&[fill], &[]).unwrap();

    floor.world.svm = gone;
    let revoke = instruction::revoke_consent(bob.key(), bob.margin_account, venue);
    floor.world.send(&[revoke], &[&bob.keypair]).unwrap();
}

/// I-32: what the owner alone gives, and takes back at any time.
#[test]
fn a_consent_is_its_owner_s() {
    let mut floor = Floor::open();
    let (now, venue, account) = (floor.world.now(), floor.venue, floor.alice.margin_account);
    let delegate = keypair(81);
    let appoint = instruction::set_delegate(floor.alice.key(), account, 0, delegate.pubkey(), now + YEAR);
    floor.world.send(&[appoint], &[&floor.alice.keypair]).unwrap();
    let grant = instruction::grant_consent(delegate.pubkey(), delegate.pubkey(), account, venue, now, 1);
    let revoke = instruction::revoke_consent(delegate.pubkey(), account, venue);
    for forged in [grant, revoke] {
        floor.world.refuses(SignerIsNotOwner, |world| world.send(&[forged], &[&delegate]));
    }
    let alice = floor.alice.keypair.insecure_clone();
    for too_long in [now + YEAR + 1, i64::MAX] {
        let grant = instruction::grant_consent(alice.pubkey(), alice.pubkey(), account, venue, too_long, 1);
        floor.world.refuses(ConsentTooLong, |world| world.send(&[grant], &[&alice]));
    }
    // Of her account in another group, whose venue it is not.
    let Floor { world, maker, alice: trader, .. } = floor;
    let mut market = Market { world, maker, alice: trader };
    let other = market.other_group();
    let Market { mut world, .. } = market;
    let grant =
        instruction::grant_consent(other.trader.key(), other.trader.key(), other.trader.margin_account, venue, now, 1);
    world.refuses(GroupMismatch, |world| world.send(&[grant], &[&other.trader.keypair]));

    // With everything paused it is taken back, and the rent with it.
    let stop = instruction::pause(world.guardian.pubkey(), world.group, None, Pause::ALL, 60);
    world.send(&[stop], &[]).unwrap();
    let consent = pda::consent(&account, &venue);
    let (rent, before) = (world.svm.get_balance(&consent).unwrap(), world.svm.get_balance(&alice.pubkey()).unwrap());
    let receipt = world.send(&[instruction::revoke_consent(alice.pubkey(), account, venue)], &[&alice]).unwrap();
    assert_eq!(world.svm.get_balance(&alice.pubkey()).unwrap(), before + rent);
    assert!(world.svm.get_account(&consent).is_none_or(|account| account.data.is_empty()));
    let [Event::ConsentRevoked(event)] = &receipt.events()[..] else { panic!("one event") };
    assert_eq!((event.margin_account, event.venue), (account, venue));
    let again = instruction::revoke_consent(alice.pubkey(), account, venue);
    refuses_with_code(&mut world, WRONG_PROGRAM, |world| world.send(&[again], &[&alice]));
}

/// P-42: whoever is not the venue's program has no word in it: not with a key, not with another venue's address, not from outside.
#[test]
fn nobody_else_signs_for_a_venue() {
    let mut floor = Floor::open();
    let authority = pda::venue_authority(&floor.venue, &margrave_venue::ID);
    assert_eq!(floor.venue().authority, authority);
    assert!(!authority.is_on_curve());
    let fill = floor.fill_instruction(&[floor.perp(SOL_LONG)]);
    // Sent straight to Margrave.
    let bare = unsigned(fill.clone(), authority);
    refuses_with_code(&mut floor.world, NOT_A_SIGNER, |world| world.send(&[bare], &[]));
    let thief = keypair(82);
    for key in [&thief, &floor.alice.keypair, &floor.world.manager].map(|key| key.insecure_clone()) {
        let forged = with_account(fill.clone(), authority, key.pubkey());
        floor.world.refuses(SignerIsNotVenue, |world| world.send(std::slice::from_ref(&forged), &[&key]));
        // The same by way of the venue's program, which has no way to sign for another key and need not.
        floor.world.refuses(SignerIsNotVenue, |world| world.send(&[by_venue(forged)], &[&key]));
    }

    // Another program's venue, which this program signs for as if it were its own.
    let other = register(&mut floor.world, TOKEN_PROGRAM, 0);
    let now = floor.world.now();
    for trader in [&floor.alice, &floor.maker] {
        consent(&mut floor.world, trader, other, now + YEAR, u64::MAX).unwrap();
    }
    let theirs = std::mem::replace(&mut floor.venue, other);
    let fill = floor.fill_instruction(&[floor.perp(SOL_LONG)]);
    let pretended = pda::venue_authority(&other, &margrave_venue::ID);
    let forged = by_venue(with_account(fill.clone(), floor.venue().authority, pretended));
    floor.world.refuses(SignerIsNotVenue, |world| world.send(&[forged], &[]));
    refuses_with_code(&mut floor.world, NOT_A_SIGNER, |world| world.send(&[by_venue(fill)], &[]));
    floor.venue = theirs;

    // A second venue of the same program has its own address, and none of the first one's consents.
    let second = register(&mut floor.world, margrave_venue::ID, 1);
    let fill = with_account(floor.fill_instruction(&[floor.perp(SOL_LONG)]), floor.venue, second);
    let signed = pda::venue_authority(&second, &margrave_venue::ID);
    let signed = by_venue(with_account(fill, authority, signed));
    floor.world.refuses(ConsentOfOthers, |world| world.send(&[signed], &[]));
}

/// P-42: of this group.
#[test]
fn a_venue_fills_in_its_own_group() {
    let Floor { world, maker, alice, venue } = Floor::open();
    let mut market = Market { world, maker, alice };
    let other = market.other_group();
    let Market { world, maker, alice } = market;
    let mut floor = Floor { world, maker, alice, venue };
    floor.refuses_with(GroupMismatch, floor.world.group, other.group);
    floor.refuses_with(GroupMismatch, floor.alice.margin_account, other.trader.margin_account);
    floor.refuses_with(GroupMismatch, floor.maker.margin_account, other.trader.margin_account);
    floor.refuses_with(SelfDealing, floor.maker.margin_account, floor.alice.margin_account);
    let eve = floor.world.funded("eve", DOLLAR, 0);
    floor.refuses_with(ConsentOfOthers, floor.alice.margin_account, eve.margin_account);
}

/// P-42, I-33: a guardian and the manager stop a venue at once and entirely; neither starts it again without the delay.
#[test]
fn a_stopped_venue_fills_nothing() {
    let mut floor = Floor::open();
    floor.fill(&[floor.perp(10 * SOL_LONG)]).unwrap();
    let (guardian, group, venue, start) =
        (floor.world.guardian.pubkey(), floor.world.group, floor.venue, floor.world.now());
    let running = floor.world.svm.clone();

    let stop = |secs| instruction::pause_venue(guardian, group, venue, secs);
    floor.world.refuses(PauseTooLong, |world| world.send(&[stop(MAX_PAUSE_SECS + 1)], &[]));
    let mut wrong_bits = stop(60);
    wrong_bits.data[8..12].copy_from_slice(&(Pause::NEW_RISK | Pause::BORROW).to_le_bytes());
    let mut both = stop(60);
    both.accounts[2] = AccountMeta::new(floor.world.sol, false);
    for instruction in [wrong_bits, both] {
        floor.world.refuses(ParameterOutOfBounds, |world| world.send(&[instruction], &[]));
    }
    let receipt = floor.world.send(&[stop(3_600)], &[]).unwrap();
    let [Event::VenuePaused(event)] = &receipt.events()[..] else { panic!("one event") };
    assert_eq!((event.venue, event.until, event.guardian), (venue, start + 3_600, guardian));
    // Pausing again never shortens.
    floor.world.send(&[stop(60)], &[]).unwrap();
    floor.at(start + 3_599);
    floor.refuses(VenueStopped, &[floor.perp(SOL_LONG)]);
    // Not even a reduction: the prices are the venue's. The owners leave without it.
    floor.refuses(VenueStopped, &[floor.perp(-SOL_LONG)]);
    floor.world.trade(&floor.alice, &floor.maker, -SOL_LONG, PRICE).unwrap();
    floor.at(start + 3_600);
    floor.fill(&[floor.perp(SOL_LONG)]).unwrap();

    // A guardian does not end it, and a manager not at once.
    floor.world.send(&[stop(MAX_PAUSE_SECS)], &[]).unwrap();
    let resume = Change::ResumeVenue { venue };
    let at_once = instruction::change_now(guardian, group, resume.clone(), None);
    floor.world.refuses(SignerIsNotManager, |world| world.send(&[at_once], &[]));
    let at_once = instruction::change_now(floor.world.manager.pubkey(), group, resume.clone(), None);
    floor.world.refuses(ChangeMustBeQueued, |world| world.send(&[at_once], &[]));
    floor.world.change(resume, None).unwrap();
    floor.world.set_price(PRICE).unwrap();
    floor.fill(&[floor.perp(SOL_LONG)]).unwrap();

    floor.world.svm = running;
    floor.tighten(|terms| terms.enabled = 0);
    floor.refuses(VenueStopped, &[floor.perp(-SOL_LONG)]);
    let terms = VenueTerms { enabled: 1, ..floor.venue().terms };
    let enable = instruction::change_now(floor.world.manager.pubkey(), group, Change::Venue { venue, terms }, None);
    floor.world.refuses(ChangeMustBeQueued, |world| world.send(&[enable], &[]));
    check_books(&floor.world).unwrap();
}

/// The group's and the underlying's stops hold for venues as for everybody.
#[test]
fn a_pause_of_new_risk_stops_a_venue_s() {
    let mut floor = Floor::open();
    floor.fill(&[floor.perp(10 * SOL_LONG)]).unwrap();
    let stop = instruction::pause(floor.world.guardian.pubkey(), floor.world.group, None, Pause::NEW_RISK, 60);
    floor.world.send(&[stop], &[]).unwrap();
    floor.refuses(Paused, &[floor.perp(SOL_LONG)]);
    floor.fill(&[floor.perp(-SOL_LONG)]).unwrap();
}

/// I-32: the address that signs for a venue is worth nothing elsewhere: not collateral, not parameters, not consent.
#[test]
fn a_venue_changes_no_collateral_and_no_parameters() {
    let mut floor = Floor::open();
    let (world, alice, venue, authority) = (&floor.world, &floor.alice, floor.venue, floor.venue().authority);
    let (account, group, now) = (world.account(alice), world.group, world.now());
    let (bank_key, bank) = world.bank(Token::Usdc);
    let held = (alice.margin_account, &account);
    let other = floor.maker.margin_account;
    let loose = Change::Group(GroupTerms { outflow_cap: 1, ..terms::group_terms() });
    let more = Change::Venue { venue, terms: ample_terms(1) };
    let id = world.load::<margrave::state::Group>(&group).proposals;
    let owners = [
        (world.withdraw_instruction(alice, Token::Usdc, DOLLAR), SignerIsNotOwner),
        (world.borrow_instruction(alice, Token::Sol, SOL, true), SignerIsNotOwner),
        (instruction::transfer_collateral(held, other, (bank_key, &bank), DOLLAR), SignerIsNotOwner),
        (instruction::set_mode(held, margrave::state::Mode::Cross), SignerIsNotOwner),
        (instruction::set_delegate(alice.key(), held.0, 0, authority, now), SignerIsNotOwner),
        (instruction::close_margin_account(alice.key(), held.0), SignerIsNotOwner),
        (instruction::revoke_consent(alice.key(), held.0, venue), SignerIsNotOwner),
        (world.trade_instruction(alice, &floor.maker, SOL_LONG, PRICE), SignerMayNotTrade),
        (instruction::cancel_quotes(alice.key(), held.0, 9, true), SignerMayNotTrade),
        (instruction::change_now(world.manager.pubkey(), group, more.clone(), None), SignerIsNotManager),
        (instruction::pause(world.guardian.pubkey(), group, None, Pause::ALL, 60), SignerIsNotGuardian),
    ];
    let manager = world.manager.pubkey();
    let queue = [
        (instruction::queue_change(manager, group, id, loose), SignerIsNotAdmin),
        (instruction::queue_change(manager, group, id, more), SignerIsNotManager),
    ];
    let signer_of = |instruction: &Instruction| {
        let mut signers = instruction.accounts.iter().filter(|meta| meta.is_signer);
        signers.next().expect("somebody signs").pubkey
    };
    let maker = floor.maker.keypair.insecure_clone();
    // It may hold lamports, and pay rent.
    floor.world.svm.airdrop(&authority, 1_000_000_000).unwrap();
    for (instruction, error) in owners.into_iter().chain(queue) {
        let owner = signer_of(&instruction);
        // Without the owner's signature, and with the venue's in its place. More accounts change nothing, but for the venue's program,
        // which signs for the venue that it finds.
        let instruction = and_account(and_account(instruction, venue), margrave::ID);
        let passed = by_venue(unsigned(instruction.clone(), owner));
        refuses_with_code(&mut floor.world, NOT_A_SIGNER, |world| world.send(&[passed], &[&maker]));
        let stolen = by_venue(with_account(instruction, owner, authority));
        floor.world.refuses(error, |world| world.send(&[stolen], &[&maker]));
    }
}

/// P-42: the most that a venue taken over can do to an account: trade what is left of its allowance back and forth at the edge of the
/// band. 10,000 dollars of a band of 5 % cost 5 / 0.95 % of them and the fees, and no more.
#[test]
fn what_a_rogue_takes_is_bounded_by_the_allowance() {
    let mut floor = Floor::open();
    let mallory = floor.world.funded("mallory", 10_000 * DOLLAR, 0);
    let until = floor.world.now() + DAY;
    let (allowance, venue) = (10_000 * DOLLAR, floor.venue);
    consent(&mut floor.world, &mallory, venue, until, u64::MAX).unwrap();
    consent(&mut floor.world, &floor.alice, venue, until, allowance).unwrap();
    let equity =
        |floor: &Floor| floor.world.accounts().value(&floor.alice.margin_account, floor.world.now()).unwrap().equity;
    let before = equity(&floor).micros();
    // She buys dear and sells cheap, 20 SOL at a time, as long as the venue may.
    let (dear, cheap) = (PRICE * 105 / 100, PRICE * 95 / 100);
    let mut rounds = 0;
    loop {
        let mut legs = [floor.perp(20 * SOL_LONG), floor.perp(-20 * SOL_LONG)];
        (legs[0].leg.price, legs[1].leg.price) = (dear, cheap);
        let fill = by_venue(floor.fill_of(&floor.alice, &mallory, &legs));
        match floor.world.send(&[fill], &[]) {
            Ok(_) => rounds += 1,
            Err(refusal) => {
                assert!(refusal.is(ConsentUsedUp), "{refusal}");
                break;
            }
        }
    }
    assert_eq!(rounds, 7, "1,400 dollars each");
    let lost = before - equity(&floor).micros();
    let most = i64::try_from(allowance).unwrap() / 95 * 5 + 5_000_000;
    assert!((490_000_000..=most).contains(&lost), "{lost} of at most {most}");
    check_books(&floor.world).unwrap();
}
