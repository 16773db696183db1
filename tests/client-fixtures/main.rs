//! Writes what clients in other languages are tested against: bytes that the compiled program made or accepted, beside the
//! numbers that Rust reads in them. `client-fixtures FILE [--write]`; without `--write` it compares.

mod shown;

use anyhow::{Context, Result, ensure};
use margrave::{
    error::MargraveError,
    state::{Change, Instrument, InstrumentKind},
};
use margrave_client::{
    Instruction, Leg, Pubkey, Quote, SignedQuote, event_in, events_in,
    instruction::{self, PlacedLeg},
    pda,
};
use margrave_sim::{Receipt, Token, Trader, World, keypair, terms};
use serde_json::{Map, Value, json};
use shown::{Shown, hex, name_of};
use solana_address_lookup_table_interface::state::{AddressLookupTable, LookupTableMeta};
use solana_keypair::Keypair;
use solana_message::{AddressLookupTableAccount, Message, VersionedMessage, v0};
use solana_signer::Signer;
use std::{env, fs, path::PathBuf};

const DOLLAR: u64 = 1_000_000;
const SOL: i64 = 1_000_000_000;
/// 35 dollars.
const PRICE: i64 = 350_000_000_000;

fn main() -> Result<()> {
    let mut arguments = env::args().skip(1);
    let path = PathBuf::from(arguments.next().context("client-fixtures FILE [--write]")?);
    let made = by_lines(&Story::new()?.tell()?);
    if arguments.next().as_deref() == Some("--write") {
        fs::create_dir_all(path.parent().context("a file in a folder")?)?;
        fs::write(&path, made)?;
        return Ok(());
    }
    let committed = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let differs = committed.lines().zip(made.lines()).position(|(old, new)| old != new);
    ensure!(
        committed == made,
        "{} is not what the program does, from line {}",
        path.display(),
        differs.unwrap_or(0) + 1
    );
    Ok(())
}

/// JSON with a line for each entry of each part, so that what has changed can be read.
fn by_lines(story: &Map<String, Value>) -> String {
    let part = |(name, part): (&String, &Value)| match part {
        Value::Object(map) => {
            let lines: Vec<String> = map.iter().map(|(key, value)| format!("    {}: {value}", json!(key))).collect();
            format!("  {}: {{\n{}\n  }}", json!(name), lines.join(",\n"))
        }
        Value::Array(list) => {
            let lines: Vec<String> = list.iter().map(|value| format!("    {value}")).collect();
            format!("  {}: [\n{}\n  ]", json!(name), lines.join(",\n"))
        }
        other => format!("  {}: {other}", json!(name)),
    };
    format!("{{\n{}\n}}\n", story.iter().map(part).collect::<Vec<_>>().join(",\n"))
}

/// A maker, a trader with a portfolio of every kind of instrument, one who comes to be liquidatable, and everything that was sent
/// on the way.
struct Story {
    world: World,
    alice: Trader,
    carol: Trader,
    maker: Trader,
    instructions: Map<String, Value>,
    events: Vec<Value>,
}

impl Story {
    fn new() -> Result<Self> {
        let mut world = World::with_market(PRICE)?;
        let maker = world.funded("maker", 10_000_000 * DOLLAR, 0);
        let alice = world.funded("alice", 5_000 * DOLLAR, 20 * SOL.unsigned_abs());
        let carol = world.funded("carol", 660 * DOLLAR, 0);
        world.trade(&carol, &maker, -70 * SOL, PRICE)?;
        Ok(Self { world, alice, carol, maker, instructions: Map::new(), events: Vec::new() })
    }

