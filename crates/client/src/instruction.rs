//! One builder per instruction. Those that value a margin account take the accounts it refers to from the account itself,
//! so that none is forgotten or given twice.

use crate::pda;
use anchor_lang::{
    InstructionData, ToAccountMetas,
    prelude::Pubkey,
    solana_program::{
        instruction::{AccountMeta, Instruction},
        system_program,
    },
};
use margrave::{
    EVENT_AUTHORITY_AND_BUMP, accounts, constants::MAX_UNDERLYINGS, instruction as data, instructions::*,
    liquidation::LiquidationLeg, state::*, surface::Surface, trading::Leg,
};

fn instruction(accounts: impl ToAccountMetas, data: impl InstructionData, rest: Vec<AccountMeta>) -> Instruction {
    let mut instruction = instruction_of(margrave::ID, accounts, data);
    instruction.accounts.extend(rest);
    instruction
}

/// An instruction of any Anchor program.
pub fn instruction_of(program_id: Pubkey, accounts: impl ToAccountMetas, data: impl InstructionData) -> Instruction {
    Instruction { program_id, accounts: accounts.to_account_metas(None), data: data.data() }
}

/// An account of the program by its address.
pub type Keyed<'a, T> = (Pubkey, &'a T);

/// The banks and underlyings that valuing `margin_accounts` reads, each once, without those already `named`: in the order in which
/// they are read, which the program finds fastest.
pub fn valuation_accounts(margin_accounts: &[&MarginAccount], named: &[Pubkey]) -> Vec<AccountMeta> {
    let mut keys: Vec<Pubkey> = Vec::new();
    let mut add = |key: Pubkey| {
        if key != Pubkey::default() && !named.contains(&key) && !keys.contains(&key) {
            keys.push(key);
        }
    };
    for account in margin_accounts {
        let of_slot = |slot: usize| account.collateral.iter().filter(move |it| usize::from(it.risk_slot) == slot);
        of_slot(0).for_each(|slot| add(slot.bank));
        for (index, slot) in account.risk.iter().enumerate() {
            add(slot.underlying);
            of_slot(index + 1).for_each(|slot| add(slot.bank));
        }
    }
    keys.into_iter().map(|key| AccountMeta::new_readonly(key, false)).collect()
}

/// A leg with the address of its underlying.
#[derive(Clone, Copy, Debug)]
pub struct PlacedLeg {
    pub underlying: Pubkey,
    pub leg: Leg,
}

/// The accounts of a trade between any of these margin accounts besides themselves, and the place of each leg's underlying among them. Everything that
/// may change is passed as writable; `bank` is the quote bank if a premium may be paid from or into a loan.
pub fn trade_accounts(
    margin_accounts: &[&MarginAccount],
    underlyings: &[Pubkey],
    quote_bank: Pubkey,
    writable_bank: bool,
) -> (Vec<AccountMeta>, Vec<u8>) {
    let mut metas: Vec<AccountMeta> = Vec::new();
    let mut sheets = Vec::new();
    for key in underlyings {
        let place = metas.iter().position(|meta| meta.pubkey == *key).unwrap_or_else(|| {
            metas.push(AccountMeta::new(*key, false));
            metas.len() - 1
        });
        sheets.push(u8::try_from(place).unwrap_or(u8::MAX));
    }
    let mut bank = AccountMeta::new_readonly(quote_bank, false);
    bank.is_writable = writable_bank;
    metas.push(bank);
    let named: Vec<Pubkey> = metas.iter().map(|meta| meta.pubkey).collect();
    metas.extend(valuation_accounts(margin_accounts, &named));
    (metas, sheets)
}

/// Who signs the events that the program sends to itself.
pub fn event_authority() -> Pubkey {
    EVENT_AUTHORITY_AND_BUMP.0
}

/// Signed by the program's upgrade authority.
pub fn create_group(upgrade_authority: Pubkey, quote_mint: Pubkey, args: CreateGroupArgs) -> Instruction {
    let group = pda::group(args.id);
    let accounts = accounts::CreateGroup {
        upgrade_authority,
        program_data: pda::program_data(),
        group,
        outflow_limit: pda::outflow_limit(&group),
        quote_mint,
        system_program: system_program::ID,
    };
    instruction(accounts, data::CreateGroup { args }, vec![])
}

