//! P-01 to P-14, I-11, I-30: every account of every instruction exchanged for something it must not be.
//!
//! A world rich in everything, and for every instruction of the IDL a row: an instruction that succeeds in it (`rich.rs`). From each row cells
//! are generated, each with one thing wrong: a signature missing (P-01), a stranger's signature (P-01), an account of another owner
//! (P-02), of another type (P-03), of another place in the same or another group (P-04, P-05, P-06), a fake program, sysvar or event
//! authority (P-12, P-13), a writable account passed read-only, and the list of other accounts shortened, repeated, turned round or
//! lengthened (P-07, P-08). What only a venue's program can sign is sent by it (tests/venue). [`REFUSED`] says with which error each
//! must fail, [`ACCEPTED`] which may pass and why.

use crate::common::*;
use anchor_lang::Discriminator;
use margrave::{
    constants::*,
    instructions::*,
    state::{self, Change, MarginAccount, Proposal},
};
use margrave_client::instruction;
use margrave_tests::rich::{Rich, Row, rich};
use solana_account::Account;
use std::collections::{BTreeMap, BTreeSet};

const IDL: &str = include_str!("../../idl/margrave.json");
const TOKEN: Pubkey = anchor_lang::pubkey!("TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA");
const TOKEN_2022: Pubkey = anchor_lang::pubkey!("TokenzQdBNbLqP5VEhdkAS6EPFLC1PHnBqCXEpPxuEb");
const DAY: i64 = 86_400;

/// An instruction with one thing wrong.
struct Cell {
    /// The account's name in the IDL; those that follow the named ones are all "remaining".
    account: String,
    kind: String,
    instruction: Instruction,
}

/// What an account on the chain is, as far as a program can tell.
#[derive(Clone, PartialEq, Eq)]
struct Nature {
    owner: Pubkey,
    name: &'static str,
    /// Of an account of the program, its group; of a token account, its mint.
    family: Pubkey,
}

/// What the matrix asks of the world.
trait Cells {
    fn nature(&self, key: &Pubkey) -> Nature;
    fn inhabitants(&self) -> Vec<(Pubkey, Nature)>;
    fn forge(&mut self, key: &Pubkey) -> Option<Pubkey>;
    fn cells(&mut self, row: &Row, named: &[String], inhabitants: &[(Pubkey, Nature)]) -> Vec<Cell>;
}

