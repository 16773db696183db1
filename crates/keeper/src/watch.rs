//! Who needs something now.

use crate::book::Book;
use margrave::{oracle::Action, portfolio::Arranged, state::MarginAccount};
use margrave_client::Pubkey;

/// What a look at the accounts has found.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// Accounts that need something and how far below maintenance margin they are, micro-dollars: the deepest first.
    pub due: Vec<(i64, Pubkey)>,
    /// Of these, who may be liquidated.
    pub liquidatable: usize,
    /// How many accounts were valued.
    pub valued: usize,
    /// Accounts that cannot be valued, and why.
    pub unknown: Vec<(Pubkey, String)>,
}

/// Values accounts.
#[derive(Default)]
pub struct Watch {}

impl Watch {
    /// Values whoever may need something.
    ///
    /// # Errors
    /// When the group's terms cannot be used.
    pub fn look(&mut self, book: &mut Book, group: &Pubkey, now: i64) -> anchor_lang::Result<Found> {
        let mut found = Found::default();
        book.take_changed();
        let Some(terms) = book.accounts.groups.get(group) else { return Ok(found) };
        let mut arranged = Arranged::new(terms)?;
        for (key, account) in &book.accounts.margin_accounts {
            found.valued += 1;
            match health(&mut arranged, account, book, now) {
                Ok((health, liquidatable)) => {
                    found.liquidatable += usize::from(liquidatable);
                    if liquidatable || is_counted(account) {
                        found.due.push((health, *key));
                    }
                }
                Err(error) => found.unknown.push((*key, crate::prices::name_of(&error))),
            }
        }
        found.due.sort_unstable();
        Ok(found)
    }
}

/// Equity beyond maintenance margin, micro-dollars, and whether the account may be liquidated.
fn health(arranged: &mut Arranged, account: &MarginAccount, book: &Book, now: i64) -> anchor_lang::Result<(i64, bool)> {
    arranged.read(account, &book.accounts, Action::Reduce, now)?;
    let valuation = arranged.valuation()?;
    Ok((valuation.maintenance_health().micros(), account.is_liquidatable(&valuation, now)))
}

/// Whether the account is counted as bankrupt anywhere: that keeps others from their profit.
fn is_counted(account: &MarginAccount) -> bool {
    account.risk.iter().any(|slot| slot.bankrupt != 0) || account.collateral.iter().any(|slot| slot.bankrupt != 0)
}
