use crate::pyth::*;
use anchor_lang::{error::ERROR_CODE_OFFSET, prelude::Pubkey, solana_program::bpf_loader_upgradeable};
use litesvm::LiteSVM;
use litesvm_token::{CreateAssociatedTokenAccount, MintTo, get_spl_account, spl_token};
use margrave::{error::MargraveError, instructions::*, state::*};
use margrave_client::{Accounts, Event, Instruction, events_in, instruction, pda};
use pyth_solana_receiver_sdk::price_update::VerificationLevel;
use solana_account::Account;
use solana_clock::Clock;
use solana_keypair::Keypair;
use solana_message::Message;
use solana_program_pack::Pack;
use solana_signer::Signer;
use solana_transaction::Transaction;
use std::{collections::BTreeMap, path::PathBuf};

/// The compiled program: `MARGRAVE_SO`, or where `./dev build` leaves it.
pub fn program_path() -> PathBuf {
    std::env::var_os("MARGRAVE_SO").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/deploy/margrave.so")),
        PathBuf::from,
    )
}

/// A listed token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Token {
    /// Six decimals, the quote token.
    Usdc,
    /// Nine decimals, priced by the SOL underlying.
    Sol,
}

/// Somebody with a wallet, a token account per token and a margin account.
pub struct Trader {
    pub name: String,
    pub keypair: Keypair,
    pub margin_account: Pubkey,
    pub usdc: Pubkey,
    pub sol: Pubkey,
}

impl Trader {
    pub fn key(&self) -> Pubkey {
        self.keypair.pubkey()
    }

    pub fn wallet(&self, token: Token) -> Pubkey {
        match token {
            Token::Usdc => self.usdc,
            Token::Sol => self.sol,
        }
    }
}

/// A transaction that succeeded.
#[derive(Debug)]
pub struct Receipt {
    pub compute_units: u64,
    pub logs: Vec<String>,
}

impl Receipt {
    pub fn events(&self) -> Vec<Event> {
        events_in(&self.logs)
    }

    /// Compute units that programs called by ours have used, from the log.
    pub fn compute_units_of(&self, program: &Pubkey) -> u64 {
        let prefix = format!("Program {program} consumed ");
        let used =
            self.logs.iter().filter_map(|line| line.strip_prefix(&prefix)?.split(' ').next()?.parse::<u64>().ok());
        used.sum()
    }
}

/// A transaction that failed and changed nothing but the fee payer's balance.
#[derive(Debug)]
pub struct Refusal {
    /// The program's own error number, if that is what it was.
    pub code: Option<u32>,
    pub error: String,
    pub logs: Vec<String>,
}

impl Refusal {
    /// Whether the program refused with `error`.
    pub fn is(&self, error: MargraveError) -> bool {
        self.code == Some(error as u32 + ERROR_CODE_OFFSET)
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}\n{}", self.error, self.logs.join("\n"))
    }
}

impl std::error::Error for Refusal {}

pub type Outcome = Result<Receipt, Refusal>;

/// A chain with the program, one group, a USDC and a SOL bank, and the SOL underlying with its perp.
pub struct World {
    pub svm: LiteSVM,
    pub admin: Keypair,
    pub group: Pubkey,
    pub usdc_mint: Pubkey,
    pub sol_mint: Pubkey,
    pub usdc_bank: Pubkey,
    pub sol_bank: Pubkey,
    pub sol: Pubkey,
    pub price_update: Pubkey,
    traders: u64,
    mints: u64,
}

/// The terms the SOL underlying is listed with: 18 % scan range, 2 % on net and 1 % on hedged value, profit at 90 % where
/// risk is added, trades within 5 % of the index, 1 % liquidation fee.
pub fn default_terms() -> RiskTerms {
    RiskTerms {
        version: 0,
        scan_range_ppm: 180_000,
        net_charge_ppm: 20_000,
        hedged_charge_ppm: 10_000,
        profit_haircut_maintenance_ppm: 0,
        profit_haircut_initial_ppm: 100_000,
        max_trade_deviation_ppm: 50_000,
        liquidation_fee_ppm: 10_000,
    }
}