/// Signed by the admin.
pub fn launch(admin: Pubkey, group: Pubkey) -> Instruction {
    instruction(accounts::Launch { admin, group }, data::Launch {}, vec![])
}

/// Signed by the manager. `underlying` is left out for the quote token.
pub fn list_bank(
    manager: Pubkey,
    group: Pubkey,
    mint: Pubkey,
    underlying: Option<Pubkey>,
    token_program: Pubkey,
) -> Instruction {
    let bank = pda::bank(&group, &mint);
    let accounts = accounts::ListBank {
        manager,
        group,
        mint,
        bank,
        vault: pda::vault(&bank),
        underlying,
        token_program,
        system_program: system_program::ID,
    };
    instruction(accounts, data::ListBank {}, vec![])
}

/// Signed by the manager. Two of these make room for `list_underlying`.
pub fn grow_underlying(manager: Pubkey, group: Pubkey, symbol: [u8; 16]) -> Instruction {
    let underlying = pda::underlying(&group, &symbol);
    let accounts = accounts::GrowUnderlying { manager, group, underlying, system_program: system_program::ID };
    instruction(accounts, data::GrowUnderlying { symbol }, vec![])
}

/// Signed by the manager.
pub fn list_underlying(manager: Pubkey, group: Pubkey, args: ListUnderlyingArgs) -> Instruction {
    let underlying = pda::underlying(&group, &args.symbol);
    instruction(accounts::ListUnderlying { manager, group, underlying }, data::ListUnderlying { args }, vec![])
}

/// Signed by the operator.
pub fn list_expiry(operator: Pubkey, group: Pubkey, underlying: Pubkey, args: ListExpiryArgs) -> Instruction {
    instruction(accounts::ListExpiry { operator, group, underlying }, data::ListExpiry { args }, vec![])
}

/// Signed by the operator. `expiry` is the slot's index; prices in 10^-10 dollars.
pub fn list_strikes(operator: Pubkey, group: Pubkey, underlying: Pubkey, expiry: u8, prices: Vec<i64>) -> Instruction {
    instruction(accounts::ListStrikes { operator, group, underlying }, data::ListStrikes { expiry, prices }, vec![])
}

/// Signed by anyone when the expiry is past, by the manager or the admin before.
pub fn close_expiry(closer: Pubkey, group: Pubkey, underlying: Pubkey, expiry: u8) -> Instruction {
    instruction(accounts::CloseExpiry { closer, group, underlying }, data::CloseExpiry { expiry }, vec![])
}

/// Signed by the operator.
pub fn set_surface(
    operator: Pubkey,
    group: Pubkey,
    underlying: Pubkey,
    (expiry, series): (u8, u32),
    surface: Surface,
) -> Instruction {
    let accounts = accounts::SetSurface { operator, group, underlying };
    instruction(accounts, data::SetSurface { expiry, series, surface }, vec![])
}

/// What a change is of: the bank, underlying and venue to pass with it. `bank_underlying` is the underlying of a changed bank.
fn targets(change: &Change, bank_underlying: Option<Pubkey>) -> [Option<Pubkey>; 3] {
    match change {
        Change::Bank { bank, .. } => [Some(*bank), bank_underlying, None],
        Change::Underlying { underlying, .. } | Change::Resume { underlying } => [None, Some(*underlying), None],
        Change::Venue { venue, .. } | Change::ResumeVenue { venue } => [None, None, Some(*venue)],
        _ => [None; 3],
    }
}

/// Signed by the admin or the manager, as the change demands; `id` is the group's `proposals`.
pub fn queue_change(proposer: Pubkey, group: Pubkey, id: u64, change: Change) -> Instruction {
    let proposal = pda::proposal(&group, id);
    let accounts = accounts::QueueChange { proposer, group, proposal, system_program: system_program::ID };
    instruction(accounts, data::QueueChange { change }, vec![])
}

