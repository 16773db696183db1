use crate::{
    amount::{USD, parse_positive},
    chain::{Chain, Reading},
    usage,
    view::governance::VenueView,
};
use anyhow::{Result, ensure};
use margrave_client::{Pubkey, instruction, pda};
use solana_keypair::Signer;

#[derive(clap::Subcommand)]
pub enum Command {
    /// What a venue may fill, and whether it runs.
    Show { venue: Pubkey },
    /// Let a venue trade for the margin account, until a time and for so much value.
    Consent {
        venue: Pubkey,
        /// Value that it may trade, dollars, or `unlimited`.
        allowance: String,
        /// For so many days, at most 365.
        #[arg(long, default_value_t = 30)]
        days: u16,
    },
    /// Take that back, and the rent.
    Revoke { venue: Pubkey },
    /// Register a program as a venue, as manager or admin. It fills nothing until a change of its terms.
    Register {
        program: Pubkey,
        /// A program may have several venues.
        #[arg(long, default_value_t = 0)]
        number: u16,
    },
    /// Stop a venue for a while, as guardian or admin.
    Pause {
        venue: Pubkey,
        /// For so many minutes, at most a week.
        #[arg(long, default_value_t = 60)]
        minutes: u32,
    },
}

pub async fn run(chain: &Chain, command: Command) -> Result<()> {
    let group = chain.group().await?;
    let (what, instruction) = match command {
        Command::Show { venue } => {
            let market = chain.market(group, Reading::Only(Vec::new())).await?;
            let state = chain.venue(&venue).await?;
            ensure!(state.group == group, "{venue} is of another group");
            return chain.print(&VenueView::of(&market, &venue, &state));
        }
        Command::Consent { venue, allowance, days } => {
            let (key, owner) = (chain.margin_account(&group, None)?, chain.wallet()?.pubkey());
            let until = chain.connection.now().await? + i64::from(days) * 86_400;
            let micros = if allowance == "unlimited" { u64::MAX } else { parse_positive(&allowance, USD)? };
            let grant = instruction::grant_consent(owner, owner, key, venue, until, micros);
            (format!("let {venue} trade for {key} for {days} days, value {allowance}"), grant)
        }
        Command::Revoke { venue } => {
            let key = chain.margin_account(&group, None)?;
            let revoke = instruction::revoke_consent(chain.wallet()?.pubkey(), key, venue);
            (format!("no longer let {venue} trade for {key}"), revoke)
        }
        Command::Register { program, number } => {
            let venue = pda::venue(&group, &program, number);
            let register = instruction::register_venue(chain.wallet()?.pubkey(), group, program, number);
            (format!("register venue {venue}"), register)
        }
        Command::Pause { venue, minutes } => {
            let secs = minutes.checked_mul(60).ok_or_else(|| usage("--minutes is out of range"))?;
            let pause = instruction::pause_venue(chain.wallet()?.pubkey(), group, venue, secs);
            (format!("stop venue {venue} for {minutes} minutes"), pause)
        }
    };
    chain.print(&chain.send(&what, vec![instruction], &[]).await?)
}