/// An underlying with nine decimals on the SOL feed: prices up to a minute old, 15 seconds for liquidations, 2 % confidence.
pub fn sol_listing(symbol: [u8; 16], terms: RiskTerms) -> ListUnderlyingArgs {
    ListUnderlyingArgs {
        symbol,
        decimals: 9,
        feed_id: SOL_FEED,
        max_confidence_ppm: 20_000,
        max_age_secs: 60,
        max_future_secs: 5,
        liquidation_max_age_secs: 15,
        terms,
    }
}

impl World {
    /// Unix time a new world starts at: 2022-11-06 00:00 UTC.
    pub const START: i64 = 1_667_692_800;

    /// A chain with the program deployed and its upgrade authority funded, and nothing set up.
    pub fn empty(unix_time: i64) -> anyhow::Result<Self> {
        let path = program_path();
        let program = std::fs::read(&path).map_err(|error| {
            anyhow::anyhow!("{}: {error}; build the program first with ./dev build", path.display())
        })?;
        let mut svm = LiteSVM::new();
        svm.add_program(margrave::ID, &program)
            .map_err(|error| anyhow::anyhow!("the program does not load: {error}"))?;
        let admin = keypair(0);
        airdrop(&mut svm, &admin.pubkey());
        let mut world = Self {
            svm,
            admin,
            group: pda::group(0),
            usdc_mint: Pubkey::default(),
            sol_mint: Pubkey::default(),
            usdc_bank: Pubkey::default(),
            sol_bank: Pubkey::default(),
            sol: Pubkey::default(),
            price_update: keypair(1).pubkey(),
            traders: 0,
            mints: 0,
        };
        world.set_upgrade_authority(Some(world.admin.pubkey()));
        world.set_time(unix_time);
        world.usdc_mint = world.create_mint(6);
        world.sol_mint = world.create_mint(9);
        Ok(world)
    }

    /// The standard market at [`World::START`], with SOL at `price` (10^-10 dollars).
    pub fn with_market(price: i64) -> anyhow::Result<Self> {
        Self::with_market_at(price, Self::START)
    }

    /// The standard market at a unix time.
    pub fn with_market_at(price: i64, unix_time: i64) -> anyhow::Result<Self> {
        let mut world = Self::empty(unix_time)?;
        world.create_group(0)?;
        world.list_sol(default_terms())?;
        world.set_price(price)?;
        Ok(world)
    }

    /// Creates group `id` with the standard levels.
    pub fn create_group(&mut self, id: u16) -> Outcome {
        let args = CreateGroupArgs {
            id,
            admin: self.admin.pubkey(),
            receivers: [RECEIVER, Pubkey::default(), Pubkey::default(), Pubkey::default()],
            maintenance_scan_ppm: 800_000,
            liquidation_buffer_ppm: 150_000,
        };
        self.group = pda::group(id);
        self.send(&[instruction::create_group(self.admin.pubkey(), self.usdc_mint, args)], &[])
    }

    /// Lists the SOL underlying and perp and both banks in the current group.
    pub fn list_sol(&mut self, terms: RiskTerms) -> Outcome {
        let (admin, group) = (self.admin.pubkey(), self.group);
        let symbol = pda::symbol("SOL");
        self.sol = pda::underlying(&group, &symbol);
        self.usdc_bank = pda::bank(&group, &self.usdc_mint);
        self.sol_bank = pda::bank(&group, &self.sol_mint);
        let underlying = sol_listing(symbol, terms);
        let perp = ListPerpArgs {
            lot: 10_000_000,
            maker_fee_ppm: 200,
            taker_fee_ppm: 500,
            open_interest_cap: 10_000_000_000_000_000,
        };
        let usdc = ListBankArgs { deposit_cap: u64::MAX, haircut_maintenance_ppm: 0, haircut_initial_ppm: 0 };
        let sol = ListBankArgs { deposit_cap: u64::MAX, haircut_maintenance_ppm: 50_000, haircut_initial_ppm: 100_000 };
        let instructions = [
            instruction::list_underlying(admin, group, underlying),
            instruction::list_perp(admin, group, self.sol, perp),
            instruction::list_bank(admin, group, self.usdc_mint, None, usdc),
            instruction::list_bank(admin, group, self.sol_mint, Some(self.sol), sol),
        ];
        self.send(&instructions, &[])
    }

