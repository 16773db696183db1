use crate::{pyth::*, terms::*};
use anchor_lang::{
    compat::solana_sysvar::last_restart_slot::LastRestartSlot, error::ERROR_CODE_OFFSET, prelude::Pubkey,
    solana_program::bpf_loader_upgradeable,
};
use litesvm::{LiteSVM, types::TransactionMetadata};
use litesvm_token::{CreateAssociatedTokenAccount, MintTo, spl_token};
use margrave::{
    constants::MAX_UNDERLYINGS, error::MargraveError, instructions::*, state::*, surface::Surface, trading::Leg,
};
use margrave_client::{
    Accounts, Event, Instruction, LiquidationLeg, SignedQuote, event_in, events_in,
    instruction::{self, Parties, PlacedLeg},
    pda,
};
use pyth_solana_receiver_sdk::price_update::VerificationLevel;
use solana_account::Account;
use solana_clock::Clock;
use solana_keypair::Keypair;
use solana_message::Message;
use solana_program_pack::Pack;
use solana_signer::Signer;
use solana_transaction::Transaction;
use std::{collections::BTreeMap, io::Write, path::PathBuf};

/// The compiled program: `MARGRAVE_SO`, or where `./dev build` leaves it.
pub fn program_path() -> PathBuf {
    std::env::var_os("MARGRAVE_SO").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/deploy/margrave.so")),
        PathBuf::from,
    )
}

/// The Token-2022 program.
pub const TOKEN_2022: Pubkey = anchor_lang::pubkey!("TokenzQdBNbLqP5VEhdkAS6EPFLC1PHnBqCXEpPxuEb");

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
    /// Data of the instructions that programs sent.
    pub inner: Vec<Vec<u8>>,
    pub return_data: Vec<u8>,
}

impl Receipt {
    /// Those in the log, then those the program sent to itself.
    pub fn events(&self) -> Vec<Event> {
        let mut events = events_in(&self.logs);
        events.extend(self.inner.iter().filter_map(|data| event_in(data)));
        events
    }

    /// Compute units that programs called by ours have used, from the log.
    pub fn compute_units_of(&self, program: &Pubkey) -> u64 {
        self.calls_of(program).sum()
    }

    /// The most that one call of a program has used, with all that it called.
    pub fn most_compute_units_of(&self, program: &Pubkey) -> u64 {
        self.calls_of(program).max().unwrap_or(0)
    }

