//! Random journeys through everything that is traded. After each step the books balance and what the chain has stored is what a
//! client computes, bit for bit (I-09).

use crate::{common::*, desk::*};
use margrave::state::{Instrument, MarginAccount, Mode};
use proptest::{prelude::*, test_runner::*};

#[derive(Clone, Debug)]
enum Step {
    /// Legs by instrument and tenths of a SOL, in millionths of the underlying's price off the mark.
    Trade {
        taker: usize,
        maker: usize,
        legs: Vec<(usize, i64, i64)>,
    },
    Deposit {
        trader: usize,
        sol: bool,
        amount: u64,
    },
    Withdraw {
        trader: usize,
        sol: bool,
        amount: u64,
        borrow: bool,
    },
    /// Seconds later at so many dimes.
    Price {
        seconds: i64,
        dimes: i64,
    },
    SettlePnl {
        trader: usize,
        borrow: bool,
    },
    Sweep,
    Mode {
        trader: usize,
        mode: usize,
    },
    /// The near expiry passes, and some of the accounts are settled in it.
    Expire,
    SettleExpiry {
        trader: usize,
    },
    Surface {
        vol: i64,
    },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let trader = || 0usize..4;
    let legs = proptest::collection::vec((0usize..12, -400i64..400, -2_000i64..2_000), 1..5);
    let step = prop_oneof![
        8 => (trader(), trader(), legs).prop_map(|(taker, maker, legs)| Step::Trade { taker, maker, legs }),
        1 => (trader(), any::<bool>(), 1u64..40).prop_map(|(trader, sol, amount)| Step::Deposit { trader, sol, amount }),
        2 => (trader(), any::<bool>(), 1u64..400, any::<bool>())
            .prop_map(|(trader, sol, amount, borrow)| Step::Withdraw { trader, sol, amount, borrow }),
        4 => (1i64..4_000, 250i64..450).prop_map(|(seconds, dimes)| Step::Price { seconds, dimes }),
        4 => (trader(), any::<bool>()).prop_map(|(trader, borrow)| Step::SettlePnl { trader, borrow }),
        1 => Just(Step::Sweep),
        1 => (trader(), 0usize..3).prop_map(|(trader, mode)| Step::Mode { trader, mode }),
        1 => Just(Step::Expire),
        3 => trader().prop_map(|trader| Step::SettleExpiry { trader }),
        1 => (50i64..70).prop_map(|vol| Step::Surface { vol }),
    ];
    proptest::collection::vec(step, 10..60)
}

impl Step {
    /// Whose accounts were valued by this step.
    fn valued(&self) -> Vec<usize> {
        match self {
            Self::Trade { taker, maker, .. } => vec![*taker, *maker],
            Self::Withdraw { trader, .. } | Self::Mode { trader, .. } => vec![*trader],
            Self::SettlePnl { trader, borrow: true } => vec![*trader],
            _ => vec![],
        }
    }
}

/// The stored numbers equal a fresh valuation of the stored balances and positions, if this change was valued: a flat account's
/// withdrawal is not.
#[track_caller]
fn stored_equals_recomputed(world: &World, trader: &Trader) -> bool {
    let stored = world.account(trader);
    if stored.valued_sequence != stored.sequence {
        return false;
    }
    let fresh = world.accounts().revalued(&trader.margin_account, world.now()).unwrap();
    assert_eq!(numbers(&stored), numbers(&fresh));
    true
}

type Numbers = ([i64; 4], Vec<(u16, [i16; 31], i64, u8)>);

fn numbers(account: &MarginAccount) -> Numbers {
    let levels = [account.equity, account.initial_margin, account.liquidation_end, account.maintenance_margin];
    let risk = account.risk.iter().map(|slot| (slot.exponent, slot.mantissas, slot.price, slot.worst_cell));
    (levels, risk.collect())
}

/// What the journeys have met, so that a test of nothing is seen.
#[derive(Default, Debug)]
struct Met {
    trades: u32,
    refused: u32,
    valued: u32,
    settled: u32,
    expired: u32,
    loans: u32,
}

struct Journey {
    desk: Desk,
    traders: Vec<Trader>,
    far: u8,
    price: i64,
}

impl Journey {
    fn start() -> Self {
        let mut desk = Desk::with(|_, market, _| market.lot = 1_000_000);
        let strikes = [30, 35, 40].map(|dollars| dollars * DOLLAR_PRICE);
        let (far, _) = desk.world.list_expiry(desk.world.sol, 90, 60, &strikes).unwrap();
        let mut traders: Vec<Trader> = Vec::new();
        for (index, (usdc, sol)) in [(30_000, 0), (500, 900), (0, 1_500), (8_000, 100)].into_iter().enumerate() {
            traders.push(desk.world.funded(&format!("trader {index}"), usdc * DOLLAR, sol * SOL));
        }
        Self { desk, traders, far, price: PRICE }
    }

    fn instruments(&self) -> Vec<Instrument> {
        let desk = &self.desk;
        let far = |near: Instrument, strike: i64| desk.world.instrument(&desk.world.sol, near.kind, self.far, strike);
        let (call, put) = (desk.call(35), desk.put(35));
        let strike = |dollars: i64| dollars * DOLLAR_PRICE;
        vec![
            Instrument::PERP,
            Instrument::PERP,
            desk.future(),
            call,
            put,
            desk.call(45),
            desk.put(25),
            far(desk.future(), 0),
            far(call, strike(30)),
            far(put, strike(30)),
            far(call, strike(40)),
            far(put, strike(35)),
        ]
    }

