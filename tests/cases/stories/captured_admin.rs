//! P-43, F-16: a thief holds the admin's, the manager's and the operator's keys. What can he take, and when?

use crate::common::*;
use margrave::{constants::*, instructions::*, state::*};
use margrave_client::instruction;

const TOKEN: Pubkey = anchor_lang::pubkey!("TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA");
const HOUR: i64 = 3_600;
const DAY: i64 = 24 * HOUR;
/// The feed that the thief has for his own token.
const OWN_FEED: [u8; 32] = [9; 32];
/// What may leave in a day: 100,000 dollars of USDC, 4,000 SOL, and 150,000 dollars altogether.
const USDC_A_DAY: u64 = 100_000 * DOLLAR;
const SOL_A_DAY: u64 = 4_000 * SOL;
const DOLLARS_A_DAY: u64 = 150_000 * DOLLAR;

/// A market with savers in it, and the thief, who has three of its keys and two accounts.
struct Heist {
    world: World,
    saver: Trader,
    thief: Trader,
    puppet: Trader,
    /// The worthless token: its mint, its bank, its underlying, and the thief's account full of it.
    mint: Pubkey,
    bank: Pubkey,
    junk: Pubkey,
    wallet: Pubkey,
}

impl Heist {
    fn begin() -> Self {
        let mut world = World::empty(World::START).unwrap();
        world.create_group(0).unwrap();
        world.list_sol(terms::risk_terms()).unwrap();
        let cash = BankTerms { outflow_cap: USDC_A_DAY, ..terms::quote_terms() };
        world.change(Change::Bank { bank: world.usdc_bank, terms: cash }, None).unwrap();
        let coin = BankTerms { outflow_cap: SOL_A_DAY, ..terms::collateral_terms() };
        world.change(Change::Bank { bank: world.sol_bank, terms: coin }, Some(world.sol)).unwrap();
        let limited = GroupTerms { outflow_cap: DOLLARS_A_DAY, ..terms::group_terms() };
        world.change(Change::Group(limited), None).unwrap();
        world.launch().unwrap();
        world.set_price(PRICE).unwrap();
        // The program's upgrade authority is a key of its own, which he has not.
        world.set_upgrade_authority(Some(Pubkey::new_from_array([4; 32])));
        // Outflow is counted at the price that somebody last brought to the bank.
        let sol_bank = world.bank(Token::Sol);
        world.send(&[instruction::accrue_interest((sol_bank.0, &sol_bank.1))], &[]).unwrap();

        let saver = world.funded("saver", 2_000_000 * DOLLAR, 50_000 * SOL);
        let (thief, puppet) = (world.trader("thief"), world.trader("puppet"));
        let mint = world.create_mint(9);
        let wallet = world.give_new(&thief, mint, 1_000_000 * SOL);
        let (bank, junk) = (pda::bank(&world.group, &mint), pda::underlying(&world.group, &pda::symbol("JUNK")));
        Self { world, saver, thief, puppet, mint, bank, junk, wallet }
    }

    /// He lists his token on his own feed, which is a manager's right. Both are inert.
    fn list_the_worthless_token(&mut self) {
        let (manager, group, symbol) = (self.world.manager.pubkey(), self.world.group, pda::symbol("JUNK"));
        let grow = instruction::grow_underlying(manager, group, symbol);
        let (oracle, risk) = (terms::oracle_terms(OWN_FEED), terms::risk_terms());
        let args = ListUnderlyingArgs { symbol, decimals: 9, oracle, risk };
        self.world.send(&[grow.clone(), grow, instruction::list_underlying(manager, group, args)], &[]).unwrap();
        let list = instruction::list_bank(manager, group, self.mint, Some(self.junk), TOKEN);
        self.world.send(&[list], &[]).unwrap();
    }

    /// A million dollars for a token of his, as a receiver program would have stored it.
    fn post_own_price(&mut self, receiver: Pubkey) -> Outcome {
        let price = 10_000_000_000_000_000;
        let message = PriceMessage { feed_id: OWN_FEED, ..self.world.good_price(price) };
        self.world.post(&message, receiver);
        let refresh = instruction::refresh_price(self.world.group, self.junk, self.world.price_update);
        self.world.send(&[refresh], &[])
    }

    fn deposit_junk(&mut self, amount: u64) -> Outcome {
        let bank: Bank = self.world.load(&self.bank);
        let thief = &self.thief;
        let bank = (self.bank, &bank);
        let deposit = instruction::deposit(thief.key(), thief.margin_account, bank, self.wallet, TOKEN, amount);
        self.world.send(&[deposit], &[&thief.keypair])
    }