impl Cells for Rich {
    fn nature(&self, key: &Pubkey) -> Nature {
        let account = self.world.svm.get_account(key);
        let owner = account.as_ref().map_or(Pubkey::default(), |account| account.owner);
        let of = |name, family| Nature { owner, name, family };
        let Some(account) = account else { return of("nothing", Pubkey::default()) };
        let at = |offset: usize| Pubkey::new_from_array(account.data[offset..offset + 32].try_into().unwrap());
        if account.owner == margrave::ID {
            let kinds: [(&'static str, &[u8], usize); 8] = [
                ("group", state::Group::DISCRIMINATOR, 0),
                ("outflow limit", state::OutflowLimit::DISCRIMINATOR, 16),
                ("bank", state::Bank::DISCRIMINATOR, 16),
                ("underlying", state::Underlying::DISCRIMINATOR, 16),
                ("margin account", MarginAccount::DISCRIMINATOR, 16),
                ("proposal", Proposal::DISCRIMINATOR, 10),
                ("venue", state::Venue::DISCRIMINATOR, 16),
                ("consent", state::Consent::DISCRIMINATOR, 80),
            ];
            let found = kinds.into_iter().find(|(_, discriminator, _)| account.data[..8] == **discriminator);
            return match found {
                Some(("group", ..)) => of("group", *key),
                Some((name, _, offset)) => of(name, at(offset)),
                None => of("bare", Pubkey::default()),
            };
        }
        match account.data.len() {
            165 if account.owner == TOKEN => of("token account", at(0)),
            82 if account.owner == TOKEN => of("mint", Pubkey::default()),
            _ => of("other", Pubkey::default()),
        }
    }

    /// Every account that may be put in another's place.
    fn inhabitants(&self) -> Vec<(Pubkey, Nature)> {
        let owners = [margrave::ID, TOKEN];
        let mut keys: Vec<Pubkey> =
            owners.iter().flat_map(|owner| self.world.svm.get_program_accounts(owner)).map(|(key, _)| key).collect();
        keys.sort();
        keys.into_iter().map(|key| (key, self.nature(&key))).collect()
    }

    /// A copy of `key`'s bytes under another program.
    fn forge(&mut self, key: &Pubkey) -> Option<Pubkey> {
        let original = self.world.svm.get_account(key)?;
        let address = Pubkey::new_from_array(key.to_bytes().map(|byte| !byte));
        let forged = Account { owner: Pubkey::new_from_array([9; 32]), executable: false, ..original };
        self.world.svm.set_account(address, forged).unwrap();
        Some(address)
    }

    fn cells(&mut self, row: &Row, named: &[String], inhabitants: &[(Pubkey, Nature)]) -> Vec<Cell> {
        let mut cells = Vec::new();
        let metas = row.main.accounts.clone();
        for (index, meta) in metas.iter().enumerate() {
            let account = named.get(index).map_or("remaining", |name| name.as_str());
            let mut cell = |kind: String, change: &dyn Fn(&mut Vec<AccountMeta>)| {
                let mut instruction = row.main.clone();
                change(&mut instruction.accounts);
                cells.push(Cell { account: account.to_owned(), kind, instruction });
            };
            let everywhere = |change: fn(&mut AccountMeta)| {
                move |metas: &mut Vec<AccountMeta>| {
                    metas.iter_mut().filter(|other| other.pubkey == meta.pubkey).for_each(change);
                }
            };
            let becomes = |key: Pubkey| move |metas: &mut Vec<AccountMeta>| metas[index].pubkey = key;
            if meta.is_signer {
                cell("unsigned".to_owned(), &everywhere(|meta| meta.is_signer = false));
                cell("stranger".to_owned(), &becomes(self.stranger.pubkey()));
                continue;
            }
            if meta.is_writable {
                cell("read-only".to_owned(), &everywhere(|meta| meta.is_writable = false));
            }
            if meta.pubkey == margrave::ID && account != "program" {
                // An optional account that is left out: anything there is one too many.
                continue;
            }
            let nature = self.nature(&meta.pubkey);
            if let Some(forged) = self.forge(&meta.pubkey) {
                cell("a copy".to_owned(), &becomes(forged));
            }
            for (kind, key) in [
                ("nothing", Pubkey::new_from_array([5; 32])),
                ("left out", margrave::ID),
                ("token program", TOKEN),
                ("token 2022", TOKEN_2022),
                ("system program", Pubkey::default()),
            ] {
                if key != meta.pubkey {
                    cell(kind.to_owned(), &becomes(key));
                }
            }
            let mut types = BTreeSet::new();
            for (key, other) in inhabitants.iter().filter(|(key, _)| *key != meta.pubkey) {
                let kind = if other.name != nature.name {
                    if !types.insert(other.name) {
                        continue;
                    }
                    match other.owner == nature.owner {
                        true => "another type".to_owned(),
                        false => "another program's".to_owned(),
                    }
                } else if other.family == nature.family {
                    "sibling".to_owned()
                } else {
                    "foreign".to_owned()
                };
                cell(kind, &becomes(*key));
            }
        }
        let rest = metas.len().saturating_sub(named.len());
        let mut cell = |kind: &str, change: &dyn Fn(&mut Vec<AccountMeta>)| {
            let mut instruction = row.main.clone();
            change(&mut instruction.accounts);
            cells.push(Cell { account: "rest".to_owned(), kind: kind.to_owned(), instruction });
        };
        for index in metas.len() - rest..metas.len() {
            cell("one dropped", &|metas| {
                metas.remove(index);
            });
            cell("one twice", &|metas| metas.push(metas[index].clone()));
        }
        if rest > 1 {
            cell("reversed", &|metas| metas[named.len()..].reverse());
        }
        for (key, _) in inhabitants.iter().filter(|(key, _)| metas.iter().all(|meta| meta.pubkey != *key)) {
            cell("one more", &|metas| metas.push(AccountMeta::new_readonly(*key, false)));
        }
        cells
    }
}

/// The IDL: accounts by instruction, and errors by number.
fn idl() -> (BTreeMap<String, Vec<String>>, BTreeMap<u32, String>) {
    let idl: serde_json::Value = serde_json::from_str(IDL).unwrap();
    let name = |value: &serde_json::Value| value["name"].as_str().unwrap().to_owned();
    let list = |value: &serde_json::Value| value.as_array().unwrap().clone();
    let code = |value: &serde_json::Value| u32::try_from(value["code"].as_u64().unwrap()).unwrap();
    let accounts = |value: &serde_json::Value| list(&value["accounts"]).iter().map(name).collect();
    let instructions = list(&idl["instructions"]).iter().map(|value| (name(value), accounts(value))).collect();
    let mut errors: BTreeMap<u32, String> =
        list(&idl["errors"]).iter().map(|value| (code(value), name(value))).collect();
    for (code, name) in ANCHOR_ERRORS.into_iter().chain(TOKEN_ERRORS) {
        errors.insert(code, name.to_owned());
    }
    (instructions, errors)
}

const ANCHOR_ERRORS: [(u32, &str); 12] = [
    (2000, "ConstraintMut"),
    (2006, "ConstraintSeeds"),
    (2012, "ConstraintAddress"),
    (2013, "ConstraintZero"),
    (2040, "ConstraintDuplicateMutableAccount"),
    (3002, "AccountDiscriminatorMismatch"),
    (3003, "AccountDidNotDeserialize"),
    (3007, "AccountOwnedByWrongProgram"),
    (3008, "InvalidProgramId"),
    (3010, "AccountNotSigner"),
    (3012, "AccountNotInitialized"),
    (3013, "AccountNotProgramData"),
];
const TOKEN_ERRORS: [(u32, &str); 3] =
    [(1, "token: InsufficientFunds"), (3, "token: MintMismatch"), (4, "token: OwnerMismatch")];

/// Instruction, account and kind of cell (several separated by `|`; `*` is any), and the errors it may be refused with. The first
/// line that fits counts.
type Rule = (&'static str, &'static str, &'static str, &'static [&'static str]);

const REFUSED: &[Rule] = &[
    // P-01: who must sign.
    ("*", "*", "unsigned", &["AccountNotSigner"]),
    ("create_group", "*", "stranger", &["SignerIsNotUpgradeAuthority"]),
    ("launch|collect_fees", "*", "stranger", &["SignerIsNotAdmin"]),
    ("list_bank|grow_underlying|list_underlying|register_venue", "*", "stranger", &["SignerIsNotManager"]),
    ("queue_change|change_now", "*", "stranger", &["SignerIsNotManager"]),
    ("list_expiry|list_strikes|set_surface", "*", "stranger", &["SignerIsNotOperator"]),
    ("cancel_change|pause", "*", "stranger", &["SignerIsNotGuardian"]),
    ("trade|fill_quote|cancel_quotes", "*", "stranger", &["SignerMayNotTrade"]),
    ("open_margin_account", "owner", "stranger", &["ConstraintSeeds"]),
    ("begin_bracket", "liquidator", "stranger", &["BracketNotOpen"]),
    ("end_bracket", "liquidator", "stranger", &["token: OwnerMismatch"]),
    ("*", "owner|liquidator_owner", "stranger", &["SignerIsNotOwner"]),
    // What is written must be writable.
    ("*", "remaining", "read-only", &["AccountMustBeWritable"]),
    ("create_group", "group|outflow_limit", "read-only", &["PrivilegeEscalation"]),
    ("list_bank", "bank|vault", "read-only", &["PrivilegeEscalation"]),
    ("open_margin_account", "margin_account", "read-only", &["PrivilegeEscalation"]),
    ("register_venue", "venue", "read-only", &["PrivilegeEscalation"]),
    ("queue_change", "proposal", "read-only", &["PrivilegeEscalation"]),
    ("*", "*", "read-only", &["ConstraintMut"]),
    // A bracket is ended on the account it was begun on, or not begun.
    ("end_bracket", "liquidatee", "*", &["BracketNotEnded"]),
    ("begin_bracket", "liquidatee", "sibling", &["BracketNotEnded"]),
    ("begin_bracket", "instructions", "*", &["BracketNotEnded"]),
    // P-12, P-13: programs, sysvars, and what stands in for them.
    ("*", "program", "*", &["MissingAccount"]),
    ("*", "event_authority", "*", &["ConstraintAddress"]),
    ("*", "token_program", "token 2022", &["IncorrectProgramId"]),
    ("*", "token_program|system_program", "*", &["InvalidProgramId"]),
    ("*", "instructions", "*", &["QuoteNotSigned"]),
    ("*", "price_account", "*", &["ReceiverNotAllowed"]),
    ("*", "proposer", "*", &["ProposerMismatch"]),
    ("*", "program_data", "nothing", &["AccountNotInitialized"]),
    ("*", "program_data", "left out|token program|token 2022", &["AccountNotProgramData"]),
    ("*", "program_data", "*", &["AccountOwnedByWrongProgram"]),
    // P-42: the venue's program signs with its own address for its own venue, and with nothing else.
    (
        "venue_fill",
        "authority|venue",
        "nothing|left out|token program|token 2022|system program",
        &["AccountNotSigner", "AccountOwnedByWrongProgram"],
    ),
    ("venue_fill", "authority", "*", &["AccountNotSigner"]),
    ("venue_fill", "taker_consent|maker_consent", "sibling|foreign", &["ConsentOfOthers"]),
    ("venue_fill", "venue", "sibling|foreign", &["AccountNotSigner"]),
    // P-05: what is created lies at its own address.
    ("create_group", "group|outflow_limit", "*", &["ConstraintSeeds"]),
    ("list_bank", "bank|vault", "*", &["ConstraintSeeds"]),
    ("open_margin_account", "margin_account", "*", &["ConstraintSeeds"]),
    ("queue_change", "proposal", "*", &["ConstraintSeeds"]),
    ("register_venue", "venue|venue_program", "*", &["ConstraintSeeds", "AccountOwnedByWrongProgram"]),
    ("grant_consent", "consent", "*", &["ConstraintSeeds"]),
    ("grant_consent", "margin_account|venue", "sibling|foreign", &["ConstraintSeeds"]),
    ("grow_underlying", "underlying", "*", &["ConstraintSeeds"]),
    ("list_underlying", "underlying", "nothing", &["AccountDidNotDeserialize"]),
    ("list_underlying", "underlying", "another type|left out", &["ConstraintZero", "AccountOwnedByWrongProgram"]),
    ("list_underlying", "underlying", "*", &["AccountOwnedByWrongProgram", "ConstraintZero"]),
    // The other accounts: found by key, or for a leg by its place.
    ("trade|fill_quote|venue_fill", "remaining", "foreign", &["GroupMismatch", "BankMissing", "UnderlyingMissing"]),
    ("trade|fill_quote|venue_fill", "remaining", "sibling", &["BankMissing", "UnderlyingMissing"]),
    (
        "trade|fill_quote|venue_fill",
        "remaining",
        "another type",
        &["WrongAccountType", "BankMissing", "UnderlyingMissing"],
    ),
    ("trade|fill_quote|venue_fill", "remaining", "*", &["UnexpectedAccount", "BankMissing", "UnderlyingMissing"]),
    ("flag_account", "remaining", "*", &["BankMissing", "UnderlyingMissing", "PriceTooOld"]),
    ("*", "remaining", "*", &["BankMissing", "UnderlyingMissing"]),
    // P-07. A place too few is a place of something else.
    ("trade|fill_quote|venue_fill", "rest", "one dropped", &["BankMissing", "UnderlyingMissing", "WrongAccountType"]),
    ("flag_account", "rest", "one dropped", &["BankMissing", "UnderlyingMissing", "PriceTooOld"]),
    ("*", "rest", "one dropped", &["BankMissing", "UnderlyingMissing"]),
    ("trade|fill_quote|venue_fill|preview", "rest", "reversed", &["UnderlyingMissing", "WrongAccountType"]),
    // Optional accounts that this row needs.
    ("execute_change", "bank", "left out", &["BankMissing"]),
    ("execute_change|accrue_interest", "underlying", "left out", &["UnderlyingMissing"]),
    ("change_now", "bank", "left out", &["ChangeMustBeQueued"]),
    ("change_now", "underlying", "left out", &["ChangeMustBeQueued", "UnderlyingMissing"]),
    ("change_now", "venue", "left out", &["ChangeMustBeQueued"]),
    ("change_now", "venue", "sibling", &["VenueMissing"]),
    ("list_bank", "underlying", "left out", &["ParameterOutOfBounds"]),
    // P-02, P-03.
    ("*", "vault|source|destination|mint|quote_mint|proposal", "nothing", &["AccountNotInitialized"]),
    ("*", "*", "a copy|nothing|left out|another program's", &["AccountOwnedByWrongProgram"]),
    ("*", "*", "token program|token 2022|system program", &["AccountOwnedByWrongProgram", "AccountNotInitialized"]),
    ("*", "vault|source|destination|mint|quote_mint", "another type", &["InvalidAccountData"]),
    ("*", "*", "another type", &["AccountDiscriminatorMismatch"]),
    // Of another group, or of another mint.
    ("launch", "group", "foreign", &["AlreadyLaunched"]),
    ("list_bank|grow_underlying|list_underlying|register_venue", "group", "foreign", &["ConstraintSeeds"]),
    ("open_margin_account|queue_change", "group", "foreign", &["ConstraintSeeds"]),
    ("collect_fees|deposit|withdraw|solvency|begin_bracket|end_bracket", "vault", "foreign", &["VaultMismatch"]),
    ("collect_fees|withdraw|begin_bracket", "destination", "foreign", &["MintMismatch"]),
    ("deposit|end_bracket", "source", "foreign", &["token: InsufficientFunds", "token: MintMismatch"]),
    ("solvency", "bank", "*", &["VaultMismatch"]),
    ("accrue_interest", "bank|underlying", "foreign|sibling", &["UnderlyingMissing"]),
    ("settle_pnl|sweep_fees|cover_deficit|deleverage", "quote_bank", "foreign|sibling", &["BankMissing"]),
    ("liquidate_slice", "quote_bank", "foreign|sibling", &["BankMissing"]),
    ("register_profit", "margin_account|underlying", "foreign", &["NotACandidate"]),
    ("settle_expiry", "margin_account", "foreign|sibling", &["NoPosition"]),
    ("settle_expiry", "underlying", "foreign|sibling", &["InstrumentNotListed"]),
    ("sequence_check", "margin_account", "foreign|sibling", &["SequenceMoved"]),
    ("close_margin_account", "margin_account", "foreign", &["MarginAccountNotEmpty"]),
    ("withdraw", "margin_account", "foreign", &["GroupMismatch", "SignerIsNotOwner"]),
    ("*", "*", "foreign", &["GroupMismatch"]),
    // P-04, P-06: another of the same group.
    ("create_group", "quote_mint", "sibling", &["ParameterOutOfBounds"]),
    ("list_bank", "mint", "sibling", &["ConstraintSeeds"]),
    ("list_strikes|close_expiry|set_surface", "underlying", "sibling", &["InstrumentNotListed"]),
    ("execute_change|change_now", "underlying", "sibling", &["UnderlyingMissing"]),
    ("update_depeg|liquidate", "underlying", "sibling", &["UnderlyingMissing"]),
    ("settle_pnl", "underlying|margin_account", "sibling", &["NoPosition", "SignerIsNotOwner"]),
    ("sweep_fees", "underlying", "sibling", &["AmountMustBePositive"]),
    ("execute_change", "bank", "sibling", &["BankMissing"]),
    ("change_now", "bank", "sibling", &["BankMissing", "ChangeMustBeQueued"]),
    ("execute_change", "proposal", "sibling", &["ChangeMustWait", "BankMissing"]),
    ("collect_fees|deposit|withdraw|begin_bracket|end_bracket", "bank|mint", "sibling", &["MintMismatch"]),
    (
        "collect_fees|deposit|withdraw|solvency|begin_bracket|end_bracket",
        "vault",
        "sibling",
        &["VaultMismatch", "ConstraintDuplicateMutableAccount"],
    ),
    ("collect_fees|withdraw|begin_bracket", "destination", "sibling", &["ConstraintDuplicateMutableAccount"]),
    (
        "deposit|end_bracket",
        "source",
        "sibling",
        &["token: OwnerMismatch", "token: InsufficientFunds", "ConstraintDuplicateMutableAccount"],
    ),
    ("close_margin_account", "margin_account", "sibling", &["SignerIsNotOwner", "MarginAccountNotEmpty"]),
    ("withdraw", "margin_account", "sibling", &["SignerIsNotOwner", "BalanceExceeded"]),
    ("set_delegate|set_mode|deposit", "margin_account", "sibling", &["SignerIsNotOwner"]),
    ("revoke_consent", "consent", "sibling", &["SignerIsNotOwner"]),
    ("venue_fill", "taker|maker", "sibling", &["SelfDealing", "ConsentOfOthers"]),
    ("cancel_quotes", "margin_account", "sibling", &["SignerMayNotTrade"]),
    ("transfer_collateral", "from", "sibling", &["SignerIsNotOwner", "SelfDealing", "BalanceExceeded"]),
    ("transfer_collateral", "to", "sibling", &["OwnersDiffer", "SelfDealing"]),
    ("transfer_collateral", "bank", "sibling", &["BankMissing", "BalanceExceeded"]),
    ("trade", "maker", "sibling", &["SelfDealing", "SignerMayNotTrade"]),
    // An owner's other account is empty.
    ("trade|fill_quote", "taker", "sibling", &["SelfDealing", "SignerMayNotTrade", "InitialMarginNotMet"]),
    ("fill_quote", "maker", "sibling", &["SelfDealing", "QuoteOfOthers"]),
    ("liquidate|liquidate_collateral|liquidate_slice", "liquidator", "sibling", &["SignerIsNotOwner"]),
    (
        "liquidate|liquidate_collateral|liquidate_slice",
        "liquidatee",
        "sibling",
        &["SelfDealing", "AccountIsHealthy", "BankMissing", "UnderlyingMissing", "NoPosition", "NothingToRepay"],
    ),
    ("liquidate_collateral", "asset_bank|debt_bank", "sibling", &["SelfDealing", "BankMissing"]),
    // An account whose sheets are all missing has no price that is known.
    ("flag_account", "margin_account", "sibling", &["BankMissing", "UnderlyingMissing", "PriceTooOld"]),
    ("prove_breach", "margin_account", "sibling", &["BankMissing", "UnderlyingMissing", "BreachNotProven"]),
    ("cover_deficit", "underlying", "sibling", &["NothingToRepay"]),
    ("write_off_debt", "bank", "sibling", &["NothingToRepay"]),
    (
        "cover_deficit|write_off_debt",
        "margin_account",
        "sibling",
        &["AccountIsSolvent", "PositionsFirst", "NothingToRepay"],
    ),
    (
        "nominate_candidate",
        "bankrupt",
        "sibling",
        &["AccountIsSolvent", "NoPosition", "SelfDealing", "UnderlyingMissing"],
    ),
    (
        "nominate_candidate",
        "margin_account",
        "sibling",
        &["NoPosition", "NotACandidate", "SelfDealing", "UnderlyingMissing"],
    ),
    ("nominate_candidate", "underlying", "sibling", &["NoPosition", "UnderlyingMissing"]),
    ("deleverage", "bankrupt", "sibling", &["AccountIsSolvent", "NotFirstInQueue", "SelfDealing", "UnderlyingMissing"]),
    ("deleverage", "margin_account", "sibling", &["NotFirstInQueue", "SelfDealing"]),
    ("deleverage", "underlying", "sibling", &["NotFirstInQueue", "UnderlyingMissing"]),
    ("register_profit", "margin_account|underlying", "sibling", &["NotACandidate", "NoticeRunning"]),
    ("share_loss", "underlying", "sibling", &["NoticeRunning"]),
    ("health_check|preview|explain", "margin_account", "sibling", &["HealthTooLow", "BankMissing"]),
];

/// What may pass, and why. Every line must be needed.
const ACCEPTED: &[(&str, &str, &str, &str)] = &[
    ("open_margin_account|grant_consent", "payer", "stranger", "anybody may pay"),
    ("revoke_consent", "consent", "foreign", "the same owner's consent to another venue"),
    ("list_bank", "underlying", "sibling", "the manager says what prices a token"),
    ("close_expiry", "closer", "stranger", "anybody may when its time has passed"),
    ("list_expiry", "underlying", "sibling", "the operator may list it there just as well"),
    ("pause", "underlying", "sibling", "the guardian may pause that one just as well"),
    ("pause", "underlying|venue", "left out", "then the whole group is paused, which the guardian may do"),
    ("pause", "venue", "sibling", "the guardian may pause that one just as well"),
    ("pause", "group", "foreign", "the same key guards both groups"),
    ("execute_change", "proposal", "sibling", "that proposal's time has come as well, and it names what it changes"),
    ("cancel_change", "proposal", "sibling", "the guardian may cancel any proposal of his group"),
    ("collect_fees", "destination", "sibling", "the admin says where fees go"),
    ("withdraw", "destination", "sibling", "the owner says where his tokens go"),
    ("deposit", "margin_account", "sibling", "another account of the same owner"),
    ("transfer_collateral", "to", "sibling", "another account of the same owner"),
    ("close_margin_account", "margin_account", "sibling", "another empty account of the same owner"),
    ("set_delegate", "margin_account", "sibling|foreign", "another account of the same owner"),
    ("set_mode", "margin_account", "sibling", "another account of the same owner"),
    ("cancel_quotes", "margin_account", "sibling|foreign", "another account of the same owner"),
    (
        "trade|fill_quote|venue_fill",
        "remaining",
        "read-only",
        "a premium between deposits leaves the quote bank as it is",
    ),
    ("refresh_price", "underlying", "sibling", "another underlying of the same feed"),
    ("accrue_interest", "bank", "sibling|foreign", "anybody may accrue any bank of that underlying, or any quote bank"),
    ("settle_pnl", "margin_account", "sibling", "anybody may settle any account"),
    ("settle_pnl", "underlying", "sibling", "anybody may settle any underlying of an account"),
    (
        "settle_pnl",
        "program",
        "*",
        "the place of an absent owner names the program, and events are sent to it by its constant",
    ),
    ("settle_expiry", "margin_account", "sibling", "anybody may settle any account"),
    ("preview|explain|health_check", "margin_account", "sibling", "anybody may look at any account"),
    ("flag_account|prove_breach", "margin_account", "sibling", "anybody may flag any account"),
    (
        "flag_account|prove_breach",
        "remaining",
        "read-only",
        "only what the account owes something counts it, and only a bankrupt one",
    ),
    ("cover_deficit", "remaining", "read-only", "the sheet of a token that is owed counts nobody"),
    ("write_off_debt", "remaining", "read-only", "what else the account owes goes on counting it"),
    ("liquidate|liquidate_slice", "liquidatee", "sibling", "another account below its maintenance margin"),
    ("begin_bracket", "destination", "sibling", "the liquidator says where the tokens go that it answers for"),
    ("register_profit", "margin_account", "sibling", "anybody may register any account's profit"),
];

fn fits(pattern: &str, text: &str) -> bool {
    pattern == "*" || pattern.split('|').any(|one| one == text)
}

/// P-07, P-08: what a list of accounts holds besides what is needed, and in which order, changes nothing: the very same bytes.
fn must_change_nothing(cell: &Cell) -> bool {
    cell.account == "rest" && matches!(cell.kind.as_str(), "one twice" | "one more" | "reversed")
}

#[test]
fn every_account_of_every_instruction_is_the_right_one_or_is_refused() {
    let mut rich = rich();
    let mut rows = std::mem::take(&mut rich.rows);
    // `./dev mutants` asks for one instruction after the other.
    let only = std::env::var("MARGRAVE_ROW").ok();
    rows.retain(|row| only.as_ref().is_none_or(|name| name == row.name));
    let (accounts, errors) = idl();
    let mut failures = Vec::new();
    let (mut needed, mut fitting) = (BTreeSet::new(), BTreeSet::new());
    for row in &rows {
        rich.world.svm = rich.states[row.state].clone();
        let inhabitants = rich.inhabitants();
        let cells = rich.cells(row, &accounts[row.name], &inhabitants);
        let before = rich.world.snapshot();
        let untouched = rich.world.svm.clone();
        let plain = rich.send_as(row, &row.main);
        let answer = plain.unwrap_or_else(|error| panic!("{}: the row itself is refused: {error}", row.name));
        let after = rich.world.snapshot();
        rich.world.svm = untouched.clone();
        for cell in &cells {
            let place = format!("{}: {}: {}", row.name, cell.account, cell.kind);
            // A signature and a write lock hold for the whole transaction: without them each half of a bracket is sent alone.
            let is_half = row.first.iter().chain(&row.then).any(|other| other.program_id == margrave::ID);
            let answer_to_cell = if is_half && matches!(cell.kind.as_str(), "unsigned" | "read-only") {
                rich.send(&cell.instruction)
            } else {
                rich.send_as(row, &cell.instruction)
            };
            match answer_to_cell {
                Ok(answered) => {
                    let accepted = ACCEPTED.iter().position(|(name, account, kind, _)| {
                        fits(name, row.name) && fits(account, &cell.account) && fits(kind, &cell.kind)
                    });
                    needed.extend(accepted);
                    let same = answered == answer && rich.world.snapshot() == after;
                    if accepted.is_none() && !(must_change_nothing(cell) && same) {
                        failures.push(format!("{place}: accepted"));
                    }
                    rich.world.svm = untouched.clone();
                }
                Err(error) => {
                    let error = error.parse().ok().and_then(|code| errors.get(&code).cloned()).unwrap_or(error);
                    let rule = REFUSED.iter().position(|(name, account, kind, _)| {
                        fits(name, row.name) && fits(account, &cell.account) && fits(kind, &cell.kind)
                    });
                    fitting.extend(rule);
                    if !rule.is_some_and(|rule| REFUSED[rule].3.contains(&error.as_str())) {
                        failures.push(format!("{place}: refused with {error}"));
                    }
                    if rich.world.snapshot() != before {
                        failures.push(format!("{place}: refused, and something changed"));
                    }
                }
            }
        }
    }
    if only.is_none() {
        let idle = ACCEPTED.iter().enumerate().filter(|(index, _)| !needed.contains(index));
        failures.extend(idle.map(|(_, line)| format!("{line:?}: nothing needs this line")));
        let idle = REFUSED.iter().enumerate().filter(|(index, _)| !fitting.contains(index));
        failures.extend(idle.map(|(_, line)| format!("{line:?}: nothing needs this line")));
    }
    failures.sort();
    failures.dedup();
    assert!(failures.is_empty(), "{} cells:\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn every_instruction_has_a_row() {
    let rows: BTreeSet<String> = rich().rows.iter().map(|row| row.name.to_owned()).collect();
    let missing: Vec<String> = idl().0.into_keys().filter(|name| !rows.contains(name)).collect();
    assert!(missing.is_empty(), "write a row in tests/rich.rs for {}", missing.join(", "));
}

/// P-10: what exists is not created again, neither by the same key nor by another.
#[test]
fn nothing_is_created_twice() {
    let mut rich = rich();
    let world = &rich.world;
    let (group, alice) = (world.group, rich.keys[2].pubkey());
    let (admin, manager) = (world.admin.pubkey(), world.manager.pubkey());
    let symbol = pda::symbol("SOL");
    let (oracle, risk) = (terms::oracle_terms(SOL_FEED), terms::risk_terms());
    // The system program's own error for an account in use is zero; a proposal's address follows from the group's count.
    let again = [
        (instruction::create_group(admin, world.usdc_mint, terms::group_args(0, world.roles())), "0"),
        (instruction::list_bank(manager, group, world.sol_mint, Some(world.sol), TOKEN), "0"),
        (instruction::list_bank(manager, group, world.usdc_mint, None, TOKEN), "0"),
        (instruction::grow_underlying(manager, group, symbol), "6023"),
        (
            instruction::list_underlying(manager, group, ListUnderlyingArgs { symbol, decimals: 9, oracle, risk }),
            "2013",
        ),
        (instruction::open_margin_account(alice, alice, group, 0), "0"),
        (instruction::queue_change(manager, group, 0, Change::Unpause(1)), "2006"),
        (instruction::launch(admin, group), "6021"),
    ];
    for (instruction, expected) in again {
        let before = rich.world.snapshot();
        assert_eq!(rich.send(&instruction), Err(expected.to_owned()));
        assert!(rich.world.snapshot() == before);
    }
}

/// P-09: of the addresses that the same seeds lead to only one is an account's.
#[test]
fn an_account_has_one_address() {
    let mut rich = rich();
    let mint = rich.world.create_mint(9);
    let world = &rich.world;
    let (group, alice) = (world.group, rich.keys[2].pubkey());
    let (admin, manager) = (world.admin.pubkey(), world.manager.pubkey());
    let (id, symbol) = (world.load::<state::Group>(&group).proposals, pda::symbol("OTHER"));
    let (bank, number, ids) = (pda::bank(&group, &mint), 11u16.to_le_bytes(), id.to_le_bytes());
    let (args, new_group) = (terms::group_args(11, world.roles()), pda::group(11));
    let list = instruction::list_bank(manager, group, mint, Some(world.sol), TOKEN);
    let cases: [(Instruction, &[&[u8]]); 7] = [
        (instruction::create_group(admin, world.usdc_mint, args.clone()), &[GROUP_SEED, &number]),
        (instruction::create_group(admin, world.usdc_mint, args), &[OUTFLOW_SEED, new_group.as_ref()]),
        (list.clone(), &[BANK_SEED, group.as_ref(), mint.as_ref()]),
        (list, &[VAULT_SEED, bank.as_ref()]),
        (instruction::grow_underlying(manager, group, symbol), &[UNDERLYING_SEED, group.as_ref(), &symbol]),
        (
            instruction::open_margin_account(alice, alice, group, 11),
            &[MARGIN_ACCOUNT_SEED, group.as_ref(), alice.as_ref(), &number],
        ),
        (instruction::queue_change(manager, group, id, Change::Unpause(1)), &[PROPOSAL_SEED, group.as_ref(), &ids]),
    ];
    for (instruction, seeds) in cases {
        let (address, bump) = Pubkey::find_program_address(seeds, &margrave::ID);
        let with_bump = |bump: u8| Pubkey::create_program_address(&[seeds, &[&[bump]]].concat(), &margrave::ID).ok();
        let other = (0..bump).rev().find_map(with_bump).expect("every second bump leads to an address");
        let refused = rich.send(&with_account(instruction, address, other));
        assert_eq!(refused, Err("2006".to_owned()), "{}", String::from_utf8_lossy(seeds[0]));
    }
}

/// P-10: whoever sees the deployment first must not be the one to set it up, and when the program can no longer be replaced nobody
/// can.
#[test]
fn a_stranger_does_not_create_the_first_group() {
    let mut world = World::empty(World::START).unwrap();
    for authority in [Some(Pubkey::new_unique()), None] {
        world.set_upgrade_authority(authority);
        world.refuses(SignerIsNotUpgradeAuthority, |world| world.create_group(0));
    }
    world.set_upgrade_authority(Some(world.admin.pubkey()));
    world.create_group(0).unwrap();
}

/// P-11: an account with a balance, a position, a debt or a claim left is not closed.
#[test]
fn only_an_empty_account_is_closed() {
    let Market { mut world, maker, alice } = Market::long(10);
    let close = |world: &mut World, trader: &Trader| {
        let close = instruction::close_margin_account(trader.key(), trader.margin_account);
        world.send(&[close], &[&trader.keypair])
    };
    world.set_time(world.now() + 1);
    world.refuses(MarginAccountNotEmpty, |world| close(world, &alice));

    // Out of the position with a profit that the pool does not hold: nothing is left but the claim.
    world.set_price(PRICE + PRICE / 10).unwrap();
    let price = world.underlying().oracle.price;
    world.trade(&alice, &maker, -10 * SOL_LONG, price).unwrap();
    world.withdraw(&alice, Token::Usdc, u64::MAX).unwrap();
    let account = world.account(&alice);
    assert!(account.is_flat() && account.risk[0].claim > 0);
    world.refuses(MarginAccountNotEmpty, |world| close(world, &alice));

    // The loser pays, the winner is paid, and goes.
    let sol = world.sol;
    world.settle_pnl(&maker, sol, false).unwrap();
    world.settle_pnl(&alice, sol, false).unwrap();
    world.refuses(MarginAccountNotEmpty, |world| close(world, &alice));
    world.withdraw(&alice, Token::Usdc, u64::MAX).unwrap();
    close(&mut world, &alice).unwrap();
    assert!(world.svm.get_account(&alice.margin_account).is_none_or(|account| account.data.is_empty()));
    check_books(&world).unwrap();
}

/// P-11: a closed account is gone for the rest of its transaction, however many lamports it is given, and a new one of the same
/// number starts from nothing.
#[test]
fn a_closed_account_does_not_come_back_to_life() {
    let mut world = World::with_market(PRICE).unwrap();
    let alice = world.trader("alice");
    world.give(&alice, Token::Usdc, DOLLAR);
    let (key, bank) = world.bank(Token::Usdc);
    let close = instruction::close_margin_account(alice.key(), alice.margin_account);
    // Not in the second it was opened in: quotes name that second.
    world.refuses(MarginAccountNotEmpty, |world| world.send(std::slice::from_ref(&close), &[&alice.keypair]));
    world.set_time(world.now() + 1);
    let deposit = instruction::deposit(alice.key(), alice.margin_account, (key, &bank), alice.usdc, TOKEN, DOLLAR);
    let mut data = vec![2, 0, 0, 0];
    data.extend(100_000_000u64.to_le_bytes());
    let revive = Instruction {
        program_id: Pubkey::default(),
        accounts: vec![AccountMeta::new(alice.key(), true), AccountMeta::new(alice.margin_account, false)],
        data,
    };
    refuses_with_code(&mut world, WRONG_PROGRAM, |world| {
        world.send(&[close.clone(), revive.clone(), deposit.clone()], &[&alice.keypair])
    });

    let again = instruction::open_margin_account(alice.key(), alice.key(), world.group, 0);
    let delegate =
        instruction::set_delegate(alice.key(), alice.margin_account, 0, Pubkey::new_unique(), world.now() + DAY);
    world.send(&[delegate], &[&alice.keypair]).unwrap();
    world.send(&[close, again], &[&alice.keypair]).unwrap();
    let account = world.account(&alice);
    assert_eq!((account.quotes_since, account.sequence), (world.now(), 0));
    assert_eq!(account.delegates[0].key, Pubkey::default());
}

/// Data that is cut short, or of no instruction, is refused before anything is read.
#[test]
fn data_that_is_cut_short_is_refused() {
    let mut rich = rich();
    let rows = std::mem::take(&mut rich.rows);
    for row in &rows {
        rich.world.svm = rich.states[row.state].clone();
        let before = rich.world.snapshot();
        let mut unknown = row.main.clone();
        unknown.data[0] ^= 0xff;
        // InstructionFallbackNotFound.
        assert_eq!(rich.send(&unknown), Err("101".to_owned()), "{}: of no instruction", row.name);
        for length in 0..row.main.data.len() {
            let mut short = row.main.clone();
            short.data.truncate(length);
            let expected = if length < 8 { "101" } else { "102" };
            assert_eq!(rich.send(&short), Err(expected.to_owned()), "{}: {length} bytes", row.name);
        }
        assert!(before == rich.world.snapshot());
    }
}
