//! The account that costs most to value and to liquidate: eight tokens, and 32 positions over eight underlyings.

use crate::common::*;
use margrave::state::{Instrument, InstrumentKind, Status};
use margrave_client::{
    instruction,
    keeper::{Keeper, decide},
    pda,
};

const UNDERLYINGS: usize = 8;

struct Worst {
    world: World,
    underlyings: Vec<Pubkey>,
    victim: Trader,
    keeper: Trader,
}

impl Worst {
    fn open() -> Self {
        let mut world = World::empty(World::START).unwrap();
        world.create_group(0).unwrap();
        world.list_sol(terms::risk_terms()).unwrap();
        let mut underlyings = vec![world.sol];
        for symbol in ["BTC", "ETH", "JTO", "JUP", "BONK", "WIF", "PYTH"] {
            let oracle = terms::oracle_terms(SOL_FEED);
            underlyings
                .push(world.list_underlying(symbol, oracle, terms::risk_terms(), terms::market_terms()).unwrap());
        }
        let mut mints = vec![world.sol_mint];
        for underlying in &underlyings[1..UNDERLYINGS - 1] {
            let mint = world.create_mint(9);
            world.list_bank(mint, Some(*underlying), terms::collateral_terms()).unwrap();
            mints.push(mint);
        }
        world.launch().unwrap();
        let [victim, maker, keeper] = ["victim", "maker", "keeper"].map(|name| world.trader(name));
        let mut this = Self { world, underlyings, victim, keeper };
        this.move_all(PRICE, 0);
        let Self { world, victim, keeper, .. } = &mut this;
        for (trader, dollars) in [(&*victim, 17_500), (&maker, 10_000_000), (&*keeper, 10_000_000)] {
            world.give(trader, Token::Usdc, dollars * DOLLAR);
            world.deposit(trader, Token::Usdc, dollars * DOLLAR).unwrap();
        }
        for mint in mints {
            let key = pda::bank(&world.group, &mint);
            let source = if mint == world.sol_mint { victim.sol } else { world.give_new(victim, mint, 0) };
            world.mint_to(mint, source, SOL);
            let bank = world.load(&key);
            let deposit =
                instruction::deposit(victim.key(), victim.margin_account, (key, &bank), source, TOKEN_PROGRAM, SOL);
            world.send(&[deposit], &[&victim.keypair]).unwrap();
        }
        for underlying in this.underlyings.clone() {
            let world = &mut this.world;
            let strikes = [90, 110].map(|percent| PRICE / 100 * percent);
            let (expiry, _) = world.list_expiry(underlying, 30, 80, &strikes).unwrap();
            let named = |kind, strike| world.instrument(&underlying, kind, expiry, strike);
            let positions = [
                (Instrument::PERP, 120),
                (named(InstrumentKind::Future, 0), 60),
                (named(InstrumentKind::Call, strikes[1]), -60),
                (named(InstrumentKind::Put, strikes[0]), -60),
            ];
            for (instrument, size) in positions {
                let leg = world.leg(underlying, instrument, size * SOL_LONG);
                world.trade_legs(&this.victim, &maker, &[leg]).unwrap();
            }
        }
        let account = this.world.account(&this.victim);
        assert!(
            account.positions.iter().all(|slot| !slot.is_empty()) && account.risk.iter().all(|slot| !slot.is_empty())
        );
        assert!(account.collateral.iter().all(|slot| !slot.is_empty()));
        this
    }

    fn move_all(&mut self, price: i64, seconds: i64) {
        let Self { world, underlyings, .. } = self;
        world.set_time(world.now() + seconds);
        world.set_price(price).unwrap();
        for underlying in &underlyings[1..] {
            let refresh = instruction::refresh_price(world.group, *underlying, world.price_update);
            world.send(&[refresh], &[]).unwrap();
        }
    }

    /// Takes one step after another until there is none. Gives how many, and the most compute units that one has used.
    fn liquidate_all(&mut self, price: i64) -> (usize, u64) {
        let key = self.victim.margin_account;
        let (mut steps, mut most, mut idle) = (0, 0, 0);
        while idle < 40 {
            let Self { world, keeper, victim, .. } = &mut *self;
            let who = Keeper { margin_account: keeper.margin_account, avoided: &[], avoided_secs: 0 };
            match decide(&world.accounts(), &key, &who, world.now()).unwrap() {
                Some(decision) => {
                    let mut locked: Vec<Pubkey> =
                        decision.instruction.accounts.iter().map(|meta| meta.pubkey).collect();
                    locked.sort_unstable();
                    locked.dedup();
                    assert!(locked.len() < 64, "{:?} locks {}", decision.kind, locked.len());
                    let receipt = world.send(&[compute_limit(), decision.instruction], &[&keeper.keypair]).unwrap();
                    most = most.max(receipt.compute_units);
                    (steps, idle) = (steps + 1, 0);
                }
                None => {
                    let account = world.account(victim);
                    if account.status == Status::Healthy as u8 || account.status == Status::MarginCall as u8 {
                        break;
                    }
                    idle += 1;
                    self.move_all(price, 30);
                }
            }
        }
        (steps, most)
    }
}

/// I-25: nothing that trading and depositing let grow is too much for one step's compute units, locks and heap: it is liquidated to its
/// liquidation end, and from bankruptcy to nothing.
#[test]
fn the_worst_account_is_liquidated_to_the_end() {
    let mut saved = Worst::open();
    let price = PRICE / 100 * 88;
    for percent in [94, 88] {
        saved.move_all(PRICE / 100 * percent, 120);
    }
    let (steps, most) = saved.liquidate_all(price);
    println!("saved in {steps} steps of at most {most} compute units");
    let (accounts, now) = (saved.world.accounts(), saved.world.now());
    let value = accounts.value(&saved.victim.margin_account, now).unwrap();
    assert!(steps > 0 && value.liquidation_end_health().micros() >= 0, "{steps} steps, {value:?}");
    assert!(!saved.world.account(&saved.victim).positions[0].is_empty(), "more was taken than had to be");
    check_books(&saved.world).unwrap();

    let mut lost = Worst::open();
    let price = PRICE / 100 * 50;
    lost.move_all(price, 120);
    let (steps, most) = lost.liquidate_all(price);
    println!("wound up in {steps} steps of at most {most} compute units");
    let account = lost.world.account(&lost.victim);
    assert!(account.positions[0].is_empty(), "{steps} steps leave positions");
    assert!(account.risk.iter().all(|slot| slot.claim >= 0), "{steps} steps leave losses");
    check_books(&lost.world).unwrap();
}
