//! The story that matters, on a real validator over RPC: a wallet with nothing gets tokens, deposits, trades on a quote, prices
//! crash, the keeper liquidates by itself, and what is left is withdrawn. Run by `./dev e2e`.

use anyhow::{Context, Result, ensure};
use base64::prelude::*;
use margrave::{instructions::Hypothesis, state::MarginAccount};
use margrave_client::{
    Event, Instrument, Leg, Pubkey, Quote, SignedQuote, instruction,
    instruction::Parties,
    pda,
    rpc::{Connection, Failure, Format, Sending, Snapshot},
};
use serde_json::{Value, json};
use solana_keypair::Keypair;
use solana_signer::Signer;
use spl_associated_token_account_interface::address::get_associated_token_address;
use std::{
    process::{Child, Command},
    time::{Duration, Instant},
};

const SERVICES: &str = "http://127.0.0.1:8787";
const DOLLAR: u64 = 1_000_000;
const SOL: i64 = 1_000_000_000;

#[tokio::test]
async fn a_wallet_trades_is_liquidated_by_the_keeper_and_withdraws() -> Result<()> {
    // The keeper leaves this one to the command line.
    let debtor = Keypair::new();
    let network = Network::start(&pda::margin_account(&pda::group(0), &debtor.pubkey(), 0))?;
    let user = User::arrive(&network, Keypair::new()).await?;
    let debtor = User::arrive(&network, debtor).await?;

    user.deposit(5_000 * DOLLAR).await?;
    debtor.deposit(2_000 * DOLLAR).await?;
    debtor.fill(&debtor.ask(50 * SOL).await?).await?;
    // A transaction of version 1, which holds 4,096 bytes and names its limits in its head.
    let refresh = instruction::accrue_interest((user.bank, &user.snapshot().await?.accounts.banks[&user.bank]));
    user.connection.send(&Sending { format: Format::V1, ..Sending::new(&user.keypair, vec![refresh]) }).await?;
    assert_eq!(user.tokens().await?, 95_000 * DOLLAR);

    // A position of 18,000 dollars on 5,000, previewed and then sent: the chain stores what the preview said.
    let bought = 120 * SOL;
    let quote = user.ask(bought).await?;
    let previewed = user.preview(&quote).await?;
    let signature = user.fill(&quote).await?;
    let (_, events) = user.connection.transaction(&signature).await?;
    assert!(
        events.iter().any(|event| matches!(event, Event::Traded(_) | Event::QuoteTraded(_))),
        "no trade was reported"
    );
    let account = user.account().await?;
    assert_eq!(account.positions[0].quantity, bought);
    assert_eq!(account.initial_margin, previewed.1, "the initial margin shown before signing is the chain's");

    // It may not be withdrawn against.
    let refused = user.withdraw(4_000 * DOLLAR).await.unwrap_err();
    let refusal = refused.downcast_ref::<Failure>().and_then(Failure::refusal).context("refused by the program")?;
    assert_eq!(refusal.name, "InitialMarginNotMet");

    // A quarter off: the keeper takes over what it must, and no more than that.
    network.shock("SOL", -250_000).await?;
    let begun = Instant::now();
    let after = user.wait(Duration::from_secs(90), |account| account.positions[0].quantity < bought).await?;
    println!("liquidated {} s after the shock", begun.elapsed().as_secs());
    assert!(after.positions[0].quantity >= 0, "no sign is flipped");
    let healthy = |snapshot: &Snapshot| {
        let value = snapshot.accounts.value_to_liquidate(&user.margin_account, snapshot.now);
        value.is_ok_and(|value| !value.maintenance_health().is_negative())
    };
    let deadline = Instant::now() + Duration::from_secs(90);
    while !healthy(&user.snapshot().await?) {
        ensure!(Instant::now() < deadline, "the account is still below maintenance margin");
        tokio::time::sleep(Duration::from_millis(500)).await;
    }

    debtor.is_liquidated_by_hand().await?;

    // What is left is closed, settled and withdrawn.
    let left = user.account().await?.positions[0].quantity;
    if left != 0 {
        let quote = user.ask(-left).await?;
        user.fill(&quote).await?;
    }
    let snapshot = user.snapshot().await?;
    let account = snapshot.accounts.margin_account(&user.margin_account)?;
    if account.risk[0].claim != 0 {
        let settle = instruction::settle_pnl((user.margin_account, account), user.sol, user.bank, false);
        user.send(vec![settle]).await?;
    }
    user.withdraw(u64::MAX).await?;
    let back = user.tokens().await?;
    assert!(back > 95_000 * DOLLAR && back < 100_000 * DOLLAR, "the loss is the user's own: {back}");
    assert!(user.account().await?.collateral.iter().all(|slot| slot.shares == 0));
    network.changes_wait()?;
    network.command("user", &["solvency"])?;
    network.deploys_again()
}