    fn tell(mut self) -> Result<Map<String, Value>> {
        let sol = self.world.sol;
        let (alice, maker) = (self.alice.keypair.insecure_clone(), self.maker.keypair.insecure_clone());
        let strikes = [300_000_000_000, PRICE, 400_000_000_000];
        let (expiry, _) = self.world.list_expiry(sol, 30, 60, &strikes)?;

        self.world.give(&self.alice, Token::Usdc, 250 * DOLLAR);
        let (key, bank) = self.world.bank(Token::Usdc);
        let source = self.alice.wallet(Token::Usdc);
        let deposit = instruction::deposit(
            alice.pubkey(),
            self.alice.margin_account,
            (key, &bank),
            source,
            margrave_sim::TOKEN_PROGRAM,
            250 * DOLLAR,
        );
        self.send("deposit", deposit, &[&alice])?;

        let instrument = |kind, strike| self.world.instrument(&sol, kind, expiry, strike);
        let legs = [
            self.world.leg(sol, Instrument::PERP, -60 * SOL),
            self.world.leg(sol, instrument(InstrumentKind::Future, 0), 40 * SOL),
            self.world.leg(sol, instrument(InstrumentKind::Call, strikes[2]), -50 * SOL),
            self.world.leg(sol, instrument(InstrumentKind::Put, strikes[0]), 25 * SOL),
        ];
        let trade = self.world.trade_legs_instruction(&self.alice, &self.maker, &legs);
        self.send("trade", trade, &[&alice, &maker])?;

        let quote = self.quote(legs[2]);
        let signed = SignedQuote::sign(quote, &maker);
        let [check, fill] = self.world.fill_instructions(&self.alice, &self.maker, &signed, 3);
        self.note("fillQuote", &fill);
        let receipt = self.world.send(&[check.clone(), fill], &[&alice])?;
        self.collect(&receipt);

        let cancel = instruction::cancel_quotes(maker.pubkey(), self.maker.margin_account, 5, true);
        self.send("cancelQuotes", cancel, &[&maker])?;
        let until = self.world.now() + 86_400;
        let delegate =
            instruction::set_delegate(alice.pubkey(), self.alice.margin_account, 1, keypair(77).pubkey(), until);
        self.send("setDelegate", delegate, &[&alice])?;

        self.world.set_time(self.world.now() + 60);
        let price = PRICE + 42_345_678_901;
        self.world.post(&self.world.good_price(price), margrave_sim::RECEIVER);
        let refresh = instruction::refresh_price(self.world.group, sol, self.world.price_update);
        self.send("refreshPrice", refresh, &[])?;
        for (name, trader) in
            [("settlePnl", self.alice.margin_account), ("settlePnlOfMaker", self.maker.margin_account)]
        {
            let account = self.world.load(&trader);
            let settle = instruction::settle_pnl((trader, &account), sol, self.world.usdc_bank, false);
            self.send(name, settle, &[])?;
        }
        let withdraw = self.world.withdraw_instruction(&self.alice, Token::Usdc, 10 * DOLLAR);
        self.send("withdraw", withdraw, &[&alice])?;
        let mut looser = terms::group_terms();
        looser.timelock_secs /= 2;
        let proposal = self.world.queue(Change::Group(looser))?;

        let liquidate = self.world.liquidate_instruction(&self.maker, &self.alice, u64::MAX);
        self.note("liquidate", &liquidate);
        let refused = self.world.send(&[liquidate], &[&maker]).err().context("alice is healthy")?;
        ensure!(refused.is(MargraveError::AccountIsHealthy), "{refused}");
        let refused = json!({ "code": refused.code, "line": refused.logs.last() });

        // The price has moved.
        let legs = legs.map(|PlacedLeg { underlying, leg }| self.world.leg(underlying, leg.instrument, leg.quantity));
        let views = self.views(&legs)?;
        let valued = self.valued()?;
        let lookup = self.lookup(&legs)?;
        let accounts = self.accounts(proposal)?;
        let story = json!({
            "program": margrave::ID.to_string(),
            "eventAuthority": margrave::EVENT_AUTHORITY_AND_BUMP.0.to_string(),
            "now": self.world.now(),
            "accounts": accounts,
            "pdas": self.pdas(),
            "instructions": self.instructions,
            "events": self.events,
            "quote": quote_of(&signed, &check, &maker),
            "refused": refused,
            "views": views,
            "valued": valued,
            "lookup": lookup,
        });
        story.as_object().cloned().context("an object")
    }

    fn quote(&self, call: PlacedLeg) -> Quote {
        let perp = self.world.leg(self.world.sol, Instrument::PERP, 2 * SOL);
        Quote {
            group: self.world.group,
            maker: self.maker.margin_account,
            quotes_since: self.world.account(&self.maker).quotes_since,
            taker: self.alice.margin_account,
            expires_at: self.world.now() + 3_600,
            nonce: 7,
            units: 10,
            legs: [perp.leg, call.leg].map(|leg| Leg { quantity: leg.quantity.signum() * SOL, ..leg }).to_vec(),
        }
    }

    fn note(&mut self, name: &str, instruction: &Instruction) {
        self.instructions.insert(name.to_owned(), instruction_of(instruction));
    }

    fn send(&mut self, name: &str, instruction: Instruction, signers: &[&Keypair]) -> Result<()> {
        self.note(name, &instruction);
        let receipt = self.world.send(&[instruction], signers)?;
        self.collect(&receipt);
        Ok(())
    }

    /// Events as the transaction carried them: in its log or among its inner instructions.
    fn collect(&mut self, receipt: &Receipt) {
        for line in receipt.logs.iter().filter(|line| line.starts_with("Program data: ")) {
            for event in events_in(&[line]) {
                self.events.push(json!({ "log": line, "name": name_of(&event), "fields": event.shown() }));
            }
        }
        for data in &receipt.inner {
            if let Some(event) = event_in(data) {
                self.events.push(json!({ "inner": hex(data), "name": name_of(&event), "fields": event.shown() }));
            }
        }
    }

    fn accounts(&self, proposal: Pubkey) -> Result<Value> {
        let world = &self.world;
        let named = [
            ("group", world.group),
            ("outflowLimit", pda::outflow_limit(&world.group)),
            ("usdcBank", world.usdc_bank),
            ("solBank", world.sol_bank),
            ("underlying", world.sol),
            ("alice", self.alice.margin_account),
            ("carol", self.carol.margin_account),
            ("maker", self.maker.margin_account),
            ("proposal", proposal),
        ];
        let mut all = Map::new();
        for (name, key) in named {
            let data = world.svm.get_account(&key).context("the account exists")?.data;
            let (kind, fields) = shown::account(world, &key, &data)?;
            let account = json!({ "address": key.to_string(), "type": kind, "data": hex(&data), "fields": fields });
            all.insert(name.to_owned(), account);
        }
        Ok(Value::Object(all))
    }