    /// The terms that make his token as good as cash: no caps, the least haircuts.
    fn generous(&self) -> [Change; 2] {
        let terms = BankTerms { deposit_cap: u64::MAX, outflow_cap: u64::MAX, ..BankTerms::default() };
        let (oracle, risk, market) = (terms::oracle_terms(OWN_FEED), terms::risk_terms(), terms::market_terms());
        [Change::Bank { bank: self.bank, terms }, Change::Underlying { underlying: self.junk, oracle, risk, market }]
    }

    /// What would take away every limit.
    fn unlimited(&self) -> Vec<Change> {
        let world = &self.world;
        let free = |bank: &Bank| BankTerms { outflow_cap: u64::MAX, borrow_cap: u64::MAX, ..bank.terms };
        let mut receivers = [Pubkey::default(); MAX_RECEIVERS];
        receivers[0] = self.thief.key();
        let mine = Roles { guardian: self.thief.key(), ..world.roles() };
        let group: Group = world.load(&world.group);
        vec![
            Change::Bank { bank: world.usdc_bank, terms: free(&world.bank(Token::Usdc).1) },
            Change::Bank { bank: world.sol_bank, terms: free(&world.bank(Token::Sol).1) },
            Change::Group(GroupTerms { outflow_cap: u64::MAX, timelock_secs: MIN_TIMELOCK_SECS, ..group.terms }),
            Change::Receivers(receivers),
            Change::Roles(mine),
        ]
    }

    fn underlying_of(&self, change: &Change) -> Option<Pubkey> {
        match change {
            Change::Bank { bank, .. } if *bank == self.bank => Some(self.junk),
            Change::Bank { bank, .. } if *bank == self.world.sol_bank => Some(self.world.sol),
            _ => None,
        }
    }

    fn at_once(&mut self, change: &Change) -> Outcome {
        let (admin, group) = (self.world.admin.pubkey(), self.world.group);
        let change = instruction::change_now(admin, group, change.clone(), self.underlying_of(change));
        self.world.send(&[change], &[])
    }

    fn execute(&mut self, key: &Pubkey) -> Outcome {
        let proposal = self.world.proposal(key);
        let underlying = self.underlying_of(&proposal.change);
        self.world.send(&[instruction::execute_change((*key, &proposal), underlying)], &[])
    }

    fn cancel(&mut self, key: &Pubkey) {
        let proposal = self.world.proposal(key);
        let cancel = instruction::cancel_change(self.world.guardian.pubkey(), (*key, &proposal));
        self.world.send(&[cancel], &[]).unwrap();
    }

    /// Requires that `attempt` fails with `error` and moves nothing.
    #[track_caller]
    fn fails(&mut self, error: MargraveError, attempt: impl FnOnce(&mut Self) -> Outcome) {
        let before = self.world.snapshot();
        match attempt(self) {
            Ok(_) => panic!("expected {error:?}, but it worked"),
            Err(refusal) => assert!(refusal.is(error), "expected {error:?}, got {refusal}"),
        }
        assert!(before == self.world.snapshot());
    }

    /// What is in the pockets of the thief's two accounts, in tokens that are worth something.
    fn loot(&self) -> (u64, u64) {
        let sum =
            |token| [&self.thief, &self.puppet].map(|trader| self.world.tokens(&trader.wallet(token))).iter().sum();
        (sum(Token::Usdc), sum(Token::Sol))
    }
}