    fn legs(&self, wanted: &[(usize, i64, i64)]) -> Vec<PlacedLeg> {
        let (instruments, world) = (self.instruments(), &self.desk.world);
        let expired = world.now() >= self.desk.time;
        let mut legs = Vec::new();
        for (index, tenths, off) in wanted {
            let instrument = instruments[*index];
            let near =
                instrument.kind != margrave::state::InstrumentKind::Perp && instrument.expiry == self.desk.expiry;
            if *tenths == 0 || (near && expired) {
                continue;
            }
            // Odd digits, so that every division has a remainder.
            let mut leg = world.leg(world.sol, instrument, tenths * 99_000_000);
            leg.leg.price = (leg.leg.price + self.price / 1_000_000 * off).max(1);
            legs.push(leg);
        }
        legs
    }

    fn tell(&mut self, price: i64) {
        self.price = price;
        self.desk.world.set_price(price).unwrap();
    }

    /// Does a step; whether it was accepted.
    fn take(&mut self, step: &Step, met: &mut Met) -> bool {
        let sol = self.desk.world.sol;
        match step {
            Step::Trade { taker, maker, legs } => {
                let legs = self.legs(legs);
                let done = self.desk.world.trade_legs(&self.traders[*taker], &self.traders[*maker], &legs).is_ok();
                if done {
                    met.trades += 1
                } else {
                    met.refused += 1
                }
                done
            }
            Step::Deposit { trader, sol, amount } => {
                let (token, unit) = if *sol { (Token::Sol, SOL / 7) } else { (Token::Usdc, 100 * DOLLAR / 7) };
                self.desk.world.give(&self.traders[*trader], token, amount * unit);
                self.desk.world.deposit(&self.traders[*trader], token, amount * unit).is_ok()
            }
            Step::Withdraw { trader, sol, amount, borrow } => {
                let (token, unit) = if *sol { (Token::Sol, SOL / 7) } else { (Token::Usdc, 100 * DOLLAR / 7) };
                let world = &mut self.desk.world;
                let instruction = world.borrow_instruction(&self.traders[*trader], token, amount * unit, *borrow);
                let done = world.send(&[instruction], &[&self.traders[*trader].keypair]).is_ok();
                met.loans +=
                    u32::from(done && world.account(&self.traders[*trader]).collateral.iter().any(|s| s.shares < 0));
                done
            }
            Step::Price { seconds, dimes } => {
                self.desk.world.set_time(self.desk.world.now() + seconds);
                self.tell((self.price + dimes * 1_000_000_007) / 2);
                true
            }
            Step::SettlePnl { trader, borrow } => {
                let done = self.desk.world.settle_pnl(&self.traders[*trader], sol, *borrow).is_ok();
                met.settled += u32::from(done);
                done
            }
            Step::Sweep => {
                let world = &mut self.desk.world;
                let sweep = instruction::sweep_fees(world.group, world.sol, world.usdc_bank);
                world.send(&[sweep], &[]).is_ok()
            }
            Step::Mode { trader, mode } => {
                let (trader, world) = (&self.traders[*trader], &mut self.desk.world);
                let account = world.account(trader);
                let mode = [Mode::Portfolio, Mode::Cross, Mode::Isolated][*mode];
                let set = instruction::set_mode((trader.margin_account, &account), mode);
                world.send(&[set], &[&trader.keypair]).is_ok()
            }
            Step::Expire => {
                if self.desk.world.now() < self.desk.time - 1_900 {
                    self.desk.expire_at(self.price + 1_234_567);
                    self.tell(self.price);
                    set_flat_surface(&mut self.desk.world, self.far, 60).unwrap();
                }
                true
            }
            Step::SettleExpiry { trader } => {
                let expiry = self.desk.expiry;
                let done = self.desk.world.settle_expiry(&self.traders[*trader], sol, expiry).is_ok();
                met.expired += u32::from(done);
                done
            }
            Step::Surface { vol } => {
                let far = self.far;
                set_flat_surface(&mut self.desk.world, far, *vol).is_ok()
            }
        }
    }
}

#[test]
fn chain_and_client_agree_on_random_journeys_through_everything() {
    let config = Config { cases: 16, failure_persistence: None, ..Config::default() };
    let met = std::cell::RefCell::new(Met::default());
    TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha))
        .run(&steps(), |steps| {
            let mut met = met.borrow_mut();
            let mut journey = Journey::start();
            for step in &steps {
                let before = journey.desk.world.snapshot();
                let done = journey.take(step, &mut met);
                if !done {
                    prop_assert!(before == journey.desk.world.snapshot(), "{step:?} was refused and changed something");
                }
                if let Err(error) = check_books(&journey.desk.world) {
                    return Err(TestCaseError::fail(format!("{step:?}: {error}")));
                }
                for trader in step.valued().into_iter().filter(|_| done) {
                    met.valued += u32::from(stored_equals_recomputed(&journey.desk.world, &journey.traders[trader]));
                }
            }
            Ok(())
        })
        .unwrap();
    let met = met.into_inner();
    assert!(met.trades > 100 && met.valued > 200 && met.settled > 50 && met.expired > 5 && met.loans > 5, "{met:?}");
}