    /// Rewrites the program's upgrade authority, as a deployment would have set it.
    pub fn set_upgrade_authority(&mut self, authority: Option<Pubkey>) {
        let address = pda::program_data();
        let mut account = self.svm.get_account(&address).expect("the program is deployed");
        assert_eq!(account.owner, bpf_loader_upgradeable::ID);
        // UpgradeableLoaderState::ProgramData: tag u32, slot u64, option tag u8, key.
        account.data[12] = u8::from(authority.is_some());
        account.data[13..45].copy_from_slice(authority.unwrap_or_default().as_ref());
        self.svm.set_account(address, account).expect("a well-formed account");
    }

    /// A new trader with an open margin account and empty wallets.
    pub fn trader(&mut self, name: &str) -> Trader {
        let trader = self.wallet(name);
        let open = instruction::open_margin_account(trader.key(), trader.key(), self.group, 0);
        self.send(&[open], &[&trader.keypair]).expect("a new account opens");
        trader
    }

    /// A new trader without a margin account.
    pub fn wallet(&mut self, name: &str) -> Trader {
        self.traders += 1;
        let keypair = keypair(1_000 + self.traders);
        airdrop(&mut self.svm, &keypair.pubkey());
        let mut account = |mint| {
            CreateAssociatedTokenAccount::new(&mut self.svm, &keypair, &mint)
                .send()
                .expect("a token account is created")
        };
        let (usdc, sol) = (account(self.usdc_mint), account(self.sol_mint));
        let margin_account = pda::margin_account(&self.group, &keypair.pubkey(), 0);
        Trader { name: name.to_owned(), keypair, margin_account, usdc, sol }
    }

    /// A trader who has deposited `usdc` and `sol` smallest units.
    pub fn funded(&mut self, name: &str, usdc: u64, sol: u64) -> Trader {
        let trader = self.trader(name);
        for (token, amount) in [(Token::Usdc, usdc), (Token::Sol, sol)] {
            if amount > 0 {
                self.give(&trader, token, amount);
                self.deposit(&trader, token, amount).expect("a deposit is accepted");
            }
        }
        trader
    }

    /// Mints tokens into a trader's wallet.
    pub fn give(&mut self, trader: &Trader, token: Token, amount: u64) {
        let mint = self.mint(token);
        MintTo::new(&mut self.svm, &self.admin, &mint, &trader.wallet(token), amount)
            .send()
            .expect("the admin may mint");
    }

    /// Lists a bank for a new token priced as SOL, and returns its mint.
    pub fn list_extra_bank(&mut self) -> Result<Pubkey, Refusal> {
        self.list_bank_on(self.sol, u64::MAX)
    }

    /// Lists a bank for a new token priced by `underlying`, and returns its mint.
    pub fn list_bank_on(&mut self, underlying: Pubkey, deposit_cap: u64) -> Result<Pubkey, Refusal> {
        let mint = self.create_mint(9);
        let args = ListBankArgs { deposit_cap, haircut_maintenance_ppm: 50_000, haircut_initial_ppm: 100_000 };
        self.send(&[instruction::list_bank(self.admin.pubkey(), self.group, mint, Some(underlying), args)], &[])?;
        Ok(mint)
    }

    /// Lists another underlying on the SOL feed and refreshes it once.
    pub fn list_other_underlying(&mut self, symbol: &str) -> Result<Pubkey, Refusal> {
        let symbol = pda::symbol(symbol);
        let underlying = pda::underlying(&self.group, &symbol);
        let list = instruction::list_underlying(self.admin.pubkey(), self.group, sol_listing(symbol, default_terms()));
        let refresh = instruction::refresh_price(self.group, underlying, self.price_update);
        self.send(&[list, refresh], &[])?;
        Ok(underlying)
    }

    /// Opens a trader's token account for a mint and puts tokens into it.
    pub fn give_new(&mut self, trader: &Trader, mint: Pubkey, amount: u64) -> Pubkey {
        let create = CreateAssociatedTokenAccount::new(&mut self.svm, &trader.keypair, &mint);
        let wallet = create.send().expect("a token account is created");
        MintTo::new(&mut self.svm, &self.admin, &mint, &wallet, amount).send().expect("the admin may mint");
        wallet
    }

    pub fn mint(&self, token: Token) -> Pubkey {
        match token {
            Token::Usdc => self.usdc_mint,
            Token::Sol => self.sol_mint,
        }
    }

    pub fn bank(&self, token: Token) -> (Pubkey, Bank) {
        let key = match token {
            Token::Usdc => self.usdc_bank,
            Token::Sol => self.sol_bank,
        };
        (key, self.load(&key))
    }