/// Signed by nobody in particular. `bank_underlying` is the underlying of a changed bank.
pub fn execute_change(proposal: Keyed<Proposal>, bank_underlying: Option<Pubkey>) -> Instruction {
    let (key, proposal) = proposal;
    let [bank, underlying, venue] = targets(&proposal.change, bank_underlying);
    let Proposal { group, proposer, .. } = *proposal;
    let accounts = accounts::ExecuteChange { group, proposal: key, proposer, bank, underlying, venue };
    instruction(accounts, data::ExecuteChange {}, vec![])
}

/// Signed by the guardian or the admin; by anyone once the proposal has expired.
pub fn cancel_change(guardian: Pubkey, proposal: Keyed<Proposal>) -> Instruction {
    let (key, Proposal { group, proposer, .. }) = proposal;
    let accounts = accounts::CancelChange { guardian, group: *group, proposal: key, proposer: *proposer };
    instruction(accounts, data::CancelChange {}, vec![])
}

/// Signed by the admin or the manager, as the change demands.
pub fn change_now(proposer: Pubkey, group: Pubkey, change: Change, bank_underlying: Option<Pubkey>) -> Instruction {
    let [bank, underlying, venue] = targets(&change, bank_underlying);
    instruction(accounts::ChangeNow { proposer, group, bank, underlying, venue }, data::ChangeNow { change }, vec![])
}

/// Signed by the guardian or the admin. With an underlying only that one is stopped.
pub fn pause(guardian: Pubkey, group: Pubkey, underlying: Option<Pubkey>, bits: u32, secs: u32) -> Instruction {
    let accounts = accounts::PauseGroup { guardian, group, underlying, venue: None };
    instruction(accounts, data::Pause { bits, secs }, vec![])
}

/// Signed by the guardian or the admin: the venue fills nothing for so long.
pub fn pause_venue(guardian: Pubkey, group: Pubkey, venue: Pubkey, secs: u32) -> Instruction {
    let accounts = accounts::PauseGroup { guardian, group, underlying: None, venue: Some(venue) };
    instruction(accounts, data::Pause { bits: Pause::NEW_RISK, secs }, vec![])
}

/// Signed by the manager.
pub fn register_venue(manager: Pubkey, group: Pubkey, venue_program: Pubkey, number: u16) -> Instruction {
    let venue = pda::venue(&group, &venue_program, number);
    let accounts = accounts::RegisterVenue { manager, group, venue_program, venue, system_program: system_program::ID };
    instruction(accounts, data::RegisterVenue { number }, vec![])
}

/// Signed by the admin.
pub fn collect_fees(
    admin: Pubkey,
    bank: Keyed<Bank>,
    destination: Pubkey,
    token_program: Pubkey,
    amount: u64,
) -> Instruction {
    let accounts = accounts::CollectFees {
        admin,
        group: bank.1.group,
        bank: bank.0,
        outflow_limit: pda::outflow_limit(&bank.1.group),
        vault: bank.1.vault,
        mint: bank.1.mint,
        destination,
        token_program,
        event_authority: event_authority(),
        program: margrave::ID,
    };
    instruction(accounts, data::CollectFees { amount }, vec![])
}

/// Signed by payer and owner.
pub fn open_margin_account(payer: Pubkey, owner: Pubkey, group: Pubkey, number: u16) -> Instruction {
    let margin_account = pda::margin_account(&group, &owner, number);
    let accounts =
        accounts::OpenMarginAccount { payer, owner, group, margin_account, system_program: system_program::ID };
    instruction(accounts, data::OpenMarginAccount { number }, vec![])
}

/// Signed by the owner.
pub fn close_margin_account(owner: Pubkey, margin_account: Pubkey) -> Instruction {
    instruction(accounts::CloseMarginAccount { owner, margin_account }, data::CloseMarginAccount {}, vec![])
}

/// Signed by the owner.
pub fn set_delegate(
    owner: Pubkey,
    margin_account: Pubkey,
    place: u8,
    delegate: Pubkey,
    expires_at: i64,
) -> Instruction {
    let accounts = accounts::SetDelegate { owner, margin_account };
    instruction(accounts, data::SetDelegate { place, delegate, expires_at }, vec![])
}

