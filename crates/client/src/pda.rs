//! Addresses, found off chain and never searched for on chain.

use anchor_lang::{prelude::Pubkey, solana_program::bpf_loader_upgradeable};
use margrave::constants::*;

/// A group by its id.
pub fn group(id: u16) -> Pubkey {
    find(&[GROUP_SEED, &id.to_le_bytes()])
}

/// What a group's outflow is counted in.
pub fn outflow_limit(group: &Pubkey) -> Pubkey {
    find(&[OUTFLOW_SEED, group.as_ref()])
}

/// A queued change by its number.
pub fn proposal(group: &Pubkey, id: u64) -> Pubkey {
    find(&[PROPOSAL_SEED, group.as_ref(), &id.to_le_bytes()])
}

/// A bank by its group and mint.
pub fn bank(group: &Pubkey, mint: &Pubkey) -> Pubkey {
    find(&[BANK_SEED, group.as_ref(), mint.as_ref()])
}

/// A bank's token vault.
pub fn vault(bank: &Pubkey) -> Pubkey {
    find(&[VAULT_SEED, bank.as_ref()])
}

/// An underlying by its group and symbol, see [`symbol`].
pub fn underlying(group: &Pubkey, symbol: &[u8; 16]) -> Pubkey {
    find(&[UNDERLYING_SEED, group.as_ref(), symbol])
}

/// A margin account by its group, owner and number.
pub fn margin_account(group: &Pubkey, owner: &Pubkey, number: u16) -> Pubkey {
    find(&[MARGIN_ACCOUNT_SEED, group.as_ref(), owner.as_ref(), &number.to_le_bytes()])
}

/// A venue by its group, program and number.
pub fn venue(group: &Pubkey, program: &Pubkey, number: u16) -> Pubkey {
    find(&[VENUE_SEED, group.as_ref(), program.as_ref(), &number.to_le_bytes()])
}

/// What a venue's program signs fills with.
pub fn venue_authority(venue: &Pubkey, program: &Pubkey) -> Pubkey {
    Pubkey::find_program_address(&[VENUE_AUTHORITY_SEED, venue.as_ref()], program).0
}

/// A consent by its margin account and venue.
pub fn consent(margin_account: &Pubkey, venue: &Pubkey) -> Pubkey {
    find(&[CONSENT_SEED, margin_account.as_ref(), venue.as_ref()])
}

/// Where the loader keeps the program's upgrade authority.
pub fn program_data() -> Pubkey {
    Pubkey::find_program_address(&[margrave::ID.as_ref()], &bpf_loader_upgradeable::ID).0
}

/// A symbol as the program stores it: up to 16 bytes of ASCII, padded with zeros; longer text is cut.
pub fn symbol(text: &str) -> [u8; 16] {
    let mut bytes = [0; 16];
    for (byte, character) in bytes.iter_mut().zip(text.bytes()) {
        *byte = character;
    }
    bytes
}

fn find(seeds: &[&[u8]]) -> Pubkey {
    Pubkey::find_program_address(seeds, &margrave::ID).0
}