    pub fn deposit(&mut self, trader: &Trader, token: Token, amount: u64) -> Outcome {
        let (key, bank) = self.bank(token);
        let deposit =
            instruction::deposit(trader.key(), trader.margin_account, (key, &bank), trader.wallet(token), amount);
        self.send(&[deposit], &[&trader.keypair])
    }

    pub fn withdraw(&mut self, trader: &Trader, token: Token, amount: u64) -> Outcome {
        let withdraw = self.withdraw_instruction(trader, token, amount);
        self.send(&[withdraw], &[&trader.keypair])
    }

    pub fn withdraw_instruction(&self, trader: &Trader, token: Token, amount: u64) -> Instruction {
        let (key, bank) = self.bank(token);
        let account = self.account(trader);
        instruction::withdraw((trader.margin_account, &account), (key, &bank), trader.wallet(token), amount)
    }

    /// The taker receives `quantity` at `price`; both sign.
    pub fn trade(&mut self, taker: &Trader, maker: &Trader, quantity: i64, price: i64) -> Outcome {
        let trade = self.trade_instruction(taker, maker, quantity, price);
        self.send(&[trade], &[&taker.keypair, &maker.keypair])
    }

    pub fn trade_instruction(&self, taker: &Trader, maker: &Trader, quantity: i64, price: i64) -> Instruction {
        let (a, b) = (self.account(taker), self.account(maker));
        instruction::trade((taker.margin_account, &a), (maker.margin_account, &b), self.sol, quantity, price)
    }

    pub fn liquidate(&mut self, liquidator: &Trader, liquidatee: &Trader, max_quantity: u64) -> Outcome {
        let liquidate = self.liquidate_instruction(liquidator, liquidatee, max_quantity);
        self.send(&[liquidate], &[&liquidator.keypair])
    }

    pub fn liquidate_instruction(&self, liquidator: &Trader, liquidatee: &Trader, max_quantity: u64) -> Instruction {
        let (a, b) = (self.account(liquidator), self.account(liquidatee));
        instruction::liquidate((liquidator.margin_account, &a), (liquidatee.margin_account, &b), self.sol, max_quantity)
    }

    /// Posts SOL at `price` (10^-10 dollars) with a confidence of 0.1 %, published now, and refreshes the underlying.
    pub fn set_price(&mut self, price: i64) -> Outcome {
        self.post(&self.good_price(price), RECEIVER);
        self.refresh()
    }

    /// A price message that every check accepts.
    pub fn good_price(&self, price: i64) -> PriceMessage {
        PriceMessage {
            feed_id: SOL_FEED,
            price,
            confidence: price.unsigned_abs() / 1_000,
            exponent: -10,
            publish_time: self.now(),
            verification: VerificationLevel::Full,
        }
    }

    /// Writes a price account as if `owner` had.
    pub fn post(&mut self, message: &PriceMessage, owner: Pubkey) {
        let slot = self.svm.get_sysvar::<Clock>().slot;
        let account = price_update_account(message, slot, owner);
        self.svm.set_account(self.price_update, account).expect("a well-formed account");
    }

    /// Sends `refresh_price` for SOL.
    pub fn refresh(&mut self) -> Outcome {
        self.send(&[instruction::refresh_price(self.group, self.sol, self.price_update)], &[])
    }

    pub fn now(&self) -> i64 {
        self.svm.get_sysvar::<Clock>().unix_timestamp
    }

    /// Moves the clock; slots follow at 400 ms.
    pub fn set_time(&mut self, unix_time: i64) {
        let mut clock = self.svm.get_sysvar::<Clock>();
        clock.slot += u64::try_from((unix_time - clock.unix_timestamp).max(0)).unwrap_or(0) * 5 / 2;
        clock.unix_timestamp = unix_time;
        self.svm.set_sysvar(&clock);
    }