/// The whole network as users start it.
struct Network {
    child: Child,
}

impl Network {
    /// With a keeper that leaves an account alone.
    fn start(except: &Pubkey) -> Result<Self> {
        let variable = |name: &str| std::env::var(name).with_context(|| format!("{name} is not set; run ./dev e2e"));
        let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
        let child = Command::new(env!("CARGO_BIN_EXE_margrave-localnet"))
            .current_dir(root)
            .env("MARGRAVE_KEEPER_EXCEPT", format!("[\"{except}\"]"))
            .args(["--calm", "--dir", "target/localnet-story"])
            .args(["--validator", &variable("MARGRAVE_VALIDATOR")?, "--keeper", &variable("MARGRAVE_KEEPER")?])
            .spawn()?;
        Ok(Self { child })
    }

    async fn info(&self) -> Result<Value> {
        let deadline = Instant::now() + Duration::from_secs(240);
        loop {
            if let Ok(answer) = reqwest::get(format!("{SERVICES}/info")).await {
                return Ok(answer.json().await?);
            }
            ensure!(Instant::now() < deadline, "the network does not come up");
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }

    async fn post(&self, path: &str, body: Value) -> Result<Value> {
        let answer = reqwest::Client::new().post(format!("{SERVICES}/{path}")).json(&body).send().await?;
        let ok = answer.status().is_success();
        let value: Value = answer.json().await?;
        ensure!(ok, "{path}: {value}");
        Ok(value)
    }

    /// A deployment of what is there already changes nothing: the migration may be run again.
    fn deploys_again(&self) -> Result<()> {
        let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
        let answer = Command::new("node")
            .current_dir(root)
            .env("MARGRAVE_CLI", Self::cli()?)
            .args(["migrations/deploy.ts", "target/localnet-story/market.toml", "http://127.0.0.1:8899"])
            .arg("target/localnet-story/keys/admin.json")
            .output()?;
        let said = format!("{}{}", String::from_utf8_lossy(&answer.stdout), String::from_utf8_lossy(&answer.stderr));
        ensure!(answer.status.success(), "{said}");
        let begun = ["creating", "listing", "queued", "launching"];
        ensure!(begun.iter().all(|word| !said.contains(word)) && said.contains("SOL"), "it did something:\n{said}");
        Ok(())
    }

    /// The command line beside the keeper.
    fn cli() -> Result<std::path::PathBuf> {
        Ok(std::path::Path::new(&std::env::var("MARGRAVE_KEEPER")?).with_file_name("margrave"))
    }

    /// What the command line says to whoever has this key.
    fn command(&self, key: &str, arguments: &[&str]) -> Result<Value> {
        let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/localnet-story");
        let answer = Command::new(Self::cli()?)
            .args(["-C", "config.yml", "--keypair", &format!("keys/{key}.json"), "--output", "json"])
            .args(arguments)
            .current_dir(dir)
            .output()?;
        let said = (String::from_utf8(answer.stdout)?, String::from_utf8(answer.stderr)?);
        ensure!(answer.status.success(), "{arguments:?}: {}\n{}", said.0, said.1);
        Ok(serde_json::from_str(&said.0)?)
    }

    /// A loosening change is queued, seen, not executed before its time, and cancelled.
    fn changes_wait(&self) -> Result<()> {
        let change = "kind = \"bank\"\nbank = \"USDC\"\n[terms]\noutflow_cap = 200000000000000\n";
        std::fs::write(concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/localnet-story/change.toml"), change)?;
        let queued = || self.command("admin", &["admin", "proposals"]).map(|seen| seen["proposals"].clone());
        assert_eq!(queued()?, json!([]));
        self.command("admin", &["admin", "queue", "change.toml"])?;
        let seen = queued()?;
        ensure!(seen[0]["id"] == 0 && seen.to_string().contains("outflow_cap"), "{seen}");
        let refused = self.command("admin", &["admin", "execute", "0"]).unwrap_err().to_string();
        ensure!(refused.contains("ChangeMustWait"), "{refused}");
        let refused = self.command("user", &["admin", "cancel", "0"]).unwrap_err().to_string();
        ensure!(refused.contains("the program refused"), "not whose it is: {refused}");
        self.command("admin", &["admin", "cancel", "0"])?;
        assert_eq!(queued()?, json!([]));
        Ok(())
    }

    async fn shock(&self, symbol: &str, change_ppm: i64) -> Result<()> {
        self.post("price", json!({ "symbol": symbol, "changePpm": change_ppm })).await?;
        Ok(())
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        let _ = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        let _ = self.child.wait();
    }
}

struct User<'a> {
    network: &'a Network,
    connection: Connection,
    keypair: Keypair,
    group: Pubkey,
    bank: Pubkey,
    mint: Pubkey,
    sol: Pubkey,
    margin_account: Pubkey,
    table: Pubkey,
}

impl<'a> User<'a> {
    /// With tokens and an empty margin account.
    async fn arrive(network: &'a Network, keypair: Keypair) -> Result<Self> {
        let info = network.info().await?;
        let key = |value: &Value| -> Result<Pubkey> { Ok(value.as_str().context("an address")?.parse()?) };
        network.post("faucet", json!({ "owner": keypair.pubkey().to_string() })).await?;
        let group = key(&info["group"])?;
        let user = Self {
            network,
            connection: Connection::new(info["rpc"].as_str().context("a URL")?),
            group,
            bank: key(&info["banks"][0]["bank"])?,
            mint: key(&info["banks"][0]["mint"])?,
            sol: key(&info["underlyings"][0]["address"])?,
            margin_account: pda::margin_account(&group, &keypair.pubkey(), 0),
            table: key(&info["lookupTable"])?,
            keypair,
        };
        user.send(vec![instruction::open_margin_account(user.key(), user.key(), user.group, 0)]).await?;
        Ok(user)
    }

