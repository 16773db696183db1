//! One builder per instruction. Those that value a margin account take the accounts it refers to from the account itself,
//! so that none is forgotten or given twice.

use crate::pda;
use anchor_lang::{
    InstructionData, ToAccountMetas,
    prelude::Pubkey,
    solana_program::{
        instruction::{AccountMeta, Instruction},
        system_program,
    },
};
use anchor_spl::token;
use margrave::{accounts, instruction as data, instructions::*, state::*};

fn instruction(accounts: impl ToAccountMetas, data: impl InstructionData, rest: Vec<AccountMeta>) -> Instruction {
    let mut metas = accounts.to_account_metas(None);
    metas.extend(rest);
    Instruction { program_id: margrave::ID, accounts: metas, data: data.data() }
}

/// The banks and underlyings that valuing `margin_accounts` reads, each once, without those already `named`.
pub fn valuation_accounts(margin_accounts: &[&MarginAccount], named: &[Pubkey]) -> Vec<AccountMeta> {
    let mut keys: Vec<Pubkey> = Vec::new();
    for account in margin_accounts {
        let banks = account.collateral.iter().map(|slot| slot.bank);
        let underlyings = account.risk.iter().map(|slot| slot.underlying);
        for key in banks.chain(underlyings).filter(|key| *key != Pubkey::default()) {
            if !named.contains(&key) && !keys.contains(&key) {
                keys.push(key);
            }
        }
    }
    keys.into_iter().map(|key| AccountMeta::new_readonly(key, false)).collect()
}

/// Signed by the program's upgrade authority.
pub fn create_group(upgrade_authority: Pubkey, quote_mint: Pubkey, args: CreateGroupArgs) -> Instruction {
    let accounts = accounts::CreateGroup {
        upgrade_authority,
        program_data: pda::program_data(),
        group: pda::group(args.id),
        quote_mint,
        system_program: system_program::ID,
    };
    instruction(accounts, data::CreateGroup { args }, vec![])
}

/// Signed by the group's admin. `underlying` is left out for the quote token.
pub fn list_bank(
    admin: Pubkey,
    group: Pubkey,
    mint: Pubkey,
    underlying: Option<Pubkey>,
    args: ListBankArgs,
) -> Instruction {
    let bank = pda::bank(&group, &mint);
    let accounts = accounts::ListBank {
        admin,
        group,
        mint,
        bank,
        vault: pda::vault(&bank),
        underlying,
        token_program: token::ID,
        system_program: system_program::ID,
    };
    instruction(accounts, data::ListBank { args }, vec![])
}

/// Signed by the group's admin.
pub fn list_underlying(admin: Pubkey, group: Pubkey, args: ListUnderlyingArgs) -> Instruction {
    let underlying = pda::underlying(&group, &args.symbol);
    let accounts = accounts::ListUnderlying { admin, group, underlying, system_program: system_program::ID };
    instruction(accounts, data::ListUnderlying { args }, vec![])
}

/// Signed by the group's admin.
pub fn list_perp(admin: Pubkey, group: Pubkey, underlying: Pubkey, args: ListPerpArgs) -> Instruction {
    instruction(accounts::ListPerp { admin, group, underlying }, data::ListPerp { args }, vec![])
}

/// Signed by payer and owner.
pub fn open_margin_account(payer: Pubkey, owner: Pubkey, group: Pubkey, number: u16) -> Instruction {
    let margin_account = pda::margin_account(&group, &owner, number);
    let accounts =
        accounts::OpenMarginAccount { payer, owner, group, margin_account, system_program: system_program::ID };
    instruction(accounts, data::OpenMarginAccount { number }, vec![])
}

/// Signed by the owner, who also owns `source`. `amount` in the token's smallest units.
pub fn deposit(
    owner: Pubkey,
    margin_account: Pubkey,
    bank: (Pubkey, &Bank),
    source: Pubkey,
    amount: u64,
) -> Instruction {
    let accounts = accounts::Deposit {
        owner,
        margin_account,
        bank: bank.0,
        vault: bank.1.vault,
        mint: bank.1.mint,
        source,
        token_program: token::ID,
    };
    instruction(accounts, data::Deposit { amount }, vec![])
}

/// Signed by the owner. `u64::MAX` withdraws everything.
pub fn withdraw(
    margin_account: (Pubkey, &MarginAccount),
    bank: (Pubkey, &Bank),
    destination: Pubkey,
    amount: u64,
) -> Instruction {
    let (key, account) = margin_account;
    let accounts = accounts::Withdraw {
        owner: account.owner,
        margin_account: key,
        group: account.group,
        bank: bank.0,
        vault: bank.1.vault,
        mint: bank.1.mint,
        destination,
        token_program: token::ID,
    };
    instruction(accounts, data::Withdraw { amount }, valuation_accounts(&[account], &[bank.0]))
}

/// Signed by both owners. `quantity` is what the taker receives.
pub fn trade(
    taker: (Pubkey, &MarginAccount),
    maker: (Pubkey, &MarginAccount),
    underlying: Pubkey,
    quantity: i64,
    price: i64,
) -> Instruction {
    let accounts = accounts::Trade {
        group: taker.1.group,
        taker_owner: taker.1.owner,
        maker_owner: maker.1.owner,
        taker: taker.0,
        maker: maker.0,
        underlying,
    };
    let rest = valuation_accounts(&[taker.1, maker.1], &[underlying]);
    instruction(accounts, data::Trade { args: TradeArgs { quantity, price } }, rest)
}

/// Signed by nobody in particular.
pub fn refresh_price(group: Pubkey, underlying: Pubkey, price_update: Pubkey) -> Instruction {
    instruction(accounts::RefreshPrice { group, underlying, price_update }, data::RefreshPrice {}, vec![])
}

/// Signed by the liquidator's owner.
pub fn liquidate(
    liquidator: (Pubkey, &MarginAccount),
    liquidatee: (Pubkey, &MarginAccount),
    underlying: Pubkey,
    max_quantity: u64,
) -> Instruction {
    let accounts = accounts::Liquidate {
        group: liquidator.1.group,
        liquidator_owner: liquidator.1.owner,
        liquidator: liquidator.0,
        liquidatee: liquidatee.0,
        underlying,
    };
    let rest = valuation_accounts(&[liquidator.1, liquidatee.1], &[underlying]);
    instruction(accounts, data::Liquidate { max_quantity }, rest)
}
