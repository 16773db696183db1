//! Keys, tokens and deposits of everybody who lives on the local cluster.

use crate::keypair_at;
use anyhow::{Context, Result};
use margrave_cli::deploy::{Config, DeployedBank, Deployment};
use margrave_client::{
    Instruction, Pubkey, instruction, pda,
    rpc::{Connection, Key, Sending},
};
use solana_keypair::Keypair;
use solana_program_pack::Pack;
use solana_signer::Signer;
use solana_system_interface::instruction as system;
use spl_associated_token_account_interface::{
    address::get_associated_token_address, instruction::create_associated_token_account_idempotent,
};
use spl_token_interface::{ID as TOKEN, instruction as token, state::Mint};
use std::path::{Path, PathBuf};

const LAMPORTS_PER_SOL: u64 = 1_000_000_000;
/// What the maker deposits behind each underlying it quotes, whole quote tokens.
pub const MAKER_DEPOSIT: u64 = 50_000_000;
/// What the keeper deposits, whole quote tokens.
pub const KEEPER_DEPOSIT: u64 = 20_000_000;
/// What the faucet gives: micro-dollars' worth is not asked, tokens are.
const FAUCET_QUOTE: u64 = 100_000;
const FAUCET_OTHERS: u64 = 10;
const FAUCET_LAMPORTS: u64 = 10 * LAMPORTS_PER_SOL;

/// Everybody's keys, in files that survive a restart.
pub struct Wallets {
    dir: PathBuf,
    /// Upgrade authority, admin and mint authority.
    pub admin: Keypair,
    pub maker: Keypair,
    pub keeper: Keypair,
    pub publisher: Keypair,
}

impl Wallets {
    pub fn open(dir: &Path) -> Result<Self> {
        std::fs::create_dir_all(dir)?;
        let key = |name: &str| keypair_at(&dir.join(format!("{name}.json")));
        // Of whoever tries the network from a shell; empty until the faucet is asked.
        key("user")?;
        Ok(Self {
            admin: key("admin")?,
            maker: key("maker")?,
            keeper: key("keeper")?,
            publisher: key("publisher")?,
            dir: std::path::absolute(dir)?,
        })
    }

    /// Where somebody's key is.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.join(format!("{name}.json"))
    }

    /// A token for each bank, of which the admin can make more.
    pub async fn create_mints(&self, connection: &Connection, config: &Config) -> Result<Vec<Pubkey>> {
        let rent = connection.rpc().get_minimum_balance_for_rent_exemption(Mint::LEN).await?;
        let (mut mints, mut instructions, mut keys) = (Vec::new(), Vec::new(), Vec::new());
        let admin = self.admin.pubkey();
        for bank in &config.banks {
            let mint = keypair_at(&self.path(&format!("mint-{}", bank.symbol)))?;
            let decimals = bank.decimals.with_context(|| format!("the bank of {} states no decimals", bank.symbol))?;
            let space = u64::try_from(Mint::LEN)?;
            instructions.push(system::create_account(&admin, &mint.pubkey(), rent, space, &TOKEN));
            instructions.push(token::initialize_mint2(&TOKEN, &mint.pubkey(), &admin, None, decimals)?);
            mints.push(mint.pubkey());
            keys.push(mint);
        }
        let signers: Vec<Key> = keys.iter().map(|key| key as Key).collect();
        connection.send(&Sending::new(&self.admin, instructions).signed_by(&signers)).await.context("making tokens")?;
        Ok(mints)
    }

    /// SOL for fees and rent.
    pub async fn fund_lamports(&self, connection: &Connection) -> Result<()> {
        let give = |to: &Keypair| system::transfer(&self.admin.pubkey(), &to.pubkey(), 1_000 * LAMPORTS_PER_SOL);
        let all = [&self.maker, &self.keeper, &self.publisher].map(give).to_vec();
        connection.send(&Sending::new(&self.admin, all)).await?;
        Ok(())
    }

    /// A margin account with a deposit of so many whole quote tokens.
    pub async fn open_and_fund(
        &self,
        connection: &Connection,
        deployment: &Deployment,
        owner: &Keypair,
        number: u16,
        deposit: u64,
    ) -> Result<Pubkey> {
        let (group, quote, key) = (deployment.group, &deployment.banks[0], owner.pubkey());
        let account = pda::margin_account(&group, &key, number);
        let decimals = self.decimals(connection, quote).await?;
        let amount = deposit * 10_u64.pow(u32::from(decimals));
        let bank = connection.snapshot(&group).await?.accounts.banks[&quote.bank];
        let source = get_associated_token_address(&key, &quote.mint);
        let mut instructions = self.mint(&key, &key, quote, amount)?;
        instructions.push(instruction::open_margin_account(key, key, group, number));
        instructions.push(instruction::deposit(key, account, (quote.bank, &bank), source, TOKEN, amount));
        connection.send(&Sending::new(owner, instructions).signed_by(&[&self.admin])).await?;
        Ok(account)
    }

    /// SOL for fees and some of every token.
    pub async fn faucet(
        &self,
        connection: &Connection,
        deployment: &Deployment,
        owner: &Pubkey,
    ) -> Result<Vec<String>> {
        let admin = self.admin.pubkey();
        let mut instructions = vec![system::transfer(&admin, owner, FAUCET_LAMPORTS)];
        for (index, bank) in deployment.banks.iter().enumerate() {
            let whole = if index == 0 { FAUCET_QUOTE } else { FAUCET_OTHERS };
            let amount = whole * 10_u64.pow(u32::from(self.decimals(connection, bank).await?));
            instructions.extend(self.mint(&admin, owner, bank, amount)?);
        }
        let receipt = connection.send(&Sending::new(&self.admin, instructions)).await?;
        Ok(vec![receipt.signature.to_string()])
    }

    async fn decimals(&self, connection: &Connection, bank: &DeployedBank) -> Result<u8> {
        let data = connection.rpc().get_account_data(&bank.mint).await?;
        Ok(Mint::unpack(&data)?.decimals)
    }

    fn mint(&self, payer: &Pubkey, owner: &Pubkey, bank: &DeployedBank, amount: u64) -> Result<Vec<Instruction>> {
        let account = get_associated_token_address(owner, &bank.mint);
        Ok(vec![
            create_associated_token_account_idempotent(payer, owner, &bank.mint, &TOKEN),
            token::mint_to(&TOKEN, &bank.mint, &account, &self.admin.pubkey(), &[], amount)?,
        ])
    }
}
