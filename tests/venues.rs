//! A venue of the program in tests/venue, for tests and measurements.

use margrave::state::{Change, MarginAccount, Venue, VenueMarket, VenueTerms};
use margrave_client::{
    Instruction, Pubkey,
    instruction::{self, PlacedLeg},
    pda,
};
use margrave_sim::{Outcome, Refusal, Trader, World};
use solana_signer::Signer;

/// Loads the program, wherever the one under test lies.
pub fn add_program(world: &mut World) {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/deploy/margrave_venue.so");
    world.svm.add_program_from_file(margrave_venue::ID, path).unwrap_or_else(|error| panic!("{path}: {error}"));
}

/// Everything on the first so many underlyings.
pub fn ample_terms(underlyings: u16) -> VenueTerms {
    let mut terms = VenueTerms { exposure_cap: u64::MAX, enabled: 1, ..VenueTerms::default() };
    // From the end, so that finding one is not finding the first.
    for (market, underlying) in terms.markets.iter_mut().rev().zip(0..underlyings) {
        *market = VenueMarket { fill_cap: u64::MAX, underlying, kinds: VenueMarket::ALL, padding: 0 };
    }
    terms
}

/// Registers a program with terms, for which two days pass when the group is launched.
pub fn register(world: &mut World, program: Pubkey, number: u16, terms: VenueTerms) -> Result<Pubkey, Refusal> {
    let register = instruction::register_venue(world.manager.pubkey(), world.group, program, number);
    world.send(&[register], &[])?;
    let venue = pda::venue(&world.group, &program, number);
    world.change(Change::Venue { venue, terms }, None)?;
    Ok(venue)
}

pub fn consent(world: &mut World, trader: &Trader, venue: Pubkey, expires_at: i64, allowance: u64) -> Outcome {
    let (key, account) = (trader.key(), trader.margin_account);
    let grant = instruction::grant_consent(key, key, account, venue, expires_at, allowance);
    world.send(&[grant], &[&trader.keypair])
}

/// What a venue sends, as if somebody could sign for it.
pub fn fill_instruction(
    world: &World,
    venue: Pubkey,
    taker: &Trader,
    maker: &Trader,
    legs: &[PlacedLeg],
) -> Instruction {
    let state: Venue = world.load(&venue);
    let [a, b]: [MarginAccount; 2] = [world.account(taker), world.account(maker)];
    let (taker, maker) = ((taker.margin_account, &a), (maker.margin_account, &b));
    instruction::venue_fill((venue, &state), taker, maker, world.usdc_bank, legs, true)
}

/// The instruction of Margrave's, sent by the venue's program instead, which signs with its own address.
pub fn by_venue(mut instruction: Instruction) -> Instruction {
    for meta in instruction.accounts.iter_mut().filter(|meta| !meta.pubkey.is_on_curve()) {
        meta.is_signer = false;
    }
    Instruction { program_id: margrave_venue::ID, ..instruction }
}