/// Signed by payer and owner. `allowance` in micro-dollars of traded value; `u64::MAX`: no limit.
pub fn grant_consent(
    payer: Pubkey,
    owner: Pubkey,
    margin_account: Pubkey,
    venue: Pubkey,
    expires_at: i64,
    allowance: u64,
) -> Instruction {
    let consent = pda::consent(&margin_account, &venue);
    let accounts =
        accounts::GrantConsent { payer, owner, margin_account, venue, consent, system_program: system_program::ID };
    instruction(accounts, data::GrantConsent { expires_at, allowance }, vec![])
}

/// Signed by the owner, who gets the rent.
pub fn revoke_consent(owner: Pubkey, margin_account: Pubkey, venue: Pubkey) -> Instruction {
    let consent = pda::consent(&margin_account, &venue);
    instruction(accounts::RevokeConsent { owner, consent }, data::RevokeConsent {}, vec![])
}

/// Signed by the owner.
pub fn set_mode(margin_account: Keyed<MarginAccount>, mode: Mode) -> Instruction {
    let (key, account) = margin_account;
    let accounts = accounts::SetMode { owner: account.owner, group: account.group, margin_account: key };
    instruction(accounts, data::SetMode { mode }, valuation_accounts(&[account], &[]))
}

/// Signed by the owner, who also owns `source`. `amount` in the token's smallest units.
pub fn deposit(
    owner: Pubkey,
    margin_account: Pubkey,
    bank: Keyed<Bank>,
    source: Pubkey,
    token_program: Pubkey,
    amount: u64,
) -> Instruction {
    let accounts = accounts::Deposit {
        owner,
        margin_account,
        group: bank.1.group,
        bank: bank.0,
        outflow_limit: pda::outflow_limit(&bank.1.group),
        vault: bank.1.vault,
        mint: bank.1.mint,
        source,
        token_program,
        event_authority: event_authority(),
        program: margrave::ID,
    };
    instruction(accounts, data::Deposit { amount }, vec![])
}

/// Signed by the owner. `u64::MAX` withdraws the whole deposit; with `borrow` more than it may be taken.
pub fn withdraw(
    margin_account: Keyed<MarginAccount>,
    bank: Keyed<Bank>,
    destination: Pubkey,
    token_program: Pubkey,
    amount: u64,
    borrow: bool,
) -> Instruction {
    let (key, account) = margin_account;
    let accounts = accounts::Withdraw {
        owner: account.owner,
        margin_account: key,
        group: account.group,
        bank: bank.0,
        outflow_limit: pda::outflow_limit(&account.group),
        vault: bank.1.vault,
        mint: bank.1.mint,
        destination,
        token_program,
        event_authority: event_authority(),
        program: margrave::ID,
    };
    let mut rest = valuation_accounts(&[account], &[bank.0]);
    // A first loan brings in the token's own underlying.
    let underlying = bank.1.underlying;
    if underlying != Pubkey::default() && rest.iter().all(|meta| meta.pubkey != underlying) {
        rest.push(AccountMeta::new_readonly(underlying, false));
    }
    instruction(accounts, data::Withdraw { amount, borrow }, rest)
}

/// Signed by the owner of both.
pub fn transfer_collateral(from: Keyed<MarginAccount>, to: Pubkey, bank: Keyed<Bank>, amount: u64) -> Instruction {
    let accounts = accounts::TransferCollateral {
        owner: from.1.owner,
        group: from.1.group,
        from: from.0,
        to,
        bank: bank.0,
        event_authority: event_authority(),
        program: margrave::ID,
    };
    instruction(accounts, data::TransferCollateral { amount }, valuation_accounts(&[from.1], &[bank.0]))
}

/// The parties of a trade, and who signs for each.
#[derive(Clone, Copy)]
pub struct Parties<'a> {
    pub taker: Keyed<'a, MarginAccount>,
    pub taker_authority: Pubkey,
    pub maker: Keyed<'a, MarginAccount>,
}

