use crate::{
    chain::{Chain, Reading, Sent, read_keypair},
    market::{Market, Order, refused},
    quote_server::{CheckedQuote, QuoteMessage, SignedQuoteOf, check, limits, priced_leg},
    usage,
    view::{View, account::PreviewView, facts},
};
use anyhow::{Context, Result, anyhow, ensure};
use margrave::constants::MAX_QUOTE_SECS;
use margrave_client::{
    Hypothesis, Leg, Pubkey, Quote as MakersQuote, SignedQuote,
    instruction::{self, Parties, PlacedLeg},
    pda,
};
use serde::Serialize;
use solana_keypair::Signer;
use std::path::PathBuf;

#[derive(clap::Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct Quote {
    #[command(subcommand)]
    sign: Option<QuoteCommand>,
    /// What to trade: SOL-PERP:+1.5 buys, SOL-20261226-C-150:-2 sells.
    #[arg(required = true)]
    legs: Vec<String>,
}

#[derive(clap::Subcommand)]
enum QuoteCommand {
    /// Sign an offer for the wallet's margin account, to be taken by whoever gets it. Nothing is sent.
    Sign(Sign),
}

#[derive(clap::Args)]
struct Sign {
    /// One unit of the offer from the taker's side, with prices: SOL-PERP:+1@35.20.
    #[arg(required = true)]
    legs: Vec<String>,
    /// How many units are offered.
    #[arg(long, default_value_t = 1)]
    units: u64,
    /// The only margin account that may take it [default: any].
    #[arg(long)]
    taker: Option<Pubkey>,
    /// For how long.
    #[arg(long, default_value_t = 60)]
    seconds: i64,
    /// Tells the offer from the maker's others [default: the chain's time].
    #[arg(long)]
    nonce: Option<u64>,
}

#[derive(clap::Args)]
pub struct Fill {
    /// What to trade: SOL-PERP:+1.5 buys, SOL-20261226-C-150:-2 sells.
    #[arg(required = true)]
    legs: Vec<String>,
    /// The worst price to trade at: PRICE for one leg, NAME=PRICE for each of several.
    #[arg(long)]
    limit: Vec<String>,
    /// A signed quote as JSON, instead of asking a server.
    #[arg(long, value_name = "FILE")]
    quote: Option<PathBuf>,
}

#[derive(clap::Args)]
pub struct Trade {
    /// From the wallet's side, with prices: SOL-PERP:+1.5@35.20.
    #[arg(required = true)]
    legs: Vec<String>,
    /// The other side's wallet, which signs too.
    #[arg(long, value_name = "FILE")]
    maker_keypair: PathBuf,
    /// The other side's margin account: its number among that wallet's, or its address.
    #[arg(long, default_value = "0")]
    maker_account: String,
}

/// What a fill would change, and what became of it.
#[derive(Serialize)]
struct Filled {
    quote: CheckedQuote,
    preview: PreviewView,
    sent: Sent,
}

impl View for Filled {
    fn text(&self, colour: bool) -> String {
        [self.quote.text(colour), self.preview.text(colour), self.sent.text(colour)].join("\n\n")
    }
}

/// A preview and what became of a trade.
#[derive(Serialize)]
struct Traded {
    preview: PreviewView,
    sent: Sent,
}

impl View for Traded {
    fn text(&self, colour: bool) -> String {
        [self.preview.text(colour), self.sent.text(colour)].join("\n\n")
    }
}

impl View for QuoteMessage {
    fn text(&self, _: bool) -> String {
        facts(&[
            ("signer", self.signer.clone()),
            ("signature", self.signature.clone()),
            ("message", self.message.clone()),
        ])
    }
}

pub async fn quote(chain: &Chain, arguments: Quote) -> Result<()> {
    if let Some(QuoteCommand::Sign(sign)) = arguments.sign {
        return sign_quote(chain, &sign).await;
    }
    let group = chain.group().await?;
    let taker = chain.margin_account(&group, None)?;
    let market = chain.market(group, Reading::Only(vec![taker])).await?;
    let orders = orders(&market, &arguments.legs)?;
    let signed = chain.quote_server()?.quote(&taker, &orders).await?;
    let market = with_maker(chain, market, &signed, &taker).await?;
    chain.print(&check(&market, signed, &taker, &orders, &limits(&[], &orders)?)?)
}

