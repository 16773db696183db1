use crate::{
    chain::{Chain, Reading},
    market::Market,
    usage,
    view::{
        governance::{Fields, GroupView, Proposals, differences, read_venue_markets},
        oracle::PAUSES,
    },
};
use anyhow::{Context, Result};
use margrave::{constants::MAX_RECEIVERS, state::*};
use margrave_client::{Pubkey, instruction};
use serde_json::{Map, Value};
use solana_keypair::Signer;
use std::path::{Path, PathBuf};

#[derive(clap::Subcommand)]
pub enum Command {
    /// Roles, pauses and every parameter.
    Show,
    /// Queued changes, what they would set, and how long they wait.
    Proposals,
    /// Queue a change from a TOML or JSON file; see docs/cli.md. Fields that it does not name stay as they are.
    Queue {
        file: PathBuf,
        /// Make it at once, which only what tightens can.
        #[arg(long)]
        now: bool,
    },
    /// Execute a queued change whose time has come.
    Execute { id: u64 },
    /// Cancel a queued change.
    Cancel { id: u64 },
    /// Stop something for a while, as guardian or admin.
    Pause {
        /// new-risk, borrow, withdraw, listing, execute, surface, separated by commas.
        what: String,
        /// For so many minutes, at most a week.
        #[arg(long, default_value_t = 60)]
        minutes: u32,
        /// Only new risk on this underlying.
        #[arg(long)]
        underlying: Option<String>,
    },
}

pub async fn run(chain: &Chain, command: Command) -> Result<()> {
    let group = chain.group().await?;
    match command {
        Command::Show => {
            let market = chain.market(group, Reading::Only(Vec::new())).await?;
            chain.print(&GroupView::of(&market))
        }
        Command::Proposals => {
            let (mut market, proposals) = chain.market_and_proposals(group, Reading::Everything).await?;
            for (_, proposal) in &proposals {
                if let Change::Venue { venue, .. } = &proposal.change {
                    market.accounts.venues.insert(*venue, chain.venue(venue).await?);
                }
            }
            chain.print(&Proposals::of(&market, &proposals))
        }
        Command::Queue { file, now } => {
            let mut market = chain.market(group, Reading::Only(Vec::new())).await?;
            let value = read_file(&file)?;
            if let Some(text) = value.get("venue").and_then(Value::as_str) {
                let venue = text.parse().map_err(|_| usage(format!("venue = {text} is not an address")))?;
                market.accounts.venues.insert(venue, chain.venue(&venue).await?);
            }
            let change = change_of(&market, &value)?;
            let changed = differences(&market, &change);
            let changed: Vec<String> =
                changed.iter().map(|(name, old, new)| format!("{name} {old} -> {new}")).collect();
            let proposer = chain.wallet()?.pubkey();
            let id = market.group().proposals;
            let (what, instruction) = if now {
                let underlying = bank_underlying(&market, &change);
                ("make at once", instruction::change_now(proposer, group, change, underlying))
            } else {
                ("queue", instruction::queue_change(proposer, group, id, change))
            };
            let what = format!("{what} change {id}: {}", changed.join(", "));
            chain.print(&chain.send(&what, vec![instruction], &[]).await?)
        }
        Command::Execute { id } => {
            let (market, key, proposal) = proposal(chain, group, id).await?;
            let underlying = bank_underlying(&market, &proposal.change);
            let execute = instruction::execute_change((key, &proposal), underlying);
            chain.print(&chain.send(&format!("execute change {id}"), vec![execute], &[]).await?)
        }
        Command::Cancel { id } => {
            let (_, key, proposal) = proposal(chain, group, id).await?;
            let cancel = instruction::cancel_change(chain.wallet()?.pubkey(), (key, &proposal));
            chain.print(&chain.send(&format!("cancel change {id}"), vec![cancel], &[]).await?)
        }
        Command::Pause { what, minutes, underlying } => {
            let market = chain.market(group, Reading::Only(Vec::new())).await?;
            let bits = pause_bits(&what)?;
            let underlying = underlying.map(|name| market.underlying_named(&name).map(|(key, _)| key)).transpose()?;
            let secs = minutes.checked_mul(60).ok_or_else(|| usage("--minutes is out of range"))?;
            let pause = instruction::pause(chain.wallet()?.pubkey(), group, underlying, bits, secs);
            chain.print(&chain.send(&format!("pause {what} for {minutes} minutes"), vec![pause], &[]).await?)
        }
    }
}

async fn proposal(chain: &Chain, group: Pubkey, id: u64) -> Result<(Market, Pubkey, Proposal)> {
    let (market, proposals) = chain.market_and_proposals(group, Reading::Everything).await?;
    let found = proposals.into_iter().find(|(_, proposal)| proposal.id == id);
    let (key, proposal) = found.with_context(|| format!("no change {id} is queued; see: margrave admin proposals"))?;
    Ok((market, key, proposal))
}

/// The underlying of a changed bank, which is passed with it.
fn bank_underlying(market: &Market, change: &Change) -> Option<Pubkey> {
    let Change::Bank { bank, .. } = change else { return None };
    market.accounts.banks.get(bank).map(|bank| bank.underlying).filter(|key| *key != Pubkey::default())
}

