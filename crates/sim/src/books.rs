//! The conservation laws, checked over every account of the chain.

use crate::World;
use anchor_lang::prelude::Pubkey;
use std::collections::BTreeMap;

/// What [`check_books`] has added up.
#[derive(Debug, Clone, Default, serde::Serialize)]
pub struct Books {
    /// Per bank: tokens in the vault, and what depositors own together rounded up.
    pub vaults: BTreeMap<String, (u64, u64)>,
    /// Sum of all positions, smallest units. Zero.
    pub net_position: i128,
    /// Half the sum of their sizes.
    pub open_interest: u64,
    /// Sum of all positions' quotes and the unsettled fees, micro-dollars. Zero.
    pub net_quote: i128,
    pub unsettled_fees: i64,
}

/// Adds up every account: I-01 vaults cover claims, I-02 positions sum to zero and open interest is half their sizes,
/// I-03 payments and fees sum to zero, I-06 shares sum to the bank's total.
///
/// # Errors
/// Names the law that does not hold, and by how much.
pub fn check_books(world: &World) -> anyhow::Result<Books> {
    let accounts = world.accounts();
    let mut books = Books::default();
    for (key, bank) in &accounts.banks {
        let shares: i128 = accounts
            .margin_accounts
            .values()
            .flat_map(|account| account.collateral.iter().filter(|slot| slot.bank == *key))
            .map(|slot| i128::from(slot.shares))
            .sum();
        anyhow::ensure!(
            shares == i128::from(bank.deposit_shares),
            "I-06: accounts hold {shares} shares of bank {key}, the bank counts {}",
            bank.deposit_shares
        );
        let vault = world.tokens(&bank.vault);
        let claims = bank.claims_up()?;
        anyhow::ensure!(vault >= claims, "I-01: vault of {key} holds {vault}, owes {claims}");
        books.vaults.insert(key.to_string(), (vault, claims));
    }
    for (key, underlying) in &accounts.underlyings {
        let (mut net, mut size, mut quote) = (0i128, 0i128, 0i128);
        for account in accounts.margin_accounts.values() {
            for slot in account.positions.iter().filter(|slot| !slot.is_empty()) {
                let on: Pubkey = account.risk[usize::from(slot.risk_slot)].underlying;
                if on == *key {
                    net += i128::from(slot.quantity);
                    size += i128::from(slot.quantity).abs();
                    quote += i128::from(slot.quote);
                }
            }
        }
        let fees = underlying.perp.unsettled_fees;
        anyhow::ensure!(net == 0, "I-02: positions on {key} sum to {net}");
        anyhow::ensure!(
            size == 2 * i128::from(underlying.perp.open_interest),
            "I-02: position sizes on {key} sum to {size}, open interest is {}",
            underlying.perp.open_interest
        );
        anyhow::ensure!(quote + i128::from(fees) == 0, "I-03: quotes on {key} sum to {quote}, fees are {fees}");
        books.net_position += net;
        books.net_quote += quote + i128::from(fees);
        books.open_interest += underlying.perp.open_interest;
        books.unsettled_fees += fees;
    }
    Ok(books)
}