    fn calls_of(&self, program: &Pubkey) -> impl Iterator<Item = u64> {
        let prefix = format!("Program {program} consumed ");
        self.logs.iter().filter_map(move |line| line.strip_prefix(&prefix)?.split(' ').next()?.parse().ok())
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
    /// Upgrade authority, admin, and payer of every transaction.
    pub admin: Keypair,
    pub manager: Keypair,
    pub operator: Keypair,
    pub guardian: Keypair,
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
        let [admin, manager, operator, guardian] = [0, 2, 3, 4].map(keypair);
        for key in [&admin, &manager, &operator, &guardian] {
            airdrop(&mut svm, &key.pubkey(), 1_000);
        }
        let mut world = Self {
            svm,
            admin,
            manager,
            operator,
            guardian,
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
        world.list_sol(risk_terms())?;
        world.launch()?;
        world.set_price(price)?;
        Ok(world)
    }

    pub fn roles(&self) -> Roles {
        Roles {
            admin: self.admin.pubkey(),
            manager: self.manager.pubkey(),
            operator: self.operator.pubkey(),
            guardian: self.guardian.pubkey(),
        }
    }

    /// Creates group `id` with the standard terms.
    pub fn create_group(&mut self, id: u16) -> Outcome {
        self.group = pda::group(id);
        let args = group_args(id, self.roles());
        self.send(&[instruction::create_group(self.admin.pubkey(), self.usdc_mint, args)], &[])
    }

    /// Opens the current group for deposits.
    pub fn launch(&mut self) -> Outcome {
        self.send(&[instruction::launch(self.admin.pubkey(), self.group)], &[])
    }

    /// Lists the SOL underlying and perp and both banks in the current group.
    pub fn list_sol(&mut self, risk: RiskTerms) -> Outcome {
        self.usdc_bank = pda::bank(&self.group, &self.usdc_mint);
        self.sol_bank = pda::bank(&self.group, &self.sol_mint);
        self.sol = self.list_underlying("SOL", oracle_terms(SOL_FEED), risk, market_terms())?;
        self.list_bank(self.usdc_mint, None, quote_terms())?;
        self.list_bank(self.sol_mint, Some(self.sol), collateral_terms())
    }

    /// Lists an underlying with nine decimals and sets its terms, which works at once until the launch.
    pub fn list_underlying(
        &mut self,
        symbol: &str,
        oracle: OracleTerms,
        risk: RiskTerms,
        market: MarketTerms,
    ) -> Result<Pubkey, Refusal> {
        let (manager, group, symbol) = (self.manager.pubkey(), self.group, pda::symbol(symbol));
        let underlying = pda::underlying(&group, &symbol);
        let grow = instruction::grow_underlying(manager, group, symbol);
        let args = ListUnderlyingArgs { symbol, decimals: 9, oracle, risk };
        self.send(&[grow.clone(), grow, instruction::list_underlying(manager, group, args)], &[])?;
        self.change(Change::Underlying { underlying, oracle, risk, market }, None)?;
        Ok(underlying)
    }

    /// Lists a bank for an SPL mint and sets its terms.
    pub fn list_bank(&mut self, mint: Pubkey, underlying: Option<Pubkey>, terms: BankTerms) -> Outcome {
        self.list_bank_of(mint, underlying, terms, spl_token::ID)
    }

    /// Lists a bank for a mint of either token program and sets its terms.
    pub fn list_bank_of(
        &mut self,
        mint: Pubkey,
        underlying: Option<Pubkey>,
        terms: BankTerms,
        token_program: Pubkey,
    ) -> Outcome {
        let list = instruction::list_bank(self.manager.pubkey(), self.group, mint, underlying, token_program);
        self.send(&[list], &[])?;
        self.change(Change::Bank { bank: pda::bank(&self.group, &mint), terms }, underlying)
    }

    /// Makes a change by whatever way the group's state asks for: at once before the launch and for what tightens, else through
    /// the queue, waiting as long as it takes. `bank_underlying` is the underlying of a changed bank.
    pub fn change(&mut self, change: Change, bank_underlying: Option<Pubkey>) -> Outcome {
        let proposer = match change.proposer() {
            Proposer::Admin => self.admin.pubkey(),
            Proposer::Manager => self.manager.pubkey(),
        };
        let now = instruction::change_now(proposer, self.group, change.clone(), bank_underlying);
        match self.send(&[now], &[]) {
            Err(refusal) if refusal.is(MargraveError::ChangeMustBeQueued) => {}
            outcome => return outcome,
        }
        let key = self.queue(change)?;
        let proposal = self.proposal(&key);
        self.set_time(proposal.executable_at);
        self.send(&[instruction::execute_change((key, &proposal), bank_underlying)], &[])
    }

    /// Queues a change and returns its proposal.
    pub fn queue(&mut self, change: Change) -> Result<Pubkey, Refusal> {
        let proposer = match change.proposer() {
            Proposer::Admin => self.admin.pubkey(),
            Proposer::Manager => self.manager.pubkey(),
        };
        let id = self.load::<Group>(&self.group).proposals;
        self.send(&[instruction::queue_change(proposer, self.group, id, change)], &[])?;
        Ok(pda::proposal(&self.group, id))
    }

    pub fn proposal(&self, key: &Pubkey) -> Proposal {
        let account = self.svm.get_account(key).expect("the proposal exists");
        anchor_lang::AccountDeserialize::try_deserialize(&mut &account.data[..]).expect("a proposal")
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
        // The faucet has a million: enough for thousands of wallets.
        airdrop(&mut self.svm, &keypair.pubkey(), 20);
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
        self.list_bank(mint, Some(underlying), BankTerms { deposit_cap, ..collateral_terms() })?;
        self.refresh_now();
        Ok(mint)
    }

    /// Posts SOL again at the price it has, in case time has passed.
    fn refresh_now(&mut self) {
        let price = self.underlying().oracle.price;
        if price != 0 {
            self.set_price(price).expect("the old price is accepted again");
        }
    }

    /// Lists another underlying on the SOL feed and refreshes it once.
    pub fn list_other_underlying(&mut self, symbol: &str) -> Result<Pubkey, Refusal> {
        let underlying = self.list_underlying(symbol, oracle_terms(SOL_FEED), risk_terms(), market_terms())?;
        self.refresh_now();
        self.send(&[instruction::refresh_price(self.group, underlying, self.price_update)], &[])?;
        Ok(underlying)
    }

    /// Lists an expiry so many days from now with flat volatility and no carry, and the strikes (10^-10 dollars). Returns the
    /// slot's index and series.
    pub fn list_expiry(
        &mut self,
        underlying: Pubkey,
        days: i64,
        vol_percent: i64,
        strikes: &[i64],
    ) -> Result<(u8, u32), Refusal> {
        let (operator, group) = (self.operator.pubkey(), self.group);
        let time = self.now() + days * 86_400;
        let args = ListExpiryArgs { time, surface: flat_surface(vol_percent, days * 86_400) };
        self.send(&[instruction::list_expiry(operator, group, underlying, args)], &[])?;
        let sheet = self.sheet(&underlying);
        let slot = sheet.expiries.iter().position(|slot| slot.time == time).expect("it was listed");
        let expiry = u8::try_from(slot).expect("twelve slots");
        for some in strikes.chunks(16) {
            let list = instruction::list_strikes(operator, group, underlying, expiry, some.to_vec());
            self.send(&[list], &[])?;
        }
        Ok((expiry, sheet.expiries[slot].series))
    }

    /// An instrument of an underlying by its expiry and strike price (10^-10 dollars; zero for a future).
    pub fn instrument(&self, underlying: &Pubkey, kind: InstrumentKind, expiry: u8, strike: i64) -> Instrument {
        let sheet = self.sheet(underlying);
        let at = |slot: &StrikeSlot| slot.expiry == expiry + 1 && slot.price[0] == strike;
        let index = sheet.strikes.iter().position(at).filter(|_| kind.is_option()).unwrap_or(0);
        let series = sheet.expiries[usize::from(expiry)].series;
        Instrument { kind, expiry, strike: u16::try_from(index).expect("256 slots"), series }
    }

    /// What an instrument is worth by the sheet, 10^-10 dollars per whole unit.
    pub fn mark(&self, underlying: &Pubkey, instrument: &Instrument) -> i64 {
        margrave::trading::mark(*underlying, &self.sheet(underlying), instrument, self.now()).expect("it is listed")
    }

    pub fn sheet(&self, underlying: &Pubkey) -> Box<Underlying> {
        Box::new(self.load(underlying))
    }

    /// A leg of a trade at the mark.
    pub fn leg(&self, underlying: Pubkey, instrument: Instrument, quantity: i64) -> PlacedLeg {
        let index = self.sheet(&underlying).index;
        let price = self.mark(&underlying, &instrument);
        PlacedLeg { underlying, leg: Leg { underlying: index, instrument, quantity, price } }
    }

    /// Trades the legs from the taker's side; both sign, and everything that may be written is writable.
    pub fn trade_legs(&mut self, taker: &Trader, maker: &Trader, legs: &[PlacedLeg]) -> Outcome {
        let trade = self.trade_legs_instruction(taker, maker, legs);
        self.send(&[trade], &[&taker.keypair, &maker.keypair])
    }

    pub fn trade_legs_instruction(&self, taker: &Trader, maker: &Trader, legs: &[PlacedLeg]) -> Instruction {
        let (a, b) = (self.account(taker), self.account(maker));
        let parties = Parties {
            taker: (taker.margin_account, &a),
            taker_authority: taker.key(),
            maker: (maker.margin_account, &b),
        };
        instruction::trade(parties, maker.key(), self.usdc_bank, legs, true)
    }

    /// The two instructions that fill some units of a quote: the signature's check first.
    pub fn fill_instructions(
        &self,
        taker: &Trader,
        maker: &Trader,
        signed: &SignedQuote,
        units: u64,
    ) -> [Instruction; 2] {
        let accounts = self.accounts();
        let by_index = |index: u16| {
            let mut all = accounts.underlyings.iter();
            let found = all.find(|(_, sheet)| sheet.index == index && sheet.group == self.group);
            found.map_or(Pubkey::default(), |(key, _)| *key)
        };
        let underlyings: Vec<Pubkey> = signed.quote.legs.iter().map(|leg| by_index(leg.underlying)).collect();
        let (a, b) = (self.account(taker), self.account(maker));
        let parties = Parties {
            taker: (taker.margin_account, &a),
            taker_authority: taker.key(),
            maker: (maker.margin_account, &b),
        };
        let fill = instruction::fill_quote(parties, self.usdc_bank, &underlyings, 0, units, true);
        [signed.instruction(), fill]
    }

    pub fn settle_pnl(&mut self, trader: &Trader, underlying: Pubkey, borrow: bool) -> Outcome {
        let account = self.account(trader);
        let settle = instruction::settle_pnl((trader.margin_account, &account), underlying, self.usdc_bank, borrow);
        self.send(&[settle], &[&trader.keypair])
    }

    pub fn settle_expiry(&mut self, trader: &Trader, underlying: Pubkey, expiry: u8) -> Outcome {
        self.send(&[instruction::settle_expiry(trader.margin_account, underlying, expiry)], &[])
    }

    /// Opens a trader's token account for a mint and puts tokens into it.
    pub fn give_new(&mut self, trader: &Trader, mint: Pubkey, amount: u64) -> Pubkey {
        let create = CreateAssociatedTokenAccount::new(&mut self.svm, &trader.keypair, &mint);
        let wallet = create.send().expect("a token account is created");
        MintTo::new(&mut self.svm, &self.admin, &mint, &wallet, amount).send().expect("the admin may mint");
        wallet
    }

    /// Mints tokens of any SPL mint of this world into a token account.
    pub fn mint_to(&mut self, mint: Pubkey, account: Pubkey, amount: u64) {
        MintTo::new(&mut self.svm, &self.admin, &mint, &account, amount).send().expect("the admin may mint");
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
        let wallet = trader.wallet(token);
        let deposit =
            instruction::deposit(trader.key(), trader.margin_account, (key, &bank), wallet, spl_token::ID, amount);
        self.send(&[deposit], &[&trader.keypair])
    }

    pub fn withdraw(&mut self, trader: &Trader, token: Token, amount: u64) -> Outcome {
        let withdraw = self.withdraw_instruction(trader, token, amount);
        self.send(&[withdraw], &[&trader.keypair])
    }

    pub fn withdraw_instruction(&self, trader: &Trader, token: Token, amount: u64) -> Instruction {
        self.borrow_instruction(trader, token, amount, false)
    }

    /// Withdraws, and with `borrow` more than the deposit.
    pub fn borrow_instruction(&self, trader: &Trader, token: Token, amount: u64, borrow: bool) -> Instruction {
        let (key, bank) = self.bank(token);
        let account = self.account(trader);
        let (holder, wallet) = ((trader.margin_account, &account), trader.wallet(token));
        instruction::withdraw(holder, (key, &bank), wallet, spl_token::ID, amount, borrow)
    }

    /// Takes a loan in a token.
    pub fn borrow(&mut self, trader: &Trader, token: Token, amount: u64) -> Outcome {
        let borrow = self.borrow_instruction(trader, token, amount, true);
        self.send(&[borrow], &[&trader.keypair])
    }

    /// The taker receives `quantity` at `price`; both sign.
    pub fn trade(&mut self, taker: &Trader, maker: &Trader, quantity: i64, price: i64) -> Outcome {
        let trade = self.trade_instruction(taker, maker, quantity, price);
        self.send(&[trade], &[&taker.keypair, &maker.keypair])
    }

    pub fn trade_instruction(&self, taker: &Trader, maker: &Trader, quantity: i64, price: i64) -> Instruction {
        let leg = Leg { underlying: self.underlying().index, instrument: Instrument::PERP, quantity, price };
        self.trade_legs_instruction(taker, maker, &[PlacedLeg { underlying: self.sol, leg }])
    }

    pub fn liquidate(&mut self, liquidator: &Trader, liquidatee: &Trader, max_quantity: u64) -> Outcome {
        let liquidate = self.liquidate_instruction(liquidator, liquidatee, max_quantity);
        self.send(&[liquidate], &[&liquidator.keypair])
    }

    /// Takes over positions on one underlying in a proportion.
    pub fn liquidate_legs(
        &mut self,
        liquidator: &Trader,
        liquidatee: &Trader,
        underlying: Pubkey,
        legs: Vec<LiquidationLeg>,
        max_units: u64,
    ) -> Outcome {
        let (a, b) = (self.account(liquidator), self.account(liquidatee));
        let (taker, from) = ((liquidator.margin_account, &a), (liquidatee.margin_account, &b));
        let step = instruction::liquidate(taker, from, underlying, legs, max_units);
        self.send(&[step], &[&liquidator.keypair])
    }

    /// Buys collateral in one bank for what is owed in another.
    pub fn liquidate_collateral(
        &mut self,
        liquidator: &Trader,
        liquidatee: &Trader,
        [asset_bank, debt_bank]: [Pubkey; 2],
        max_repay: u64,
    ) -> Outcome {
        let (a, b) = (self.account(liquidator), self.account(liquidatee));
        let (taker, from) = ((liquidator.margin_account, &a), (liquidatee.margin_account, &b));
        let step = instruction::liquidate_collateral(taker, from, asset_bank, debt_bank, max_repay);
        self.send(&[step], &[&liquidator.keypair])
    }

    /// Buys a part (2^-30) of everything.
    pub fn liquidate_slice(&mut self, liquidator: &Trader, liquidatee: &Trader, max_share: i64) -> Outcome {
        let (a, b) = (self.account(liquidator), self.account(liquidatee));
        let (taker, from) = ((liquidator.margin_account, &a), (liquidatee.margin_account, &b));
        let step = instruction::liquidate_slice(taker, from, self.usdc_bank, max_share);
        self.send(&[step], &[&liquidator.keypair])
    }

    /// Writes down where an account stands.
    pub fn flag(&mut self, trader: &Trader) -> Outcome {
        let account = self.account(trader);
        self.send(&[instruction::flag_account((trader.margin_account, &account))], &[])
    }

    /// Shows by one cell of each risk slot that an account is below its maintenance margin.
    pub fn prove_breach(&mut self, trader: &Trader, cells: [u8; MAX_UNDERLYINGS]) -> Outcome {
        let account = self.account(trader);
        self.send(&[instruction::prove_breach((trader.margin_account, &account), cells)], &[])
    }

    pub fn cover_deficit(&mut self, trader: &Trader, underlying: Pubkey) -> Outcome {
        let account = self.account(trader);
        let cover = instruction::cover_deficit((trader.margin_account, &account), underlying, self.usdc_bank);
        self.send(&[cover], &[])
    }

    pub fn write_off_debt(&mut self, trader: &Trader, bank: Pubkey) -> Outcome {
        let account = self.account(trader);
        self.send(&[instruction::write_off_debt((trader.margin_account, &account), bank)], &[])
    }

    pub fn nominate(&mut self, bankrupt: &Trader, candidate: &Trader, underlying: Pubkey, of: Instrument) -> Outcome {
        let (a, b) = (self.account(bankrupt), self.account(candidate));
        let (bankrupt, candidate) = ((bankrupt.margin_account, &a), (candidate.margin_account, &b));
        self.send(&[instruction::nominate_candidate(bankrupt, candidate, underlying, of)], &[])
    }

    pub fn deleverage(&mut self, bankrupt: &Trader, first: &Trader, underlying: Pubkey, of: Instrument) -> Outcome {
        let account = self.account(bankrupt);
        let bankrupt = (bankrupt.margin_account, &account);
        let step = instruction::deleverage(bankrupt, first.margin_account, underlying, self.usdc_bank, of);
        self.send(&[step], &[])
    }

    pub fn register_profit(&mut self, trader: &Trader, underlying: Pubkey) -> Outcome {
        self.send(&[instruction::register_profit(trader.margin_account, underlying)], &[])
    }

    pub fn share_loss(&mut self, underlying: Pubkey) -> Outcome {
        self.send(&[instruction::share_loss(self.group, underlying)], &[])
    }

    pub fn liquidate_instruction(&self, liquidator: &Trader, liquidatee: &Trader, max_quantity: u64) -> Instruction {
        let (a, b) = (self.account(liquidator), self.account(liquidatee));
        let legs = vec![LiquidationLeg { instrument: Instrument::PERP, lots: 1 }];
        let units = max_quantity / self.underlying().market.lot;
        let (liquidator, liquidatee) = ((liquidator.margin_account, &a), (liquidatee.margin_account, &b));
        instruction::liquidate(liquidator, liquidatee, self.sol, legs, units)
    }

    /// Posts SOL at `price` (10^-10 dollars) with a confidence of 0.1 %, published now, and refreshes the underlying.
    pub fn set_price(&mut self, price: i64) -> Outcome {
        self.post(&self.good_price(price), RECEIVER);
        self.refresh()
    }

    /// The same for the underlying that follows another feed.
    pub fn set_price_of(&mut self, underlying: Pubkey, feed_id: [u8; 32], price: i64) -> Outcome {
        self.post(&PriceMessage { feed_id, ..self.good_price(price) }, RECEIVER);
        self.send(&[instruction::refresh_price(self.group, underlying, self.price_update)], &[])
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

    /// The cluster stands still for so long and goes on by itself: time passes and hardly a slot.
    pub fn halt(&mut self, secs: i64) {
        let mut clock = self.svm.get_sysvar::<Clock>();
        clock.slot += 1;
        clock.unix_timestamp += secs;
        self.svm.set_sysvar(&clock);
    }

    /// The validators restart the cluster after it has stood still for so long.
    pub fn restart(&mut self, secs: i64) {
        let last_restart_slot = self.svm.get_sysvar::<Clock>().slot;
        self.svm.set_sysvar(&LastRestartSlot { last_restart_slot });
        self.halt(secs);
    }

    /// Sends a transaction paid for by the admin, who signs with `signers`.
    pub fn send(&mut self, instructions: &[Instruction], signers: &[&Keypair]) -> Outcome {
        self.svm.expire_blockhash();
        let mut all = vec![&self.admin, &self.manager, &self.operator, &self.guardian];
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
            Ok(meta) => {
                record_refusals(&meta.logs);
                Ok(receipt(meta))
            }
            Err(failed) => {
                record_refusals(&failed.meta.logs);
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

    /// Tokens in a token account of either token program.
    pub fn tokens(&self, account: &Pubkey) -> u64 {
        let account = self.svm.get_account(account).expect("a token account");
        // Extensions of Token-2022 follow the same 165 bytes.
        let state = spl_token::state::Account::unpack(&account.data[..spl_token::state::Account::LEN]);
        state.expect("a token account").amount
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
        let owners = [margrave::ID, spl_token::ID, TOKEN_2022];
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

/// For `./dev mutants`, which compiles the program so that guards say in the log when they refuse: a line "test guard" for each in
/// the file that `MARGRAVE_REFUSALS` names.
pub fn record_refusals(logs: &[String]) {
    let Some(path) = std::env::var_os("MARGRAVE_REFUSALS") else { return };
    let thread = std::thread::current();
    let guards = logs.iter().filter_map(|line| line.strip_prefix("Program log: guard ")?.strip_suffix(" refuses"));
    let lines: String = guards.map(|guard| format!("{} {guard}\n", thread.name().unwrap_or("main"))).collect();
    let file = std::fs::OpenOptions::new().create(true).append(true).open(path);
    file.and_then(|mut file| file.write_all(lines.as_bytes())).expect("the recording can be written");
}

fn receipt(meta: TransactionMetadata) -> Receipt {
    Receipt {
        compute_units: meta.compute_units_consumed,
        logs: meta.logs,
        inner: meta.inner_instructions.into_iter().flatten().map(|inner| inner.instruction.data).collect(),
        return_data: meta.return_data.data,
    }
}

/// A smile that is the same volatility at every strike, for an expiry so many seconds away.
pub fn flat_surface(vol_percent: i64, seconds: i64) -> Surface {
    let vol = u32::try_from(vol_percent * 10_000).expect("a sane volatility");
    margrave_client::smile(vol, 0, 0, 0, seconds).expect("a sane volatility")
}

fn bytemuck_copy<T: anchor_lang::ZeroCopy>(bytes: &[u8]) -> Box<T> {
    Box::new(anchor_lang::__private::bytemuck::pod_read_unaligned(bytes))
}

/// A keypair that is the same in every run.
pub fn keypair(number: u64) -> Keypair {
    let mut seed = [7; 32];
    seed[..8].copy_from_slice(&number.to_le_bytes());
    Keypair::new_from_array(seed)
}

fn airdrop(svm: &mut LiteSVM, key: &Pubkey, sol: u64) {
    svm.airdrop(key, sol * 1_000_000_000).expect("the faucet pays");
}

fn custom_code(error: &str) -> Option<u32> {
    let (_, rest) = error.split_once("Custom(")?;
    rest.split(')').next()?.parse().ok()
}