/// Signed by an owner or delegate of each side. Legs are from the taker's side. With `writable_bank` a premium may be paid from or
/// into a loan.
pub fn trade(
    parties: Parties,
    maker_authority: Pubkey,
    quote_bank: Pubkey,
    legs: &[PlacedLeg],
    writable_bank: bool,
) -> Instruction {
    let Parties { taker, taker_authority, maker } = parties;
    let underlyings: Vec<Pubkey> = legs.iter().map(|leg| leg.underlying).collect();
    let (rest, sheets) = trade_accounts(&[taker.1, maker.1], &underlyings, quote_bank, writable_bank);
    let accounts = accounts::Trade {
        group: taker.1.group,
        taker_authority,
        maker_authority,
        taker: taker.0,
        maker: maker.0,
        event_authority: event_authority(),
        program: margrave::ID,
    };
    let args = TradeArgs { legs: legs.iter().map(|placed| placed.leg).collect(), sheets };
    instruction(accounts, data::Trade { args }, rest)
}

/// Signed by the taker's authority. The ed25519 instruction of [`crate::SignedQuote`] must be number `signature_index` of the
/// transaction; `underlyings` are those of the quote's legs, in order.
pub fn fill_quote(
    parties: Parties,
    quote_bank: Pubkey,
    underlyings: &[Pubkey],
    signature_index: u16,
    units: u64,
    writable_bank: bool,
) -> Instruction {
    let Parties { taker, taker_authority, maker } = parties;
    let (rest, sheets) = trade_accounts(&[taker.1, maker.1], underlyings, quote_bank, writable_bank);
    let accounts = accounts::FillQuote {
        group: taker.1.group,
        taker_authority,
        taker: taker.0,
        maker: maker.0,
        instructions: solana_instructions_sysvar::ID,
        event_authority: event_authority(),
        program: margrave::ID,
    };
    let args = FillQuoteArgs { units, signature_index, sheets };
    instruction(accounts, data::FillQuote { args }, rest)
}

/// What a venue's program sends, signed by its authority: nobody else can. The accounts behind the named ones are those of a trade, and
/// are what the venue is given to pass on.
pub fn venue_fill(
    venue: Keyed<Venue>,
    taker: Keyed<MarginAccount>,
    maker: Keyed<MarginAccount>,
    quote_bank: Pubkey,
    legs: &[PlacedLeg],
    writable_bank: bool,
) -> Instruction {
    let underlyings: Vec<Pubkey> = legs.iter().map(|leg| leg.underlying).collect();
    let (rest, sheets) = trade_accounts(&[taker.1, maker.1], &underlyings, quote_bank, writable_bank);
    let accounts = accounts::VenueFill {
        group: venue.1.group,
        venue: venue.0,
        authority: venue.1.authority,
        taker: taker.0,
        maker: maker.0,
        taker_consent: pda::consent(&taker.0, &venue.0),
        maker_consent: pda::consent(&maker.0, &venue.0),
        event_authority: event_authority(),
        program: margrave::ID,
    };
    let legs = legs.iter().map(|placed| placed.leg).collect();
    instruction(accounts, data::VenueFill { legs, sheets }, rest)
}

/// Signed by the owner or a delegate.
pub fn cancel_quotes(authority: Pubkey, margin_account: Pubkey, nonce: u64, all_below: bool) -> Instruction {
    let accounts = accounts::CancelQuotes { authority, margin_account };
    instruction(accounts, data::CancelQuotes { nonce, all_below }, vec![])
}

/// Signed by nobody in particular.
pub fn refresh_price(group: Pubkey, underlying: Pubkey, price_account: Pubkey) -> Instruction {
    instruction(accounts::RefreshPrice { group, underlying, price_account }, data::RefreshPrice {}, vec![])
}

/// Signed by nobody in particular.
pub fn accrue_interest(bank: Keyed<Bank>) -> Instruction {
    let underlying = (!bank.1.is_quote()).then_some(bank.1.underlying);
    instruction(accounts::AccrueInterest { bank: bank.0, underlying }, data::AccrueInterest {}, vec![])
}

/// Signed by nobody in particular.
pub fn update_depeg(group: Pubkey, underlying: Pubkey) -> Instruction {
    instruction(accounts::UpdateDepeg { group, underlying }, data::UpdateDepeg {}, vec![])
}

