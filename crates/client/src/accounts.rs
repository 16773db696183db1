//! A cache of decoded accounts, and the same valuation the program makes of them.

use anchor_lang::{ZeroCopy, error, prelude::*};
use margrave::{error::MargraveError, instructions::takeover_of, portfolio::*, state::*};
use margrave_risk::{Takeover, Valuation};
use std::{collections::HashMap, ops::Deref};

/// Decoded accounts by address.
#[derive(Clone, Default)]
pub struct Accounts {
    pub groups: HashMap<Pubkey, Group>,
    pub banks: HashMap<Pubkey, Bank>,
    pub underlyings: HashMap<Pubkey, Underlying>,
    pub margin_accounts: HashMap<Pubkey, MarginAccount>,
}

impl Accounts {
    /// Decodes an account of the program and keeps it. Returns whether the data is of a known type.
    pub fn insert(&mut self, key: Pubkey, data: &[u8]) -> bool {
        fn keep<T: ZeroCopy + bytemuck::Pod>(map: &mut HashMap<Pubkey, T>, key: Pubkey, data: &[u8]) -> bool {
            let known = is_type::<T>(data);
            if known {
                map.insert(key, bytemuck::pod_read_unaligned(&data[8..8 + size_of::<T>()]));
            }
            known
        }
        keep(&mut self.groups, key, data)
            || keep(&mut self.banks, key, data)
            || keep(&mut self.underlyings, key, data)
            || keep(&mut self.margin_accounts, key, data)
    }

    /// A margin account by address.
    ///
    /// # Errors
    /// `WrongAccountType` when it is not in the cache.
    pub fn margin_account(&self, key: &Pubkey) -> Result<&MarginAccount> {
        self.margin_accounts.get(key).ok_or_else(|| error!(MargraveError::WrongAccountType))
    }

    fn group_of(&self, account: &MarginAccount) -> Result<&Group> {
        self.groups.get(&account.group).ok_or_else(|| error!(MargraveError::GroupMismatch))
    }

    /// What the chain would find at unix time `now`: equity, margin levels, worst scenario.
    ///
    /// # Errors
    /// As the program: a price that is too old, an account that is not in the cache.
    pub fn value(&self, key: &Pubkey, now: i64) -> Result<Valuation> {
        let account = self.margin_account(key)?;
        let levels = self.group_of(account)?.levels()?;
        arrange(account, self, Purpose::Risk(now))?.valuation(&levels)
    }

    /// The account as the chain would store it if it valued it at unix time `now`: margin numbers and risk arrays.
    ///
    /// # Errors
    /// As [`Accounts::value`].
    pub fn revalued(&self, key: &Pubkey, now: i64) -> Result<MarginAccount> {
        let mut account = *self.margin_account(key)?;
        let levels = self.group_of(&account)?.levels()?;
        revalue(&mut account, self, &levels, Purpose::Risk(now), now)?;
        Ok(account)
    }

    /// What the chain would let a liquidator take over of the perp on `underlying`. `None` while the account may not be
    /// liquidated, and when taking this position over would not help: it is a hedge, or there is none.
    ///
    /// # Errors
    /// As the program: a price that is too old, an account that is not in the cache.
    pub fn takeover(&self, key: &Pubkey, underlying: &Pubkey, now: i64) -> Result<Option<Takeover>> {
        let account = self.margin_account(key)?;
        let levels = self.group_of(account)?.levels()?;
        let portfolio = arrange(account, self, Purpose::Liquidation(now))?;
        let valuation = portfolio.valuation(&levels)?;
        if !account.is_liquidatable(&valuation, now) {
            return Ok(None);
        }
        let sheet = self.underlying(underlying)?;
        match takeover_of(account, &portfolio, *underlying, &sheet, &levels, u64::MAX) {
            Ok(takeover) => Ok(Some(takeover)),
            Err(error)
                if is(&error, MargraveError::LiquidationWouldNotHelp) || is(&error, MargraveError::NoPosition) =>
            {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}

fn is(error: &Error, expected: MargraveError) -> bool {
    matches!(error, Error::AnchorError(error) if error.error_code_number == u32::from(expected))
}

impl Directory for Accounts {
    fn bank(&self, key: &Pubkey) -> Result<impl Deref<Target = Bank>> {
        self.banks.get(key).ok_or_else(|| error!(MargraveError::BankMissing))
    }

    fn underlying(&self, key: &Pubkey) -> Result<impl Deref<Target = Underlying>> {
        self.underlyings.get(key).ok_or_else(|| error!(MargraveError::UnderlyingMissing))
    }
}
