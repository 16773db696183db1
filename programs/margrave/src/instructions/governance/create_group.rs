use crate::{constants::*, error::*, events::*, state::*};
use anchor_lang::{prelude::*, solana_program::bpf_loader_upgradeable};
use anchor_spl::token_interface::Mint;

#[derive(AnchorSerialize, AnchorDeserialize, Clone, Debug)]
pub struct CreateGroupArgs {
    pub id: u16,
    pub roles: Roles,
    /// Unused places are all zeros.
    pub receivers: [Pubkey; MAX_RECEIVERS],
    pub terms: GroupTerms,
    pub options: OptionParameters,
}

#[derive(Accounts)]
#[instruction(args: CreateGroupArgs)]
pub struct CreateGroup<'info> {
    /// Pays the rent, and must be able to replace this program: a stranger cannot set it up first (P-10).
    #[account(mut)]
    pub upgrade_authority: Signer<'info>,
    /// Where the loader keeps this program's upgrade authority.
    #[account(
        seeds = [crate::ID.as_ref()],
        bump,
        seeds::program = bpf_loader_upgradeable::ID,
        constraint = program_data.upgrade_authority_address == Some(upgrade_authority.key())
            @ MargraveError::SignerIsNotUpgradeAuthority,
    )]
    pub program_data: Account<'info, ProgramData>,
    #[account(
        init,
        payer = upgrade_authority,
        space = 8 + size_of::<Group>(),
        seeds = [GROUP_SEED, &args.id.to_le_bytes()],
        bump,
    )]
    pub group: AccountLoader<'info, Group>,
    #[account(
        init,
        payer = upgrade_authority,
        space = 8 + size_of::<OutflowLimit>(),
        seeds = [OUTFLOW_SEED, group.key().as_ref()],
        bump,
    )]
    pub outflow_limit: AccountLoader<'info, OutflowLimit>,
    /// Counts as dollars at par, so it must have six decimals.
    #[account(constraint = quote_mint.decimals == QUOTE_DECIMALS @ MargraveError::ParameterOutOfBounds)]
    pub quote_mint: InterfaceAccount<'info, Mint>,
    pub system_program: Program<'info, System>,
}

/// Creates a group: a deployment with its own roles, money and price sources. Parameters change at once until its launch.
pub fn create_group(ctx: Context<CreateGroup>, args: CreateGroupArgs) -> Result<()> {
    let mut group = ctx.accounts.group.load_init()?;
    group.version = VERSION;
    group.bump = ctx.bumps.group;
    group.id = args.id;
    group.quote_mint = ctx.accounts.quote_mint.key();
    group.roles = args.roles;
    group.receivers = args.receivers;
    group.terms = args.terms;
    group.options = args.options;
    group.invariant()?;

    let mut limit = ctx.accounts.outflow_limit.load_init()?;
    limit.version = VERSION;
    limit.bump = ctx.bumps.outflow_limit;
    limit.group = ctx.accounts.group.key();

    emit!(GroupCreated { group: ctx.accounts.group.key(), roles: args.roles, quote_mint: group.quote_mint });
    Ok(())
}