/// Signed by nobody in particular; with `borrow`, by which a loss beyond the deposit becomes a loan, by the account's owner.
pub fn settle_pnl(
    margin_account: Keyed<MarginAccount>,
    underlying: Pubkey,
    quote_bank: Pubkey,
    borrow: bool,
) -> Instruction {
    let (key, account) = margin_account;
    let accounts = accounts::SettlePnl {
        group: account.group,
        margin_account: key,
        underlying,
        quote_bank,
        owner: borrow.then_some(account.owner),
        event_authority: event_authority(),
        program: margrave::ID,
    };
    let rest = if borrow { valuation_accounts(&[account], &[underlying, quote_bank]) } else { vec![] };
    instruction(accounts, data::SettlePnl { borrow }, rest)
}

/// Signed by nobody in particular.
pub fn settle_expiry(margin_account: Pubkey, underlying: Pubkey, expiry: u8) -> Instruction {
    let accounts = accounts::SettleExpiry {
        margin_account,
        underlying,
        event_authority: event_authority(),
        program: margrave::ID,
    };
    instruction(accounts, data::SettleExpiry { expiry }, vec![])
}

/// Signed by nobody in particular.
pub fn sweep_fees(group: Pubkey, underlying: Pubkey, quote_bank: Pubkey) -> Instruction {
    let accounts = accounts::SweepFees {
        group,
        underlying,
        quote_bank,
        event_authority: event_authority(),
        program: margrave::ID,
    };
    instruction(accounts, data::SweepFees {}, vec![])
}

/// Signed by the liquidator's owner.
pub fn liquidate(
    liquidator: Keyed<MarginAccount>,
    liquidatee: Keyed<MarginAccount>,
    underlying: Pubkey,
    legs: Vec<LiquidationLeg>,
    max_units: u64,
) -> Instruction {
    let accounts = accounts::Liquidate {
        group: liquidator.1.group,
        liquidator_owner: liquidator.1.owner,
        liquidator: liquidator.0,
        liquidatee: liquidatee.0,
        underlying,
        event_authority: event_authority(),
        program: margrave::ID,
    };
    let rest = valuation_accounts(&[liquidator.1, liquidatee.1], &[underlying]);
    instruction(accounts, data::Liquidate { legs, max_units }, rest)
}

/// Signed by the liquidator's owner.
pub fn liquidate_collateral(
    liquidator: Keyed<MarginAccount>,
    liquidatee: Keyed<MarginAccount>,
    asset_bank: Pubkey,
    debt_bank: Pubkey,
    max_repay: u64,
) -> Instruction {
    let accounts = accounts::LiquidateCollateral {
        group: liquidator.1.group,
        liquidator_owner: liquidator.1.owner,
        liquidator: liquidator.0,
        liquidatee: liquidatee.0,
        asset_bank,
        debt_bank,
        event_authority: event_authority(),
        program: margrave::ID,
    };
    let rest = valuation_accounts(&[liquidatee.1, liquidator.1], &[asset_bank, debt_bank]);
    instruction(accounts, data::LiquidateCollateral { max_repay }, rest)
}

/// Signed by the liquidator's owner. Everything that may be written is writable.
pub fn liquidate_slice(
    liquidator: Keyed<MarginAccount>,
    liquidatee: Keyed<MarginAccount>,
    quote_bank: Pubkey,
    max_share: i64,
) -> Instruction {
    let accounts = accounts::LiquidateSlice {
        group: liquidator.1.group,
        liquidator_owner: liquidator.1.owner,
        liquidator: liquidator.0,
        liquidatee: liquidatee.0,
        quote_bank,
        event_authority: event_authority(),
        program: margrave::ID,
    };
    let rest = writable(valuation_accounts(&[liquidator.1, liquidatee.1], &[quote_bank]));
    instruction(accounts, data::LiquidateSlice { max_share }, rest)
}

fn writable(mut metas: Vec<AccountMeta>) -> Vec<AccountMeta> {
    metas.iter_mut().for_each(|meta| meta.is_writable = true);
    metas
}