pub async fn fill(chain: &Chain, arguments: &Fill) -> Result<()> {
    let group = chain.group().await?;
    let taker = chain.margin_account(&group, None)?;
    let market = chain.market(group, Reading::Only(vec![taker])).await?;
    let orders = orders(&market, &arguments.legs)?;
    let limits = limits(&arguments.limit, &orders)?;
    market.account(&taker).context("open it first with: margrave account open")?;
    let signed = match &arguments.quote {
        Some(file) => {
            let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
            let message: QuoteMessage = serde_json::from_str(&text).context("the file is not a signed quote")?;
            message.verified()?
        }
        None => chain.quote_server()?.quote(&taker, &orders).await?,
    };
    let market = with_maker(chain, market, &signed, &taker).await?;
    let quote = check(&market, signed, &taker, &orders, &limits)?;
    let SignedQuoteOf { signed, underlyings, units } = &quote.quote;
    let legs = signed.quote.legs.iter().zip(&orders).map(|(leg, order)| Leg { quantity: order.quantity, ..*leg });
    let change = Hypothesis { legs: underlyings.iter().copied().zip(legs).collect(), balances: Vec::new() };
    let preview = PreviewView::of(&market, &taker, &change)?;

    let parties = Parties {
        taker: (taker, market.account(&taker)?),
        taker_authority: chain.wallet()?.pubkey(),
        maker: (signed.quote.maker, market.account(&signed.quote.maker)?),
    };
    let writable = has_options(&signed.quote.legs);
    let quote_bank = market.group().quote_bank;
    let fill = instruction::fill_quote(parties, quote_bank, underlyings, 0, *units, writable);
    let what = format!("fill quote {} ({units} of its {} units)", signed.quote.nonce, signed.quote.units);
    let sent = chain.send(&what, vec![signed.instruction(), fill], &[]).await;
    let sent = sent.map_err(|error| anyhow!("{error:#}\n{}", preview.text(false)))?;
    chain.print(&Filled { quote, preview, sent })
}

pub async fn trade(chain: &Chain, arguments: &Trade) -> Result<()> {
    let group = chain.group().await?;
    let taker = chain.margin_account(&group, None)?;
    let maker_wallet = read_keypair(arguments.maker_keypair.to_str().context("the path is not text")?)?;
    let maker = match arguments.maker_account.parse() {
        Ok(address) => address,
        Err(_) => pda::margin_account(&group, &maker_wallet.pubkey(), chain.number(&arguments.maker_account)?),
    };
    let market = chain.market(group, Reading::Only(vec![taker, maker])).await?;
    let legs = arguments.legs.iter().map(|text| priced_leg(&market, text)).collect::<Result<Vec<_>>>()?;
    let placed: Vec<PlacedLeg> =
        legs.iter().map(|(order, leg)| PlacedLeg { underlying: order.underlying, leg: *leg }).collect();
    let change = Hypothesis {
        legs: placed.iter().map(|placed| (placed.underlying, placed.leg)).collect(),
        balances: Vec::new(),
    };
    let preview = PreviewView::of(&market, &taker, &change)?;
    let parties = Parties {
        taker: (taker, market.account(&taker)?),
        taker_authority: chain.wallet()?.pubkey(),
        maker: (maker, market.account(&maker)?),
    };
    let all: Vec<Leg> = placed.iter().map(|placed| placed.leg).collect();
    let quote_bank = market.group().quote_bank;
    let trade = instruction::trade(parties, maker_wallet.pubkey(), quote_bank, &placed, has_options(&all));
    let sent = chain.send(&format!("trade {}", arguments.legs.join(" ")), vec![trade], &[&maker_wallet]).await?;
    chain.print(&Traded { preview, sent })
}

async fn sign_quote(chain: &Chain, sign: &Sign) -> Result<()> {
    let group = chain.group().await?;
    let maker = chain.margin_account(&group, None)?;
    let market = chain.market(group, Reading::Only(vec![maker])).await?;
    let wallet = chain.wallet()?;
    let account = market.account(&maker)?;
    ensure!(account.may_trade(&wallet.pubkey(), market.now), "{} may not trade for {maker}", wallet.pubkey());
    if sign.units == 0 || !(1..=MAX_QUOTE_SECS).contains(&sign.seconds) {
        return Err(usage(format!("--units is at least 1, --seconds 1 to {MAX_QUOTE_SECS}")));
    }
    let legs = sign.legs.iter().map(|text| Ok(priced_leg(&market, text)?.1)).collect::<Result<_>>()?;
    let quote = MakersQuote {
        group,
        maker,
        quotes_since: account.quotes_since,
        taker: sign.taker.unwrap_or_default(),
        expires_at: market.now + sign.seconds,
        nonce: sign.nonce.unwrap_or(market.now.unsigned_abs()),
        units: sign.units,
        legs,
    };
    let mut probe = Box::new(*account);
    probe.fill_quote(&quote, 1, market.now).map_err(refused)?;
    chain.print(&QuoteMessage::from(&SignedQuote::sign(quote, &wallet)))
}

fn orders(market: &Market, legs: &[String]) -> Result<Vec<Order>> {
    legs.iter().map(|text| market.order(text)).collect()
}

/// The market with the maker's account, and the taker's as it is now.
async fn with_maker(chain: &Chain, market: Market, signed: &SignedQuote, taker: &Pubkey) -> Result<Market> {
    chain.market(market.key, Reading::Only(vec![*taker, signed.quote.maker])).await
}

/// A premium may have to be paid from or into a loan, which writes the quote bank.
fn has_options(legs: &[Leg]) -> bool {
    legs.iter().any(|leg| leg.instrument.kind.is_option())
}
