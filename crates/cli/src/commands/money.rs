use crate::{
    amount::{Amount, parse_positive},
    chain::{Chain, Reading, tokens_in},
    usage,
};
use anyhow::{Context, Result, ensure};
use margrave::state::Bank;
use margrave_client::{Instruction, Pubkey, instruction};
use solana_keypair::Signer;
use spl_associated_token_account_interface::{
    address::get_associated_token_address_with_program_id, instruction::create_associated_token_account_idempotent,
};

#[derive(clap::Args)]
pub struct Deposit {
    /// Symbol, mint, or `quote`.
    token: String,
    /// Whole tokens, as 1500 or 0.25.
    amount: String,
    /// The token account to take them from [default: the wallet's associated one].
    #[arg(long)]
    from: Option<Pubkey>,
}

#[derive(clap::Args)]
pub struct Withdraw {
    /// Symbol, mint, or `quote`.
    token: String,
    /// Whole tokens, or `all` of the deposit.
    amount: String,
    /// Borrow what the deposit does not cover.
    #[arg(long)]
    borrow: bool,
    /// The token account to put them into [default: the wallet's associated one, opened if need be].
    #[arg(long)]
    to: Option<Pubkey>,
}

#[derive(clap::Args)]
pub struct Transfer {
    /// Symbol, mint, or `quote`.
    token: String,
    /// Whole tokens, or `all` of the deposit.
    amount: String,
    /// The receiving account: its number among the wallet's, or its address.
    to: String,
}

pub async fn deposit(chain: &Chain, arguments: &Deposit) -> Result<()> {
    let group = chain.group().await?;
    let key = chain.margin_account(&group, None)?;
    let market = chain.market(group, Reading::Only(vec![key])).await?;
    let (bank_key, bank) = market.bank_named(&arguments.token)?;
    let amount = parse_positive(&arguments.amount, bank.decimals.into()).map_err(|error| usage(error.to_string()))?;
    market.account(&key).context("open it first with: margrave account open")?;
    let owner = chain.wallet()?.pubkey();
    let program = token_program(chain, bank).await?;
    let source = arguments.from.unwrap_or_else(|| associated(&owner, bank, &program));
    let held = chain.connection.rpc().get_account_with_commitment(&source, chain.connection.rpc().commitment()).await?;
    let held = held.value.and_then(|account| tokens_in(&account.data)).unwrap_or(0);
    let token = market.token(bank);
    ensure!(
        held >= amount,
        "{source} has {} {token}, {} are to be deposited",
        Amount::new(held, bank.decimals),
        Amount::new(amount, bank.decimals)
    );
    let deposit = instruction::deposit(owner, key, (bank_key, bank), source, program, amount);
    let what = format!("deposit {} {} into {key}", Amount::new(amount, bank.decimals), token);
    chain.print(&chain.send(&what, vec![deposit], &[]).await?)
}

pub async fn withdraw(chain: &Chain, arguments: &Withdraw) -> Result<()> {
    let group = chain.group().await?;
    let key = chain.margin_account(&group, None)?;
    let market = chain.market(group, Reading::Only(vec![key])).await?;
    let (bank_key, bank) = market.bank_named(&arguments.token)?;
    let (amount, amount_text) = amount_or_all(&arguments.amount, bank)?;
    if amount == u64::MAX && arguments.borrow {
        return Err(usage("'all' is the whole deposit, and --borrow is for more: say how much"));
    }
    let account = market.account(&key)?;
    let owner = chain.wallet()?.pubkey();
    let program = token_program(chain, bank).await?;
    let mut instructions: Vec<Instruction> = Vec::new();
    let destination = arguments.to.unwrap_or_else(|| {
        instructions.push(create_associated_token_account_idempotent(&owner, &owner, &bank.mint, &program));
        associated(&owner, bank, &program)
    });
    let holder = (key, account);
    let withdraw = instruction::withdraw(holder, (bank_key, bank), destination, program, amount, arguments.borrow);
    instructions.push(withdraw);
    let what = format!("withdraw {amount_text} {} from {key}", market.token(bank));
    chain.print(&chain.send(&what, instructions, &[]).await?)
}

pub async fn transfer(chain: &Chain, arguments: &Transfer) -> Result<()> {
    let group = chain.group().await?;
    let from = chain.margin_account(&group, None)?;
    let to = chain.margin_account(&group, Some(&arguments.to))?;
    let market = chain.market(group, Reading::Only(vec![from, to])).await?;
    let (bank_key, bank) = market.bank_named(&arguments.token)?;
    let (amount, amount_text) = amount_or_all(&arguments.amount, bank)?;
    market.account(&to)?;
    let transfer = instruction::transfer_collateral((from, market.account(&from)?), to, (bank_key, bank), amount);
    let what = format!("move {amount_text} {} from {from} to {to}", market.token(bank));
    chain.print(&chain.send(&what, vec![transfer], &[]).await?)
}

/// `u64::MAX` stands for all of the deposit.
fn amount_or_all(text: &str, bank: &Bank) -> Result<(u64, String)> {
    if text.eq_ignore_ascii_case("all") {
        return Ok((u64::MAX, "all".to_owned()));
    }
    let amount = parse_positive(text, bank.decimals.into()).map_err(|error| usage(error.to_string()))?;
    Ok((amount, Amount::new(amount, bank.decimals).to_string()))
}

/// The program that the bank's mint belongs to.
async fn token_program(chain: &Chain, bank: &Bank) -> Result<Pubkey> {
    let mint = chain.connection.rpc().get_account(&bank.mint).await;
    Ok(mint.with_context(|| format!("the mint {} cannot be read", bank.mint))?.owner)
}

fn associated(owner: &Pubkey, bank: &Bank, program: &Pubkey) -> Pubkey {
    get_associated_token_address_with_program_id(owner, &bank.mint, program)
}
