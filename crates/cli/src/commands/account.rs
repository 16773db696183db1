use crate::{
    chain::{Chain, Reading},
    usage,
    view::account::{AccountList, AccountView},
};
use anyhow::{Result, ensure};
use margrave::state::Mode;
use margrave_client::{Pubkey, instruction, pda};
use solana_keypair::Signer;

#[derive(clap::Subcommand)]
pub enum Command {
    /// Open a margin account of the wallet.
    Open {
        /// Its number, which with the wallet makes its address [default: --account, else 0].
        number: Option<u16>,
    },
    /// Close an empty margin account and get its rent back.
    Close { account: Option<String> },
    /// List the wallet's margin accounts.
    List {
        /// Those of another owner.
        #[arg(long, conflicts_with = "all")]
        owner: Option<Pubkey>,
        /// Everybody's.
        #[arg(long)]
        all: bool,
    },
    /// Equity, margin levels and balances.
    Show { account: Option<String> },
    /// Choose what offsets what.
    Mode { mode: ModeName, account: Option<String> },
    /// Let another key trade, and nothing else, for a time.
    Delegate {
        /// The key, or `none` to remove it.
        delegate: String,
        /// For so many days, at most 365.
        #[arg(long, default_value_t = 30)]
        days: u16,
        /// Which of the account's two places.
        #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..2))]
        place: u8,
    },
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub enum ModeName {
    /// Everything offsets.
    Portfolio,
    /// Underlyings do not offset one another, long options not at all.
    Cross,
    /// As cross, with positions on one underlying only.
    Isolated,
}

pub async fn run(chain: &Chain, command: Command) -> Result<()> {
    let group = chain.group().await?;
    match command {
        Command::Open { number } => {
            let owner = chain.wallet()?.pubkey();
            let number = match (number, &chain.options.account) {
                (Some(number), _) => number,
                (None, Some(text)) => chain.number(text)?,
                (None, None) => 0,
            };
            let address = pda::margin_account(&group, &owner, number);
            let rpc = chain.connection.rpc();
            let found = rpc.get_account_with_commitment(&address, rpc.commitment()).await?.value;
            ensure!(found.is_none(), "margin account {number}, {address}, is open already: open another number");
            let open = instruction::open_margin_account(owner, owner, group, number);
            chain.print(&chain.send(&format!("open margin account {number}, {address}"), vec![open], &[]).await?)
        }
        Command::Close { account } => {
            let key = chain.margin_account(&group, account.as_deref())?;
            let close = instruction::close_margin_account(chain.wallet()?.pubkey(), key);
            chain.print(&chain.send(&format!("close margin account {key}"), vec![close], &[]).await?)
        }
        Command::List { owner, all } => {
            let owner = match (owner, all) {
                (_, true) => None,
                (Some(owner), _) => Some(owner),
                _ => Some(chain.wallet()?.pubkey()),
            };
            let reading = owner.map_or(Reading::Everything, Reading::OwnedBy);
            let market = chain.market(group, reading).await?;
            chain.print(&AccountList::of(&market, owner.as_ref()))
        }
        Command::Show { account } => {
            let key = chain.margin_account(&group, account.as_deref())?;
            let market = chain.market(group, Reading::Only(vec![key])).await?;
            chain.print(&AccountView::of(&market, &key)?)
        }
        Command::Mode { mode, account } => {
            let key = chain.margin_account(&group, account.as_deref())?;
            let market = chain.market(group, Reading::Only(vec![key])).await?;
            let (mode, name) = match mode {
                ModeName::Portfolio => (Mode::Portfolio, "portfolio"),
                ModeName::Cross => (Mode::Cross, "cross"),
                ModeName::Isolated => (Mode::Isolated, "isolated"),
            };
            let set = instruction::set_mode((key, market.account(&key)?), mode);
            chain.print(&chain.send(&format!("set the mode of {key} to {name}"), vec![set], &[]).await?)
        }
        Command::Delegate { delegate, days, place } => {
            let key = chain.margin_account(&group, None)?;
            let owner = chain.wallet()?.pubkey();
            let (delegate, until, what) = if delegate == "none" {
                (Pubkey::default(), 0, format!("remove the delegate in place {place} of {key}"))
            } else {
                let delegate =
                    delegate.parse().map_err(|_| usage(format!("'{delegate}' is not an address or none")))?;
                let until = chain.connection.now().await? + i64::from(days) * 86_400;
                (delegate, until, format!("let {delegate} trade for {key} for {days} days"))
            };
            let set = instruction::set_delegate(owner, key, place, delegate, until);
            chain.print(&chain.send(&what, vec![set], &[]).await?)
        }
    }
}