fn pause_bits(text: &str) -> Result<u32> {
    let mut bits = 0;
    for name in text.split(',').map(str::trim) {
        let known = PAUSES.iter().find(|(_, known)| known.eq_ignore_ascii_case(name));
        let (bit, _) = known.ok_or_else(|| {
            let all: Vec<&str> = PAUSES.iter().map(|(_, name)| *name).collect();
            usage(format!("'{name}' cannot be paused; what can is {}", all.join(", ")))
        })?;
        bits |= bit;
    }
    Ok(bits)
}

fn read_file(file: &Path) -> Result<Value> {
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    if file.extension().is_some_and(|extension| extension == "json") {
        serde_json::from_str(&text).with_context(|| format!("{} is not JSON", file.display()))
    } else {
        toml::from_str(&text).with_context(|| format!("{} is not TOML", file.display()))
    }
}

/// A change from its description: `kind`, what it is of, and the fields that change.
///
/// # Errors
/// An unknown kind or field, and values that are none.
pub fn change_of(market: &Market, value: &Value) -> Result<Change> {
    let object = value.as_object().ok_or_else(|| usage("a change is a table with a kind"))?;
    let text = |name: &str| {
        let found = object.get(name).and_then(Value::as_str);
        found.ok_or_else(|| usage(format!("{name} is missing or no text")))
    };
    let kind = text("kind")?;
    let (known, group): (&[&str], _) = (known_keys(kind)?, market.group());
    if let Some(unknown) = object.keys().find(|key| *key != "kind" && !known.contains(&key.as_str())) {
        return Err(usage(format!("a change of kind {kind} has no '{unknown}'; it has {}", known.join(", "))));
    }
    Ok(match kind {
        "roles" => Change::Roles(with_fields(group.roles, object, "terms")?),
        "group" => Change::Group(with_fields(group.terms, object, "terms")?),
        "options" => Change::Options(with_fields(group.options, object, "terms")?),
        "receivers" => {
            let list = object.get("receivers").and_then(Value::as_array);
            let list = list.ok_or_else(|| usage("receivers is a list of addresses"))?;
            let mut receivers = [Pubkey::default(); MAX_RECEIVERS];
            if list.len() > MAX_RECEIVERS {
                return Err(usage(format!("there are at most {MAX_RECEIVERS} receivers")));
            }
            for (place, item) in receivers.iter_mut().zip(list) {
                let address = item.as_str().and_then(|text| text.parse().ok());
                *place = address.ok_or_else(|| usage(format!("{item} is not an address")))?;
            }
            Change::Receivers(receivers)
        }
        "unpause" => Change::Unpause(pause_bits(text("bits")?)?),
        "bank" => {
            let (bank, old) = market.bank_named(text("bank")?)?;
            Change::Bank { bank, terms: with_fields(old.terms, object, "terms")? }
        }
        "underlying" => {
            let (underlying, old) = market.underlying_named(text("underlying")?)?;
            Change::Underlying {
                underlying,
                oracle: with_fields(old.oracle.terms, object, "oracle")?,
                risk: with_fields(old.risk, object, "risk")?,
                market: with_fields(old.market, object, "market")?,
            }
        }
        "venue" => {
            let (venue, old) = venue_named(market, text("venue")?)?;
            let mut terms = with_fields(old.terms, object, "terms")?;
            if let Some(list) = object.get("markets") {
                let list = list.as_array().and_then(|list| list.iter().map(Value::as_str).collect::<Option<Vec<_>>>());
                let list = list.ok_or_else(|| usage("markets is a list of texts like SOL:perp+future:5000000000"))?;
                terms.markets = read_venue_markets(market, &list)?;
            }
            Change::Venue { venue, terms }
        }
        "resume-venue" => Change::ResumeVenue { venue: venue_named(market, text("venue")?)?.0 },
        _ => Change::Resume { underlying: market.underlying_named(text("underlying")?)?.0 },
    })
}

fn venue_named<'a>(market: &'a Market, text: &str) -> Result<(Pubkey, &'a Venue)> {
    let found = text.parse().ok().and_then(|key| market.accounts.venues.get_key_value(&key));
    found.map(|(key, venue)| (*key, venue)).ok_or_else(|| usage(format!("{text} is no venue of this group")))
}

fn known_keys(kind: &str) -> Result<&'static [&'static str]> {
    Ok(match kind {
        "roles" | "group" | "options" => &["terms"],
        "receivers" => &["receivers"],
        "unpause" => &["bits"],
        "bank" => &["bank", "terms"],
        "underlying" => &["underlying", "oracle", "risk", "market"],
        "resume" => &["underlying"],
        "venue" => &["venue", "terms", "markets"],
        "resume-venue" => &["venue"],
        _ => {
            let all = "roles, group, options, receivers, unpause, bank, underlying, resume, venue, resume-venue";
            return Err(usage(format!("'{kind}' is no kind of change; the kinds are {all}")));
        }
    })
}

/// `old` with the fields that a table of the change names.
fn with_fields<T: Fields>(mut old: T, object: &Map<String, Value>, table: &str) -> Result<T> {
    let Some(fields) = object.get(table) else { return Ok(old) };
    let fields = fields.as_object().ok_or_else(|| usage(format!("{table} is a table of fields")))?;
    for (name, value) in fields {
        let text = match value {
            Value::String(text) => text.clone(),
            Value::Number(number) if number.is_u64() => number.to_string(),
            other => return Err(usage(format!("{name} = {other} is neither text nor a whole number"))),
        };
        old.set(name, &text)?;
    }
    Ok(old)
}
