use super::preview::Numbers;
use crate::{error::*, oracle::Action, portfolio::*, state::*};
use anchor_lang::{error::ERROR_CODE_OFFSET, prelude::*};
use margrave_risk::{Black76, CELLS, Charges, Log, OptionKind, Ratio};

#[derive(Accounts)]
pub struct Explain<'info> {
    pub group: AccountLoader<'info, Group>,
    #[account(has_one = group @ MargraveError::GroupMismatch)]
    pub margin_account: AccountLoader<'info, MarginAccount>,
    // remaining - the account's banks and underlyings
}

/// Every number behind an account's margin, and of one risk slot the array and the sensitivities. Nothing is written; read the
/// return data of a simulation. Prices may be stale; `refusal` says whether they would stand in the way.
pub fn explain<'info>(ctx: Context<'info, Explain<'info>>, slot: u8) -> Result<Explanation> {
    let now = Clock::get()?.unix_timestamp;
    let (account, group) = (ctx.accounts.margin_account.load()?, ctx.accounts.group.load()?);
    explanation_of(&account, &group, &InstructionAccounts::new(&[], ctx.remaining_accounts), slot, now)
}

/// What [`explain`] answers, wherever the accounts come from.
pub fn explanation_of(
    account: &MarginAccount,
    group: &Group,
    directory: &impl Directory,
    slot: u8,
    now: i64,
) -> Result<Explanation> {
    let mut arranged = Arranged::new(group)?;
    let refusal = match arranged.read(account, directory, Action::AddRisk, now).and_then(|()| arranged.valuation()) {
        Err(Error::AnchorError(error)) => error.error_code_number,
        Err(error) => return Err(error),
        Ok(valuation) if valuation.initial_health().is_negative() => {
            MargraveError::InitialMarginNotMet as u32 + ERROR_CODE_OFFSET
        }
        Ok(_) => 0,
    };
    arranged.read(account, directory, Action::Reduce, now)?;
    let mut cells = [0i64; CELLS];
    let valuation = arranged.evaluate(|index, _, part| {
        if index == usize::from(slot) {
            for (cell, profit) in cells.iter_mut().zip(part.array().cells()) {
                *cell = profit.micros();
            }
        }
    })?;
    let answer = Explanation {
        numbers: Numbers::of(&valuation),
        scan: valuation.scan.micros(),
        charges: charges(&valuation.charges),
        cells,
        greeks: greeks_of(account, slot, directory)?,
        status: account.status,
        sequence: account.sequence,
        refusal,
    };
    Ok(answer)
}

/// The return data of [`explain`]. Dollars are micro-dollars.
#[derive(AnchorSerialize, AnchorDeserialize, Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    pub numbers: Numbers,
    /// Scanning loss after offsets.
    pub scan: i64,
    /// Basis, delta, naked (maintenance), vega, size, naked (initial), confidence, collateral, depeg, stable price.
    pub charges: [i64; 10],
    /// Profit and loss of the slot in each scenario.
    pub cells: [i64; CELLS],
    pub greeks: SlotGreeks,
    /// [`Status`] when last valued.
    pub status: u8,
    pub sequence: u64,
    /// The error that an action adding risk would be refused with; zero: none.
    pub refusal: u32,
}

/// Sensitivities of one risk slot's positions and collateral, micro-dollars.
#[derive(AnchorSerialize, AnchorDeserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SlotGreeks {
    /// Change of value per price change of 100 %, at this slope.
    pub delta: i64,
    /// Change of that per price change of 100 %, at this slope.
    pub gamma: i64,
    /// Change of value per 100 points of volatility.
    pub vega: i64,
    /// Change of value per year that passes.
    pub theta: i64,
}

fn charges(charges: &Charges) -> [i64; 10] {
    [
        charges.basis,
        charges.delta,
        charges.naked_maintenance,
        charges.vega,
        charges.size,
        charges.naked_initial,
        charges.confidence,
        charges.collateral,
        charges.depeg,
        charges.stable,
    ]
    .map(|charge| charge.micros())
}

#[inline(never)]
fn greeks_of(account: &MarginAccount, slot: u8, directory: &impl Directory) -> Result<SlotGreeks> {
    let index = usize::from(slot);
    let Some(risk) = account.risk.get(index).filter(|slot| !slot.is_empty()) else {
        return Ok(SlotGreeks::default());
    };
    let underlying = directory.underlying(&risk.underlying)?;
    let mut sum = [0i128; 4];
    for balance in account.collateral.iter().filter(|slot| usize::from(slot.risk_slot) == index + 1) {
        let bank = directory.bank(&balance.bank)?;
        let atoms = bank.atoms_down(balance.shares.max(0).unsigned_abs())?;
        let whole = 10i128.pow(4 + u32::from(bank.decimals));
        sum[0] += i128::from(atoms) * i128::from(underlying.oracle.price) / whole;
    }
    let whole = 10i128.pow(4 + u32::from(underlying.decimals));
    let mine = |position: &&PositionSlot| !position.is_empty() && usize::from(position.risk_slot) == index;
    for position in account.positions.iter().filter(mine) {
        let kind = position.kind()?;
        if kind == InstrumentKind::Perp {
            sum[0] += i128::from(position.quantity) * i128::from(underlying.oracle.price) / whole;
            continue;
        }
        let terms = underlying.expiries[usize::from(position.expiry)].expiry().terms();
        let value = i128::from(position.quantity) * i128::from(terms.forward.raw()) / whole;
        if kind == InstrumentKind::Future {
            sum[0] += value;
            continue;
        }
        let strike = &underlying.strikes[usize::from(position.strike)];
        let option = Black76 {
            kind: if kind == InstrumentKind::Call { OptionKind::Call } else { OptionKind::Put },
            forward: terms.forward,
            strike: strike.strike_price().price(),
            years: terms.years,
            discount: terms.discount,
        };
        let log = |bits: i64| Log::of(bits.unsigned_abs()).or_refuse();
        let log_discount = log(terms.discount.bits())?.bits() - log(Ratio::ONE.bits())?.bits();
        let greeks = option.greeks(strike.vol()?, Log::from_bits(log_discount).or_refuse()?);
        let shares = [(greeks.delta, 30), (greeks.gamma, 40), (greeks.vega, 40), (greeks.theta, 40)];
        for (sum, (share, bits)) in sum.iter_mut().zip(shares) {
            *sum += (value * i128::from(share)) >> bits;
        }
    }
    let [delta, gamma, vega, theta] = sum.map(|sum| i64::try_from(sum).unwrap_or(i64::MAX));
    Ok(SlotGreeks { delta, gamma, vega, theta })
}