    fn pdas(&self) -> Value {
        let world = &self.world;
        let (group, owner) = (world.group, self.alice.key());
        json!({
            "owner": owner.to_string(),
            "mint": world.usdc_mint.to_string(),
            "group": pda::group(0).to_string(),
            "group258": pda::group(258).to_string(),
            "outflowLimit": pda::outflow_limit(&group).to_string(),
            "proposal3": pda::proposal(&group, 3).to_string(),
            "bank": pda::bank(&group, &world.usdc_mint).to_string(),
            "vault": pda::vault(&world.usdc_bank).to_string(),
            "underlyingSol": pda::underlying(&group, &pda::symbol("SOL")).to_string(),
            "marginAccount258": pda::margin_account(&group, &owner, 258).to_string(),
            "programData": pda::program_data().to_string(),
        })
    }

    /// Questions and the chain's answers, as its return data.
    fn views(&mut self, legs: &[PlacedLeg]) -> Result<Value> {
        let account = self.world.account(&self.alice);
        let keyed = (self.alice.margin_account, &account);
        let bank = self.world.sol_bank;
        let changed = [(bank, -5 * SOL)];
        let questions = [
            ("previewNothing", instruction::preview(keyed, &[], &[])),
            ("previewLegs", instruction::preview(keyed, &legs[..3], &[])),
            ("previewLegsAndBalance", instruction::preview(keyed, &legs[1..], &changed)),
            ("explain", instruction::explain(keyed, 0)),
        ];
        let mut answers = Map::new();
        for (name, question) in questions {
            let receipt = self.world.send(std::slice::from_ref(&question), &[])?;
            let answer = json!({ "instruction": instruction_of(&question), "answer": hex(&receipt.return_data) });
            answers.insert(name.to_owned(), answer);
        }
        Ok(Value::Object(answers))
    }

    /// The Rust client's valuations.
    fn valued(&self) -> Result<Value> {
        let accounts = self.world.accounts();
        let mut all = Map::new();
        for (name, trader) in [("alice", &self.alice), ("carol", &self.carol), ("maker", &self.maker)] {
            let key = trader.margin_account;
            let account = accounts.revalued(&key, self.world.now())?;
            let cells = account.risk[0].array().expand().cells().map(|cell| cell.micros()).shown();
            let takeover = accounts.takeover(&key, &self.world.sol, self.world.now())?;
            ensure!(takeover.is_some() == (name == "carol"), "carol alone is liquidatable");
            let takeover = takeover.map(|it| it.shown());
            let account = json!({ "fields": account.shown(), "cells": cells, "takeover": takeover });
            all.insert(name.to_owned(), account);
        }
        Ok(Value::Object(all))
    }

    /// A lookup table as the runtime stores it, and a message that uses it.
    fn lookup(&mut self, legs: &[PlacedLeg]) -> Result<Value> {
        let trade = self.world.trade_legs_instruction(&self.alice, &self.maker, &legs[..2]);
        let (key, signer) = (keypair(500).pubkey(), [self.alice.key(), self.maker.key()]);
        let addresses: Vec<Pubkey> =
            trade.accounts.iter().map(|meta| meta.pubkey).filter(|key| !signer.contains(key)).collect();
        let table = AddressLookupTable { meta: LookupTableMeta::default(), addresses: addresses.clone().into() };
        let data = table.serialize_for_tests().context("a lookup table")?;
        let (payer, blockhash) = (self.alice.key(), self.world.svm.latest_blockhash());
        let table = AddressLookupTableAccount { key, addresses };
        let v0 = v0::Message::try_compile(&payer, std::slice::from_ref(&trade), &[table], blockhash)?;
        let legacy = Message::new_with_blockhash(std::slice::from_ref(&trade), Some(&payer), &blockhash);
        Ok(json!({
            "table": key.to_string(),
            "data": hex(&data),
            "blockhash": blockhash.to_string(),
            "payer": payer.to_string(),
            "instruction": instruction_of(&trade),
            "message": hex(&VersionedMessage::V0(v0).serialize()),
            "legacyLength": legacy.serialize().len(),
        }))
    }
}

fn quote_of(signed: &SignedQuote, check: &Instruction, signer: &Keypair) -> Value {
    json!({
        "seed": hex(signer.secret_bytes()),
        "fields": signed.quote.shown(),
        "message": hex(&signed.quote.message()),
        "signer": signed.signer.to_string(),
        "signature": hex(signed.signature.as_array()),
        "instruction": instruction_of(check),
    })
}

fn instruction_of(instruction: &Instruction) -> Value {
    let metas = instruction.accounts.iter().map(
        |meta| json!({ "address": meta.pubkey.to_string(), "signer": meta.is_signer, "writable": meta.is_writable }),
    );
    json!({
        "program": instruction.program_id.to_string(),
        "accounts": metas.collect::<Vec<_>>(),
        "data": hex(&instruction.data),
    })
}
