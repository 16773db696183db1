//! Amounts and the three traders most tests begin with.

pub use margrave::{
    constants::MAX_PAUSE_SECS,
    error::MargraveError::{self, *},
};
pub use margrave_client::{AccountMeta, Event, Instruction, Pubkey, pda};
pub use margrave_sim::*;
pub use solana_signer::Signer;

use solana_keypair::Keypair;
use std::collections::BTreeMap;

pub const DOLLAR: u64 = 1_000_000;
pub const SOL: u64 = 1_000_000_000;
/// Positions are signed.
pub const SOL_LONG: i64 = 1_000_000_000;
/// 35 dollars, in 10^-10.
pub const PRICE: i64 = 350_000_000_000;

/// A market at 35 dollars with a rich maker, and alice with 5,000 dollars.
pub struct Market {
    pub world: World,
    pub maker: Trader,
    pub alice: Trader,
}

impl Market {
    pub fn open() -> Self {
        let mut world = World::with_market(PRICE).unwrap();
        let maker = world.funded("maker", 10_000_000 * DOLLAR, 0);
        let alice = world.funded("alice", 5_000 * DOLLAR, 0);
        Self { world, maker, alice }
    }

    /// Alice long so many SOL at 35 dollars.
    pub fn long(sol: i64) -> Self {
        let mut market = Self::open();
        market.alice_buys(sol).unwrap();
        market
    }

    pub fn alice_buys(&mut self, sol: i64) -> Result<Receipt, Refusal> {
        let price = self.world.underlying().oracle.price;
        self.world.trade(&self.alice, &self.maker, sol * SOL_LONG, price)
    }

    /// A minute later, at a new price.
    pub fn price_moves_to(&mut self, price: i64) {
        self.world.set_time(self.world.now() + 60);
        self.world.set_price(price).unwrap();
    }

    /// A second group with its own banks, underlying and a funded trader, on the same chain. The world keeps pointing at
    /// the first.
    pub fn other_group(&mut self) -> OtherGroup {
        let world = &mut self.world;
        let first = (world.group, world.usdc_bank, world.sol_bank, world.sol);
        world.create_group(1).unwrap();
        world.list_sol(terms::risk_terms()).unwrap();
        world.launch().unwrap();
        world.refresh().unwrap();
        let trader = world.funded("stranger", 5_000 * DOLLAR, SOL);
        let other = OtherGroup { group: world.group, usdc_bank: world.usdc_bank, sol: world.sol, trader };
        (world.group, world.usdc_bank, world.sol_bank, world.sol) = first;
        other
    }
}

pub struct OtherGroup {
    pub group: Pubkey,
    pub usdc_bank: Pubkey,
    pub sol: Pubkey,
    pub trader: Trader,
}

/// The instruction with one account exchanged for another.
pub fn with_account(mut instruction: Instruction, from: Pubkey, to: Pubkey) -> Instruction {
    let meta = instruction.accounts.iter_mut().find(|meta| meta.pubkey == from).expect("the instruction names it");
    meta.pubkey = to;
    instruction
}

/// The instruction without one of its accounts.
pub fn without_account(mut instruction: Instruction, key: Pubkey) -> Instruction {
    let length = instruction.accounts.len();
    instruction.accounts.retain(|meta| meta.pubkey != key);
    assert_eq!(instruction.accounts.len() + 1, length, "the instruction names it once");
    instruction
}

/// The instruction with one more account at its end.
pub fn and_account(mut instruction: Instruction, key: Pubkey) -> Instruction {
    instruction.accounts.push(AccountMeta::new_readonly(key, false));
    instruction
}

/// The instruction without the demand that `key` signs.
pub fn unsigned(mut instruction: Instruction, key: Pubkey) -> Instruction {
    for meta in instruction.accounts.iter_mut().filter(|meta| meta.pubkey == key) {
        meta.is_signer = false;
    }
    instruction
}

/// Requires a refusal with one of Anchor's own error numbers, and that nothing changed.
#[track_caller]
pub fn refuses_with_code(world: &mut World, code: u32, action: impl FnOnce(&mut World) -> Result<Receipt, Refusal>) {
    let before = world.snapshot();
    let refusal = action(world).expect_err("the transaction is refused");
    assert_eq!(refusal.code, Some(code), "{refusal}");
    assert!(before == world.snapshot(), "a refused transaction changed an account");
}

/// Anchor: an account that must sign has not.
pub const NOT_A_SIGNER: u32 = 3010;
/// Anchor: an account is owned by another program.
pub const WRONG_PROGRAM: u32 = 3007;
/// Anchor: an account has another type's discriminator.
pub const WRONG_DISCRIMINATOR: u32 = 3002;

/// The SPL token program.
pub const TOKEN_PROGRAM: Pubkey = Pubkey::from_str_const("TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA");

/// What every account would hold after `instruction`. The world stays as it is.
#[track_caller]
pub fn aftermath(world: &mut World, instruction: Instruction, signers: &[&Keypair]) -> BTreeMap<Pubkey, Vec<u8>> {
    let before = world.svm.clone();
    world.send(&[instruction], signers).expect("the instruction is accepted");
    let after = world.snapshot();
    world.svm = before;
    after
}