/// Nobody signs. Everything that may be written is writable.
pub fn flag_account(margin_account: Keyed<MarginAccount>) -> Instruction {
    let accounts = accounts::FlagAccount {
        group: margin_account.1.group,
        margin_account: margin_account.0,
        event_authority: event_authority(),
        program: margrave::ID,
    };
    let rest = writable(valuation_accounts(&[margin_account.1], &[]));
    instruction(accounts, data::FlagAccount {}, rest)
}

/// Nobody signs. `cells` are those of [`crate::Accounts::proof_of_breach`], by risk slot.
pub fn prove_breach(margin_account: Keyed<MarginAccount>, cells: [u8; MAX_UNDERLYINGS]) -> Instruction {
    let accounts = accounts::ProveBreach {
        group: margin_account.1.group,
        margin_account: margin_account.0,
        event_authority: event_authority(),
        program: margrave::ID,
    };
    let rest = writable(valuation_accounts(&[margin_account.1], &[]));
    instruction(accounts, data::ProveBreach { cells }, rest)
}

/// Signed by whoever will end it, in the same transaction. The tokens go to `destination`.
pub fn begin_bracket(
    liquidator: Pubkey,
    liquidatee: Pubkey,
    bank: Keyed<Bank>,
    destination: Pubkey,
    token_program: Pubkey,
    amount: u64,
) -> Instruction {
    let accounts = accounts::BeginBracket {
        group: bank.1.group,
        liquidator,
        liquidatee,
        bank: bank.0,
        outflow_limit: pda::outflow_limit(&bank.1.group),
        vault: bank.1.vault,
        mint: bank.1.mint,
        destination,
        token_program,
        instructions: solana_instructions_sysvar::ID,
        event_authority: event_authority(),
        program: margrave::ID,
    };
    instruction(accounts, data::BeginBracket { amount }, Vec::new())
}

/// Signed by whoever began it. The tokens come from `source`. `liquidatee` as it is before the bracket; `bank` may be one that it has
/// no balance in yet.
pub fn end_bracket(
    liquidator: Pubkey,
    liquidatee: Keyed<MarginAccount>,
    bank: Keyed<Bank>,
    source: Pubkey,
    token_program: Pubkey,
    amount: u64,
) -> Instruction {
    let accounts = accounts::EndBracket {
        group: bank.1.group,
        liquidator,
        liquidatee: liquidatee.0,
        bank: bank.0,
        outflow_limit: pda::outflow_limit(&bank.1.group),
        vault: bank.1.vault,
        mint: bank.1.mint,
        source,
        token_program,
        event_authority: event_authority(),
        program: margrave::ID,
    };
    let mut rest = valuation_accounts(&[liquidatee.1], &[bank.0]);
    let priced_by = bank.1.underlying;
    if priced_by != Pubkey::default() && rest.iter().all(|meta| meta.pubkey != priced_by) {
        rest.push(AccountMeta::new_readonly(priced_by, false));
    }
    instruction(accounts, data::EndBracket { amount }, rest)
}

/// Nobody signs.
pub fn cover_deficit(margin_account: Keyed<MarginAccount>, underlying: Pubkey, quote_bank: Pubkey) -> Instruction {
    let accounts = accounts::CoverDeficit {
        group: margin_account.1.group,
        margin_account: margin_account.0,
        underlying,
        quote_bank,
        event_authority: event_authority(),
        program: margrave::ID,
    };
    let rest = writable(valuation_accounts(&[margin_account.1], &[underlying, quote_bank]));
    instruction(accounts, data::CoverDeficit {}, rest)
}

/// Nobody signs.
pub fn write_off_debt(margin_account: Keyed<MarginAccount>, bank: Pubkey) -> Instruction {
    let accounts = accounts::WriteOffDebt {
        group: margin_account.1.group,
        margin_account: margin_account.0,
        bank,
        event_authority: event_authority(),
        program: margrave::ID,
    };
    let rest = writable(valuation_accounts(&[margin_account.1], &[bank]));
    instruction(accounts, data::WriteOffDebt {}, rest)
}