/// He tries everything at once and takes out nothing. The guardian has two days to see seven proposals, cancels them, and the
/// savers are whole.
#[test]
fn a_thief_with_three_keys_takes_nothing_before_the_guardian_has_spoken() {
    let mut heist = Heist::begin();
    heist.list_the_worthless_token();

    // His own receiver is not believed. His feed may be: anybody can have a thin token's price published.
    let own_program = heist.thief.key();
    heist.fails(ReceiverNotAllowed, |heist| heist.post_own_price(own_program));
    heist.post_own_price(RECEIVER).unwrap();
    // A token at a million dollars that cannot be deposited, an underlying on which nothing trades.
    heist.fails(DepositCapExceeded, |heist| heist.deposit_junk(SOL));
    let index = heist.world.sheet(&heist.junk).index;
    let leg =
        margrave::trading::Leg { underlying: index, instrument: Instrument::PERP, quantity: SOL_LONG, price: PRICE };
    let legs = [instruction::PlacedLeg { underlying: heist.junk, leg }];
    heist.fails(InstrumentNotListed, |heist| heist.world.trade_legs(&heist.thief, &heist.puppet, &legs));
    // A loan against nothing.
    heist.fails(InitialMarginNotMet, |heist| heist.world.borrow(&heist.thief, Token::Usdc, DOLLAR));

    // Fees are what was earned, which is nothing yet; deposits and insurance are not fees.
    let usdc = heist.world.bank(Token::Usdc);
    let (admin, pocket) = (heist.world.admin.pubkey(), heist.thief.usdc);
    let collect = instruction::collect_fees(admin, (usdc.0, &usdc.1), pocket, TOKEN, 1);
    heist.fails(BalanceExceeded, |heist| heist.world.send(&[collect], &[]));
    // The admin's signature is no owner's.
    let account = heist.world.account(&heist.saver);
    let mut robbed = account;
    robbed.owner = admin;
    let robbery =
        instruction::withdraw((heist.saver.margin_account, &robbed), (usdc.0, &usdc.1), pocket, TOKEN, DOLLAR, false);
    heist.fails(SignerIsNotOwner, |heist| heist.world.send(&[robbery], &[]));
    // A group that he sets up himself would need the upgrade authority's key.
    let own_group = instruction::create_group(admin, heist.world.usdc_mint, terms::group_args(1, heist.world.roles()));
    heist.fails(SignerIsNotUpgradeAuthority, |heist| heist.world.send(&[own_group], &[]));

    // Every change that would help him must wait, whichever of his keys he takes.
    let wanted: Vec<Change> = heist.generous().into_iter().chain(heist.unlimited()).collect();
    for change in &wanted {
        heist.fails(ChangeMustBeQueued, |heist| heist.at_once(change));
    }
    let queued: Vec<Pubkey> = wanted.iter().map(|change| heist.world.queue(change.clone()).unwrap()).collect();
    for key in &queued {
        heist.fails(ChangeMustWait, |heist| heist.execute(key));
    }
    heist.world.set_time(World::START + 2 * DAY - 1);
    for key in &queued {
        heist.fails(ChangeMustWait, |heist| heist.execute(key));
    }
    assert_eq!(heist.loot(), (0, 0));

    // The guardian cancels. He is still the guardian: the change of roles was one of the seven.
    for key in &queued {
        heist.cancel(key);
        assert!(heist.world.svm.get_account(key).is_none_or(|account| account.lamports == 0));
    }
    heist.world.set_time(World::START + 3 * DAY);
    heist.world.set_price(PRICE).unwrap();
    heist.fails(DepositCapExceeded, |heist| heist.deposit_junk(SOL));
    heist.world.withdraw(&heist.saver, Token::Usdc, USDC_A_DAY).unwrap();
    check_books(&heist.world).unwrap();
    assert_eq!(heist.loot(), (0, 0));
}

/// The guardian sees to it that the limits stay, and overlooks the token. When the delay is over the thief's token is worth a million
/// dollars apiece, and he takes what a day lets out, and no more.
///
/// Had the changes of the limits not been cancelled either, there would be none: the guardian is the last who can say no.
#[test]
fn without_a_cancellation_a_day_is_worth_a_day_s_outflow() {
    let mut heist = Heist::begin();
    heist.list_the_worthless_token();
    let overlooked: Vec<Pubkey> = heist.generous().map(|change| heist.world.queue(change).unwrap()).into();
    let seen: Vec<Pubkey> = heist.unlimited().into_iter().map(|change| heist.world.queue(change).unwrap()).collect();
    for key in &seen {
        heist.cancel(key);
    }
    heist.world.set_time(World::START + 2 * DAY);
    for key in &overlooked {
        heist.execute(key).unwrap();
    }
    heist.world.set_price(PRICE).unwrap();
    heist.post_own_price(RECEIVER).unwrap();
    // A hundred tokens, a hundred million dollars.
    heist.deposit_junk(100 * SOL).unwrap();

    heist.fails(OutflowLimitExceeded, |heist| heist.world.borrow(&heist.thief, Token::Usdc, USDC_A_DAY + 1));
    heist.world.borrow(&heist.thief, Token::Usdc, USDC_A_DAY).unwrap();
    heist.fails(OutflowLimitExceeded, |heist| heist.world.borrow(&heist.thief, Token::Usdc, 1));
    // 50,000 dollars are left of the group's 150,000: 1,428 SOL at 35 dollars.
    heist.fails(OutflowLimitExceeded, |heist| heist.world.borrow(&heist.thief, Token::Sol, 1_429 * SOL));
    heist.world.borrow(&heist.thief, Token::Sol, 1_428 * SOL).unwrap();
    // Twelve hours later half of it again.
    heist.world.set_time(heist.world.now() + DAY / 2);
    heist.world.set_price(PRICE).unwrap();
    heist.post_own_price(RECEIVER).unwrap();
    heist.fails(OutflowLimitExceeded, |heist| heist.world.borrow(&heist.thief, Token::Usdc, USDC_A_DAY / 2 + 1));
    heist.world.borrow(&heist.thief, Token::Usdc, USDC_A_DAY / 2).unwrap();
    assert_eq!(heist.loot(), (USDC_A_DAY * 3 / 2, 1_428 * SOL));
    check_books(&heist.world).unwrap();

    // The guardian has noticed: no more loans, and no withdrawal of an account that owes.
    let (guardian, group) = (heist.world.guardian.pubkey(), heist.world.group);
    let stop = instruction::pause(guardian, group, None, Pause::BORROW | Pause::WITHDRAW, MAX_PAUSE_SECS);
    heist.world.send(&[stop], &[]).unwrap();
    heist.world.set_time(heist.world.now() + DAY);
    heist.world.set_price(PRICE).unwrap();
    heist.post_own_price(RECEIVER).unwrap();
    heist.fails(Paused, |heist| heist.world.borrow(&heist.thief, Token::Usdc, DOLLAR));
    heist.world.withdraw(&heist.saver, Token::Usdc, USDC_A_DAY).unwrap();
}