    /// Sends a transaction paid for by the admin, who signs with `signers`.
    pub fn send(&mut self, instructions: &[Instruction], signers: &[&Keypair]) -> Outcome {
        self.svm.expire_blockhash();
        let mut all = vec![&self.admin];
        for signer in signers {
            if !all.iter().any(|known| known.pubkey() == signer.pubkey()) {
                all.push(signer);
            }
        }
        let message = Message::new(instructions, Some(&self.admin.pubkey()));
        let mut transaction = Transaction::new_unsigned(message);
        let needed =
            &transaction.message.account_keys[..usize::from(transaction.message.header.num_required_signatures)];
        let present: Vec<&Keypair> = all.into_iter().filter(|signer| needed.contains(&signer.pubkey())).collect();
        transaction.partial_sign(&present, self.svm.latest_blockhash());
        match self.svm.send_transaction(transaction) {
            Ok(meta) => Ok(Receipt { compute_units: meta.compute_units_consumed, logs: meta.logs }),
            Err(failed) => {
                let code = custom_code(&format!("{:?}", failed.err));
                Err(Refusal { code, error: failed.err.to_string(), logs: failed.meta.logs })
            }
        }
    }

    /// A zero-copy account of the program.
    pub fn load<T: anchor_lang::ZeroCopy + anchor_lang::Owner>(&self, key: &Pubkey) -> T {
        let account = self.svm.get_account(key).expect("the account exists");
        assert!(is_type::<T>(&account.data) && account.owner == margrave::ID, "{key} is of another type");
        *bytemuck_copy(&account.data[8..8 + size_of::<T>()])
    }

    pub fn account(&self, trader: &Trader) -> MarginAccount {
        self.load(&trader.margin_account)
    }

    pub fn underlying(&self) -> Underlying {
        self.load(&self.sol)
    }

    /// Tokens in a token account.
    pub fn tokens(&self, account: &Pubkey) -> u64 {
        get_spl_account::<spl_token::state::Account>(&self.svm, account).expect("a token account").amount
    }

    /// Every account of the program, decoded, as a client would hold them.
    pub fn accounts(&self) -> Accounts {
        let mut accounts = Accounts::default();
        for (key, account) in self.svm.get_program_accounts(&margrave::ID) {
            accounts.insert(key, &account.data);
        }
        accounts
    }

    /// The bytes of everything a refused transaction must leave alone: the program's accounts and all token accounts.
    pub fn snapshot(&self) -> BTreeMap<Pubkey, Vec<u8>> {
        let owners = [margrave::ID, spl_token::ID];
        let accounts = owners.iter().flat_map(|owner| self.svm.get_program_accounts(owner));
        accounts.map(|(key, account)| (key, account.data)).collect()
    }

    /// Requires that `action` is refused with `error` and changes no byte.
    #[track_caller]
    pub fn refuses(&mut self, error: MargraveError, action: impl FnOnce(&mut Self) -> Outcome) {
        let before = self.snapshot();
        let name = format!("{error:?}");
        match action(self) {
            Ok(_) => panic!("expected {name}, but the transaction succeeded"),
            Err(refusal) => assert!(refusal.is(error), "expected {name}, got {refusal}"),
        }
        assert!(before == self.snapshot(), "{name}: a refused transaction changed an account");
    }

    /// A new mint that nothing knows of yet.
    pub fn create_mint(&mut self, decimals: u8) -> Pubkey {
        self.mints += 1;
        let address = keypair(100 + self.mints).pubkey();
        let mint = spl_token::state::Mint {
            mint_authority: Some(self.admin.pubkey()).into(),
            decimals,
            is_initialized: true,
            ..Default::default()
        };
        let mut data = vec![0; spl_token::state::Mint::LEN];
        mint.pack_into_slice(&mut data);
        let account =
            Account { lamports: 10_000_000, data, owner: spl_token::ID, executable: false, rent_epoch: u64::MAX };
        self.svm.set_account(address, account).expect("a well-formed account");
        address
    }
}

fn bytemuck_copy<T: anchor_lang::ZeroCopy>(bytes: &[u8]) -> Box<T> {
    Box::new(anchor_lang::__private::bytemuck::pod_read_unaligned(bytes))
}

/// A keypair that is the same in every run.
fn keypair(number: u64) -> Keypair {
    let mut seed = [7; 32];
    seed[..8].copy_from_slice(&number.to_le_bytes());
    Keypair::new_from_array(seed)
}

fn airdrop(svm: &mut LiteSVM, key: &Pubkey) {
    svm.airdrop(key, 1_000_000_000_000).expect("the faucet pays");
}

fn custom_code(error: &str) -> Option<u32> {
    let (_, rest) = error.split_once("Custom(")?;
    rest.split(')').next()?.parse().ok()
}