/// Nobody signs.
pub fn nominate_candidate(
    bankrupt: Keyed<MarginAccount>,
    margin_account: Keyed<MarginAccount>,
    underlying: Pubkey,
    instrument: Instrument,
) -> Instruction {
    let accounts = accounts::NominateCandidate {
        group: bankrupt.1.group,
        bankrupt: bankrupt.0,
        margin_account: margin_account.0,
        underlying,
        event_authority: event_authority(),
        program: margrave::ID,
    };
    let rest = valuation_accounts(&[margin_account.1, bankrupt.1], &[underlying]);
    instruction(accounts, data::NominateCandidate { instrument }, rest)
}

/// Nobody signs.
pub fn deleverage(
    bankrupt: Keyed<MarginAccount>,
    margin_account: Pubkey,
    underlying: Pubkey,
    quote_bank: Pubkey,
    instrument: Instrument,
) -> Instruction {
    let accounts = accounts::Deleverage {
        group: bankrupt.1.group,
        bankrupt: bankrupt.0,
        margin_account,
        underlying,
        quote_bank,
        event_authority: event_authority(),
        program: margrave::ID,
    };
    let rest = writable(valuation_accounts(&[bankrupt.1], &[underlying, quote_bank]));
    instruction(accounts, data::Deleverage { instrument }, rest)
}

/// Nobody signs.
pub fn register_profit(margin_account: Pubkey, underlying: Pubkey) -> Instruction {
    let accounts = accounts::RegisterProfit {
        margin_account,
        underlying,
        event_authority: event_authority(),
        program: margrave::ID,
    };
    instruction(accounts, data::RegisterProfit {}, vec![])
}

/// Nobody signs.
pub fn share_loss(group: Pubkey, underlying: Pubkey) -> Instruction {
    let accounts = accounts::ShareLoss { group, underlying, event_authority: event_authority(), program: margrave::ID };
    instruction(accounts, data::ShareLoss {}, vec![])
}

/// To be simulated: what the account's margin would be. Balances are changes of banks by their address, in atoms.
pub fn preview(margin_account: Keyed<MarginAccount>, legs: &[PlacedLeg], balances: &[(Pubkey, i64)]) -> Instruction {
    let (key, account) = margin_account;
    let mut rest = valuation_accounts(&[account], &[]);
    let mut place = |key: Pubkey| {
        let index = rest.iter().position(|meta| meta.pubkey == key).unwrap_or_else(|| {
            rest.push(AccountMeta::new_readonly(key, false));
            rest.len() - 1
        });
        u8::try_from(index).unwrap_or(u8::MAX)
    };
    let args = PreviewArgs {
        sheets: legs.iter().map(|leg| place(leg.underlying)).collect(),
        legs: legs.iter().map(|placed| placed.leg).collect(),
        balances: balances.iter().map(|(bank, amount)| BalanceChange { bank: place(*bank), amount: *amount }).collect(),
    };
    let accounts = accounts::PreviewChange { group: account.group, margin_account: key };
    instruction(accounts, data::Preview { args }, rest)
}

/// To be simulated: every number behind the account's margin, and those of one risk slot.
pub fn explain(margin_account: Keyed<MarginAccount>, slot: u8) -> Instruction {
    let (key, account) = margin_account;
    let accounts = accounts::Explain { group: account.group, margin_account: key };
    instruction(accounts, data::Explain { slot }, valuation_accounts(&[account], &[]))
}

/// Fails unless the account's health is at least `least` micro-dollars.
pub fn health_check(margin_account: Keyed<MarginAccount>, level: Level, least: i64) -> Instruction {
    let (key, account) = margin_account;
    let accounts = accounts::HealthCheck { group: account.group, margin_account: key };
    instruction(accounts, data::HealthCheck { level, least }, valuation_accounts(&[account], &[]))
}

/// Fails when the account has changed.
pub fn sequence_check(margin_account: Pubkey, expected: u64) -> Instruction {
    instruction(accounts::SequenceCheck { margin_account }, data::SequenceCheck { expected }, vec![])
}

/// To be simulated: a bank's balance sheet.
pub fn solvency(bank: Keyed<Bank>) -> Instruction {
    instruction(accounts::CheckSolvency { bank: bank.0, vault: bank.1.vault }, data::Solvency {}, vec![])
}