/// The operator's key alone, which is the hottest. He would list calls at 900 %, sell them from one of his accounts to the other for
/// a loan and take the volatility away; but no volatility is set beyond three times what the scan range stands for. At the most that is
/// allowed the buyer pays from his own stake, and when the volatility is gone, as fast as the terms allow, neither account owes
/// anything that it does not have: what the thief takes out is what he put in.
#[test]
fn an_operator_who_moves_volatility_takes_no_more_than_he_put_in() {
    let mut heist = Heist::begin();
    let stake = 90_000 * DOLLAR;
    for trader in [&heist.thief, &heist.puppet] {
        heist.world.give(trader, Token::Usdc, stake);
        heist.world.deposit(trader, Token::Usdc, stake).unwrap();
    }
    let sol = heist.world.sol;
    let outcome = heist.world.list_expiry(sol, 20, 900, &[PRICE]);
    assert!(outcome.is_err_and(|refusal| refusal.is(VolFarFromScanRange)));
    let (expiry, series) = heist.world.list_expiry(sol, 30, 300, &[PRICE]).unwrap();
    let call = heist.world.instrument(&sol, InstrumentKind::Call, expiry, PRICE);
    // As many as the seller can carry: he needs a quarter of the price and what volatility may still rise by.
    let sizes = (1..=40).rev().map(|hundreds| hundreds * 100);
    let sold = sizes.into_iter().find(|size| {
        let leg = heist.world.leg(sol, call, size * SOL_LONG);
        heist.world.trade_legs(&heist.puppet, &heist.thief, &[leg]).is_ok()
    });
    assert!(sold.is_some_and(|size| size >= 1_000), "{sold:?}");

    let set = |heist: &mut Heist, vol: i64| {
        let surface = flat_surface(vol, World::START + 30 * DAY - heist.world.now());
        let (operator, group) = (heist.world.operator.pubkey(), heist.world.group);
        heist.world.send(&[instruction::set_surface(operator, group, sol, (expiry, series), surface)], &[])
    };
    // At once, nothing moves.
    heist.fails(SurfaceMovesTooFast, |heist| set(heist, 299));
    for vol in [180, 108, 65, 39, 24, 15] {
        heist.world.set_time(heist.world.now() + HOUR);
        heist.world.set_price(PRICE).unwrap();
        // Less than half of what it was is too fast for an hour.
        heist.fails(SurfaceMovesTooFast, |heist| set(heist, vol * 3 / 4));
        set(&mut heist, vol).unwrap();
        for trader in [&heist.thief, &heist.puppet] {
            let value = heist.world.accounts().value(&trader.margin_account, heist.world.now()).unwrap();
            assert!(!value.equity.is_negative(), "{vol}: {}", value.equity.micros());
        }
        check_books(&heist.world).unwrap();
    }
    heist.fails(VolFarFromScanRange, |heist| set(heist, 9));
    // And the guardian can stop surfaces, and withdrawals of everybody who is not flat.
    let bits = Pause::SURFACE | Pause::BORROW | Pause::WITHDRAW;
    let stop = instruction::pause(heist.world.guardian.pubkey(), heist.world.group, None, bits, MAX_PAUSE_SECS);
    heist.world.send(&[stop], &[]).unwrap();
    heist.world.set_time(heist.world.now() + DAY);
    heist.world.set_price(PRICE).unwrap();
    heist.fails(Paused, |heist| set(heist, 16));
    heist.fails(Paused, |heist| heist.world.withdraw(&heist.thief, Token::Usdc, DOLLAR));
    // The savers owe nothing and leave.
    heist.world.withdraw(&heist.saver, Token::Usdc, USDC_A_DAY).unwrap();
    check_books(&heist.world).unwrap();
}