    /// Somebody takes over from the command line what no keeper may, step by step until there is no next one.
    async fn is_liquidated_by_hand(&self) -> Result<()> {
        let (before, address) = (self.account().await?, self.margin_account.to_string());
        for arguments in [&["faucet"][..], &["account", "open"], &["deposit", "USDC", "50000"]] {
            self.network.command("user", arguments)?;
        }
        let simulated = self.network.command("user", &["--dry-run", "liquidate", &address])?;
        ensure!(simulated["signature"].is_null() && !simulated["health_after"].is_null(), "{simulated}");
        let size = |account: &MarginAccount| account.positions[0].quantity;
        ensure!(size(&self.account().await?) == size(&before), "{simulated}");
        let mut steps = 0;
        loop {
            let said = self.network.command("user", &["liquidate", &address])?;
            if said["step"].is_null() {
                break;
            }
            ensure!(said["signature"].is_string(), "{said}");
            steps += 1;
            ensure!(steps < 10, "it goes on and on: {said}");
        }
        let after = self.account().await?;
        let taken = size(&before) - size(&after);
        let health = after.equity - after.maintenance_margin;
        ensure!(steps > 0 && taken > 0 && health >= 0, "{steps} steps, {taken} taken, {health} left");
        let held = self.network.command("user", &["positions"])?;
        println!("{steps} steps from the command line have taken over {taken}");
        ensure!(held.to_string().contains(&format!("\"{taken}\"")), "{held}");
        Ok(())
    }

    fn key(&self) -> Pubkey {
        self.keypair.pubkey()
    }

    fn wallet(&self) -> Pubkey {
        get_associated_token_address(&self.key(), &self.mint)
    }

    async fn send(&self, instructions: Vec<margrave_client::Instruction>) -> Result<solana_signature::Signature> {
        let tables = vec![self.connection.lookup_table(&self.table).await?];
        Ok(self.connection.send(&Sending::new(&self.keypair, instructions).with_tables(tables)).await?.signature)
    }

    async fn snapshot(&self) -> Result<Snapshot> {
        Ok(self.connection.snapshot(&self.group).await?)
    }

    async fn account(&self) -> Result<MarginAccount> {
        Ok(*self.snapshot().await?.accounts.margin_account(&self.margin_account)?)
    }

    async fn tokens(&self) -> Result<u64> {
        Ok(self.connection.rpc().get_token_account_balance(&self.wallet()).await?.amount.parse()?)
    }

    async fn deposit(&self, amount: u64) -> Result<()> {
        let snapshot = self.snapshot().await?;
        let bank = (self.bank, &snapshot.accounts.banks[&self.bank]);
        let (wallet, token) = (self.wallet(), spl_token_interface::ID);
        self.send(vec![instruction::deposit(self.key(), self.margin_account, bank, wallet, token, amount)]).await?;
        Ok(())
    }

    async fn withdraw(&self, amount: u64) -> Result<()> {
        let snapshot = self.snapshot().await?;
        let account = (self.margin_account, snapshot.accounts.margin_account(&self.margin_account)?);
        let bank = (self.bank, &snapshot.accounts.banks[&self.bank]);
        let (wallet, token) = (self.wallet(), spl_token_interface::ID);
        self.send(vec![instruction::withdraw(account, bank, wallet, token, amount, false)]).await?;
        Ok(())
    }

    /// A quote for so much of the SOL perp, its signature checked.
    async fn ask(&self, quantity: i64) -> Result<SignedQuote> {
        let leg = json!({
            "underlying": self.sol.to_string(),
            "instrument": { "kind": "perp", "expiry": 0, "strike": 0, "series": 0 },
            "quantity": quantity.to_string(),
        });
        let request = json!({ "taker": self.margin_account.to_string(), "legs": [leg] });
        let answer = self.network.post("quote", request).await?;
        let text = |name: &str| answer[name].as_str().context("a text");
        let bytes = BASE64_STANDARD.decode(text("message")?)?;
        let quote = Quote::from_message(&bytes)?;
        let signed = SignedQuote { quote, signer: text("signer")?.parse()?, signature: text("signature")?.parse()? };
        ensure!(signed.verify(), "the maker has not signed this");
        let asked = Leg { underlying: 0, instrument: Instrument::PERP, quantity, price: signed.quote.legs[0].price };
        ensure!(signed.quote.legs == [asked], "the maker quotes something else");
        Ok(signed)
    }

    /// Initial margin before and after.
    async fn preview(&self, quote: &SignedQuote) -> Result<(i64, i64)> {
        let snapshot = self.snapshot().await?;
        let legs = quote.quote.legs.iter().map(|leg| (self.sol, *leg)).collect();
        let change = Hypothesis { legs, ..Hypothesis::default() };
        let answer = snapshot.accounts.preview(&self.margin_account, &change, snapshot.now)?;
        Ok((answer.before.initial_margin, answer.after.initial_margin))
    }

    async fn fill(&self, quote: &SignedQuote) -> Result<solana_signature::Signature> {
        let snapshot = self.snapshot().await?;
        let account = |key: &Pubkey| snapshot.accounts.margin_account(key);
        let parties = Parties {
            taker: (self.margin_account, account(&self.margin_account)?),
            taker_authority: self.key(),
            maker: (quote.quote.maker, account(&quote.quote.maker)?),
        };
        let fill = instruction::fill_quote(parties, self.bank, &[self.sol], 0, 1, false);
        self.send(vec![quote.instruction(), fill]).await
    }

    async fn wait(&self, patience: Duration, done: impl Fn(&MarginAccount) -> bool) -> Result<MarginAccount> {
        let deadline = Instant::now() + patience;
        loop {
            let account = self.account().await?;
            if done(&account) {
                return Ok(account);
            }
            ensure!(Instant::now() < deadline, "nothing has happened for {} s", patience.as_secs());
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }
}
