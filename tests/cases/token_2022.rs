//! Tokens of the Token-2022 program: what is credited is what arrived, and which extensions are let in.

use crate::common::*;
use anchor_lang::solana_program::system_program;
use margrave::error::MargraveError;
use margrave::state::Bank;
use margrave_client::instruction;
use margrave_sim::terms::collateral_terms;

use spl_token_2022_interface::{
    self as token,
    extension::{self as extensions, ExtensionType},
    instruction as mint_instruction,
    state::{AccountState, Mint},
};

/// An extension of a mint, to be initialised before the mint itself.
#[derive(Clone, Copy, Debug)]
enum MintExtension {
    TransferFee { basis_points: u16, maximum: u64 },
    MetadataPointer,
    GroupPointer,
    GroupMemberPointer,
    PermanentDelegate,
    TransferHook,
    TransferHookOfNothing,
    NonTransferable,
    DefaultFrozen,
    DefaultInitialized,
    ConfidentialTransfer,
    MintCloseAuthority,
    InterestBearing,
    Pausable,
    PermissionedBurn,
    ScaledUiAmount,
}
use MintExtension::*;

impl MintExtension {
    fn kind(self) -> ExtensionType {
        match self {
            TransferFee { .. } => ExtensionType::TransferFeeConfig,
            MetadataPointer => ExtensionType::MetadataPointer,
            GroupPointer => ExtensionType::GroupPointer,
            GroupMemberPointer => ExtensionType::GroupMemberPointer,
            PermanentDelegate => ExtensionType::PermanentDelegate,
            TransferHook | TransferHookOfNothing => ExtensionType::TransferHook,
            NonTransferable => ExtensionType::NonTransferable,
            DefaultFrozen | DefaultInitialized => ExtensionType::DefaultAccountState,
            ConfidentialTransfer => ExtensionType::ConfidentialTransferMint,
            MintCloseAuthority => ExtensionType::MintCloseAuthority,
            InterestBearing => ExtensionType::InterestBearingConfig,
            Pausable => ExtensionType::Pausable,
            PermissionedBurn => ExtensionType::PermissionedBurn,
            ScaledUiAmount => ExtensionType::ScaledUiAmount,
        }
    }

    fn instruction(self, mint: &Pubkey, authority: &Pubkey) -> Instruction {
        let (program, someone) = (&token::ID, Some(*authority));
        let default_state = extensions::default_account_state::instruction::initialize_default_account_state;
        match self {
            TransferFee { basis_points, maximum } => {
                let initialize = extensions::transfer_fee::instruction::initialize_transfer_fee_config;
                initialize(program, mint, Some(authority), Some(authority), basis_points, maximum)
            }
            MetadataPointer => {
                extensions::metadata_pointer::instruction::initialize(program, mint, someone, Some(*mint))
            }
            GroupPointer => extensions::group_pointer::instruction::initialize(program, mint, someone, Some(*mint)),
            GroupMemberPointer => {
                extensions::group_member_pointer::instruction::initialize(program, mint, someone, Some(*mint))
            }
            PermanentDelegate => mint_instruction::initialize_permanent_delegate(program, mint, authority),
            TransferHook => {
                extensions::transfer_hook::instruction::initialize(program, mint, someone, Some(margrave::ID))
            }
            TransferHookOfNothing => extensions::transfer_hook::instruction::initialize(program, mint, someone, None),
            NonTransferable => mint_instruction::initialize_non_transferable_mint(program, mint),
            DefaultFrozen => default_state(program, mint, &AccountState::Frozen),
            DefaultInitialized => default_state(program, mint, &AccountState::Initialized),
            ConfidentialTransfer => {
                extensions::confidential_transfer::instruction::initialize_mint(program, mint, someone, true, None)
            }
            MintCloseAuthority => mint_instruction::initialize_mint_close_authority(program, mint, Some(authority)),
            InterestBearing => extensions::interest_bearing_mint::instruction::initialize(program, mint, someone, 500),
            Pausable => extensions::pausable::instruction::initialize(program, mint, authority),
            PermissionedBurn => extensions::permissioned_burn::instruction::initialize(program, mint, authority),
            ScaledUiAmount => extensions::scaled_ui_amount::instruction::initialize(program, mint, someone, 2.0),
        }
        .expect("the arguments are well-formed")
    }
}

/// A Token-2022 mint; the world's admin is every authority.
pub fn create_mint_2022(world: &mut World, number: u64, decimals: u8, fee: Option<(u16, u64)>) -> Pubkey {
    let fee = fee.map(|(basis_points, maximum)| TransferFee { basis_points, maximum });
    create_mint_with(world, number, decimals, &fee.into_iter().collect::<Vec<_>>())
}

fn create_mint_with(world: &mut World, number: u64, decimals: u8, with: &[MintExtension]) -> Pubkey {
    let (mint, authority) = (keypair(500_000 + number), world.admin.pubkey());
    let kinds: Vec<_> = with.iter().map(|extension| extension.kind()).collect();
    let space = ExtensionType::try_calculate_account_len::<Mint>(&kinds).expect("none has a variable length");
    let rent = world.svm.minimum_balance_for_rent_exemption(space);
    let space = u64::try_from(space).expect("a small account");
    let create = solana_system_interface::instruction::create_account;
    let mut instructions = vec![create(&authority, &mint.pubkey(), rent, space, &token::ID)];
    instructions.extend(with.iter().map(|extension| extension.instruction(&mint.pubkey(), &authority)));
    let initialize =
        mint_instruction::initialize_mint2(&token::ID, &mint.pubkey(), &authority, Some(&authority), decimals);
    instructions.push(initialize.expect("the arguments are well-formed"));
    world.send(&instructions, &[&mint]).expect("a mint is created");
    mint.pubkey()
}

/// A listed Token-2022 token, priced as SOL.
pub struct Listed {
    pub mint: Pubkey,
    pub bank: Pubkey,
    decimals: u8,
}

impl Listed {
    pub fn new(world: &mut World, mint: Pubkey, decimals: u8) -> Self {
        let (sol, terms) = (world.sol, collateral_terms());
        world.list_bank_of(mint, Some(sol), terms, TOKEN_2022).expect("the token is listed");
        // The change of its terms has waited for days.
        world.set_price(PRICE).unwrap();
        Self { mint, bank: pda::bank(&world.group, &mint), decimals }
    }

    pub fn bank(&self, world: &World) -> Bank {
        world.load(&self.bank)
    }

    /// A new token account with so many tokens.
    pub fn wallet(&self, world: &mut World, owner: &Trader, amount: u64) -> Pubkey {
        let wallet = keypair(600_000 + u64::from(owner.key().to_bytes()[0]) * 256 + u64::from(self.mint.to_bytes()[0]));
        let account = ExtensionType::try_calculate_account_len::<token::state::Account>(&[
            ExtensionType::TransferFeeAmount,
            ExtensionType::ImmutableOwner,
        ]);
        let space = account.expect("a fixed length");
        let rent = world.svm.minimum_balance_for_rent_exemption(space);
        let (admin, space) = (world.admin.pubkey(), u64::try_from(space).expect("a small account"));
        let create = solana_system_interface::instruction::create_account;
        let (mint, program, key) = (&self.mint, &token::ID, wallet.pubkey());
        let immutable = mint_instruction::initialize_immutable_owner(program, &key).unwrap();
        let initialize = mint_instruction::initialize_account3(program, &key, mint, &owner.key()).unwrap();
        let give = mint_instruction::mint_to_checked(program, mint, &key, &admin, &[], amount, self.decimals).unwrap();
        let create = create(&admin, &key, rent, space, program);
        world.send(&[create, immutable, initialize, give], &[&wallet]).expect("a token account is created");
        key
    }

    pub fn deposit(&self, world: &mut World, who: &Trader, wallet: Pubkey, amount: u64) -> Outcome {
        let bank = self.bank(world);
        let deposit =
            instruction::deposit(who.key(), who.margin_account, (self.bank, &bank), wallet, TOKEN_2022, amount);
        world.send(&[deposit], &[&who.keypair])
    }

    /// With `borrow` beyond the deposit.
    pub fn withdraw(&self, world: &mut World, who: &Trader, wallet: Pubkey, amount: u64, borrow: bool) -> Outcome {
        let (bank, account) = (self.bank(world), world.account(who));
        let holder = (who.margin_account, &account);
        let withdraw = instruction::withdraw(holder, (self.bank, &bank), wallet, TOKEN_2022, amount, borrow);
        world.send(&[withdraw], &[&who.keypair])
    }

    pub fn shares(&self, world: &World, who: &Trader) -> i64 {
        world.account(who).shares_in(&self.bank)
    }

    /// Announces another transfer fee, and lets two epochs pass, after which it holds.
    pub fn set_fee(&self, world: &mut World, basis_points: u16) {
        let set = extensions::transfer_fee::instruction::set_transfer_fee;
        let admin = world.admin.pubkey();
        let set = set(&token::ID, &self.mint, &admin, &[], basis_points, u64::MAX).unwrap();
        world.send(&[set], &[]).expect("the authority sets the fee");
        let mut clock = world.svm.get_sysvar::<anchor_lang::solana_program::clock::Clock>();
        clock.epoch += 2;
        world.svm.set_sysvar(&clock);
    }
}

fn listed(decimals: u8, fee: Option<(u16, u64)>) -> (World, Listed, Trader, Pubkey) {
    let mut world = World::with_market(PRICE).unwrap();
    let mint = create_mint_2022(&mut world, 0, decimals, fee);
    let token = Listed::new(&mut world, mint, decimals);
    let alice = world.trader("alice");
    let wallet = token.wallet(&mut world, &alice, 1_000_000);
    (world, token, alice, wallet)
}

/// P-14, P-15: a fee is taken on the way in, and what is credited is what arrived; on the way out it is the receiver's.
#[test]
fn what_arrives_is_credited_and_what_leaves_is_debited() {
    for (basis_points, maximum, arrives, comes_back) in [
        (0, u64::MAX, 100_000, 100_000),
        // 1 % of 100,000, and 1 % of 99,000.
        (100, u64::MAX, 99_000, 98_010),
        // 1 %, but no more than 300.
        (100, 300, 99_700, 99_400),
        // A part is rounded up to a unit: 0.01 % of 100,000 is 10, of 99,990 also.
        (1, u64::MAX, 99_990, 99_980),
        (9_999, u64::MAX, 10, 0),
    ] {
        let (mut world, token, alice, wallet) = listed(9, Some((basis_points, maximum)));
        let receipt = token.deposit(&mut world, &alice, wallet, 100_000).unwrap();
        let events = receipt.events();
        let [Event::Deposited(event)] = &events[..] else { panic!("one event") };
        assert_eq!((event.amount, event.shares), (arrives, i64::try_from(arrives).unwrap()));
        let bank = token.bank(&world);
        assert_eq!((bank.deposit_shares, world.tokens(&bank.vault)), (arrives, arrives));
        check_books(&world).unwrap();

        token.withdraw(&mut world, &alice, wallet, u64::MAX, false).unwrap();
        assert_eq!(world.tokens(&wallet), 900_000 + comes_back, "{basis_points}");
        let bank = token.bank(&world);
        assert_eq!((bank.deposit_shares, world.tokens(&bank.vault)), (0, 0));
        assert!(world.account(&alice).is_empty());
        check_books(&world).unwrap();
    }
}

/// P-15: a token that takes everything on the way credits nothing, and is refused rather than lost.
#[test]
fn a_fee_of_all_is_refused() {
    let (mut world, token, alice, wallet) = listed(9, Some((10_000, u64::MAX)));
    world.refuses(AmountBelowOneShare, |world| token.deposit(world, &alice, wallet, 100_000));
    world.refuses(AmountBelowOneShare, |world| token.deposit(world, &alice, wallet, 1));
}

/// P-15: a fee raised after the listing is the depositor's too, the bank stays solvent, and who is in may leave.
#[test]
fn a_fee_that_is_raised_later_leaves_the_bank_whole() {
    let (mut world, token, alice, wallet) = listed(9, Some((0, 0)));
    token.deposit(&mut world, &alice, wallet, 100_000).unwrap();
    token.set_fee(&mut world, 2_000);
    token.deposit(&mut world, &alice, wallet, 100_000).unwrap();
    assert_eq!(token.shares(&world, &alice), 180_000);
    check_books(&world).unwrap();
    token.set_fee(&mut world, 10_000);
    world.refuses(AmountBelowOneShare, |world| token.deposit(world, &alice, wallet, 100_000));
    token.withdraw(&mut world, &alice, wallet, 80_000, false).unwrap();
    assert_eq!(token.shares(&world, &alice), 100_000);
    token.set_fee(&mut world, 0);
    token.withdraw(&mut world, &alice, wallet, u64::MAX, false).unwrap();
    assert_eq!(world.tokens(&wallet), 900_000);
    check_books(&world).unwrap();
}

/// P-15: who borrows a token with a fee owes what left the vault, and repays what arrives there.
#[test]
fn a_loan_of_a_token_with_a_fee_is_owed_in_full() {
    let (mut world, token, alice, wallet) = listed(9, Some((100, u64::MAX)));
    token.deposit(&mut world, &alice, wallet, 500_000).unwrap();
    let bob = world.funded("bob", 1_000 * DOLLAR, 0);
    let bobs = token.wallet(&mut world, &bob, 10_000);
    token.withdraw(&mut world, &bob, bobs, 100_000, true).unwrap();
    assert_eq!((token.shares(&world, &bob), world.tokens(&bobs)), (-100_000, 109_000));
    check_books(&world).unwrap();
    token.deposit(&mut world, &bob, bobs, 100_000).unwrap();
    assert_eq!(token.shares(&world, &bob), -1_000);
    assert!(!world.account(&bob).is_flat());
    // A loan is the bank's to cover: what was taken on the way is neither lent nor owed.
    world.refuses(VaultIlliquid, |world| token.withdraw(world, &alice, wallet, 495_000, false));
    token.deposit(&mut world, &bob, bobs, 1_011).unwrap();
    assert_eq!(token.shares(&world, &bob), 0);
    token.withdraw(&mut world, &alice, wallet, 495_000, false).unwrap();
    check_books(&world).unwrap();
}

/// P-17: what could run foreign code, take or freeze the vault's tokens, hide amounts or change what they are is not
/// listed.
#[test]
fn a_forbidden_extension_is_refused_at_listing() {
    let mut world = World::with_market(PRICE).unwrap();
    let fee = TransferFee { basis_points: 100, maximum: 5_000 };
    let forbidden: [&[MintExtension]; 12] = [
        &[PermanentDelegate],
        &[TransferHook],
        &[TransferHookOfNothing],
        &[DefaultFrozen],
        &[DefaultInitialized],
        &[ConfidentialTransfer],
        &[MintCloseAuthority],
        &[InterestBearing],
        &[Pausable],
        &[ScaledUiAmount],
        &[NonTransferable],
        // Between allowed ones it is found as well.
        &[fee, PermanentDelegate, MetadataPointer],
    ];
    for (number, with) in (0..).zip(forbidden) {
        let mint = create_mint_with(&mut world, number, 6, with);
        let list = instruction::list_bank(world.manager.pubkey(), world.group, mint, Some(world.sol), TOKEN_2022);
        let before = world.snapshot();
        let refusal = world.send(&[list], &[]).expect_err("it is refused");
        assert!(refusal.is(MargraveError::TokenNotAllowed), "{with:?}: {refusal}");
        assert!(before == world.snapshot());
    }
    // An extension that is newer than the program: no account for it can even be made.
    for (number, with) in (20..).zip([&[PermissionedBurn][..], &[MetadataPointer, GroupPointer, PermissionedBurn]]) {
        let mint = create_mint_with(&mut world, number, 6, with);
        let list = instruction::list_bank(world.manager.pubkey(), world.group, mint, Some(world.sol), TOKEN_2022);
        let before = world.snapshot();
        let refusal = world.send(&[list], &[]).expect_err("it is refused");
        assert!(refusal.error.contains("invalid account data"), "{refusal}");
        assert!(before == world.snapshot());
    }
}

/// P-17: what changes nothing for a holder, or only what arrives, is listed.
#[test]
fn an_allowed_extension_is_listed() {
    let mut world = World::with_market(PRICE).unwrap();
    let fee = TransferFee { basis_points: 100, maximum: 5_000 };
    let allowed: [&[MintExtension]; 5] = [
        &[],
        &[fee],
        &[MetadataPointer],
        &[GroupPointer, GroupMemberPointer],
        &[GroupMemberPointer, MetadataPointer, fee, GroupPointer],
    ];
    for (number, with) in (0..).zip(allowed) {
        let mint = create_mint_with(&mut world, number, 6, with);
        let token = Listed::new(&mut world, mint, 6);
        assert_eq!(token.bank(&world).decimals, 6);
    }
}

/// P-17: a mint of one program cannot be used with the other.
#[test]
fn the_token_program_is_the_mint_s() {
    let (mut world, token, alice, wallet) = listed(6, None);
    let bank = token.bank(&world);
    let deposit =
        instruction::deposit(alice.key(), alice.margin_account, (token.bank, &bank), wallet, TOKEN_PROGRAM, 1_000);
    let before = world.snapshot();
    world.send(&[deposit], &[&alice.keypair]).unwrap_err();
    token.deposit(&mut world, &alice, wallet, 1_000).unwrap();
    let account = world.account(&alice);
    let holder = (alice.margin_account, &account);
    for program in [TOKEN_PROGRAM, system_program::ID, margrave::ID] {
        let withdraw = instruction::withdraw(holder, (token.bank, &bank), wallet, program, 1_000, false);
        let now = world.snapshot();
        assert!(now != before);
        world.send(&[withdraw], &[&alice.keypair]).unwrap_err();
        assert!(now == world.snapshot());
    }
    let mint = create_mint_2022(&mut world, 1, 6, None);
    let list = instruction::list_bank(world.manager.pubkey(), world.group, mint, Some(world.sol), TOKEN_PROGRAM);
    world.send(&[list], &[]).unwrap_err();
}

/// A mint at an address of the tester's choice that says it is of Token-2022, but is not as long as its extensions say.
#[test]
fn a_mint_that_cannot_be_read_is_refused() {
    let mut world = World::with_market(PRICE).unwrap();
    let mint = create_mint_with(&mut world, 0, 6, &[MetadataPointer]);
    let good = world.svm.get_account(&mint).unwrap();
    // The extension's type, at 166, and its length, at 168.
    for (at, value) in [(166, 250), (166, 14), (168, 255)] {
        let mut broken = good.clone();
        broken.data[at] = value;
        world.svm.set_account(mint, broken).unwrap();
        let list = instruction::list_bank(world.manager.pubkey(), world.group, mint, Some(world.sol), TOKEN_2022);
        let before = world.snapshot();
        world.send(&[list], &[]).unwrap_err();
        assert!(before == world.snapshot());
    }
}

/// Another mint's extensions, or bytes that are none, at the address of a listed one: as if the token program had let it change.
fn becomes(world: &mut World, token: &Listed, other: Pubkey, broken: Option<(usize, u8)>) {
    let mut mint = world.svm.get_account(&other).unwrap();
    let supply = world.svm.get_account(&token.mint).unwrap().data[36..44].to_vec();
    mint.data[36..44].copy_from_slice(&supply);
    if let Some((at, value)) = broken {
        mint.data[at] = value;
    }
    world.svm.set_account(token.mint, mint).unwrap();
}

/// P-17: what is listed is looked at again where it comes in, and may always leave.
#[test]
fn a_token_that_has_become_dangerous_comes_in_no_more() {
    let (mut world, token, alice, wallet) = listed(6, None);
    token.deposit(&mut world, &alice, wallet, 10_000).unwrap();
    let dangerous = create_mint_with(&mut world, 1, 6, &[PermanentDelegate]);
    let fine = create_mint_with(&mut world, 2, 6, &[MetadataPointer]);
    // The length of an extension, at 168, and its type, at 166.
    for (other, broken) in [(dangerous, None), (fine, Some((166, 250))), (fine, Some((168, 255)))] {
        becomes(&mut world, &token, other, broken);
        world.refuses(TokenNotAllowed, |world| token.deposit(world, &alice, wallet, 10_000));
    }
    becomes(&mut world, &token, dangerous, None);
    token.withdraw(&mut world, &alice, wallet, 10_000, false).unwrap();
}

/// P-17: nor does a liquidator bring it in.
#[test]
fn a_bracket_does_not_end_with_a_token_that_has_become_dangerous() {
    let mut world = World::with_market(PRICE).unwrap();
    let mint = create_mint_2022(&mut world, 0, 9, None);
    let token = Listed::new(&mut world, mint, 9);
    world.funded("lender", 100_000 * DOLLAR, 0);
    let alice = world.funded("alice", 0, 1_000 * SOL);
    let keeper = world.wallet("keeper");
    let wallet = token.wallet(&mut world, &keeper, 1_000 * SOL);
    world.borrow(&alice, Token::Usdc, 20_000 * DOLLAR).unwrap();
    world.set_time(world.now() + 60);
    world.set_price(255_000_000_000).unwrap();
    let (account, sol, bank) = (world.account(&alice), world.bank(Token::Sol), token.bank(&world));
    let from = (alice.margin_account, &account);
    let begin = instruction::begin_bracket(keeper.key(), from.0, (sol.0, &sol.1), keeper.sol, TOKEN_PROGRAM, 100 * SOL);
    let end = instruction::end_bracket(keeper.key(), from, (token.bank, &bank), wallet, TOKEN_2022, 101 * SOL);
    let dangerous = create_mint_with(&mut world, 1, 9, &[PermanentDelegate]);
    let good = world.svm.clone();
    becomes(&mut world, &token, dangerous, None);
    let both = [begin, end];
    world.refuses(TokenNotAllowed, |world| world.send(&both, &[&keeper.keypair]));
    world.svm = good;
    world.send(&both, &[&keeper.keypair]).unwrap();
}

/// P-16: whole tokens and the finest ones are worth what they are worth, and come back to the unit.
#[test]
fn tokens_of_no_and_of_eighteen_decimals() {
    // 1,000 tokens at 35 dollars; and the 18th part of what 64 bits hold, a token, at the same.
    for (decimals, amount, dollars) in [(0, 1_000, 35_000), (18, 1_000_000_000_000_000_000, 35)] {
        let mut world = World::with_market(PRICE).unwrap();
        let mint = create_mint_2022(&mut world, 0, decimals, None);
        let token = Listed::new(&mut world, mint, decimals);
        let alice = world.trader("alice");
        let wallet = token.wallet(&mut world, &alice, amount);
        token.deposit(&mut world, &alice, wallet, amount).unwrap();
        assert_eq!(token.shares(&world, &alice), i64::try_from(amount).unwrap());
        // 5 % haircut, rounded up in 2^-30.
        let equity = world.accounts().value(&alice.margin_account, world.now()).unwrap().equity.micros();
        let exact = dollars * 950_000;
        assert!((exact - dollars / 1_000 - 1..=exact).contains(&equity), "{decimals}: {equity}");
        let lender = world.funded("lender", 1_000_000 * DOLLAR, 0);
        let tenth = u64::try_from(dollars).unwrap() * DOLLAR / 10;
        world.borrow(&alice, Token::Usdc, tenth).unwrap();
        token.withdraw(&mut world, &alice, wallet, amount / 10, false).unwrap();
        check_books(&world).unwrap();
        world.deposit(&alice, Token::Usdc, tenth).unwrap();
        token.withdraw(&mut world, &alice, wallet, u64::MAX, false).unwrap();
        assert_eq!(world.tokens(&wallet), amount);
        assert!(world.account(&alice).is_empty() && world.account(&lender).is_flat());
        check_books(&world).unwrap();
    }
}

/// P-16: 19 decimals are more than 64 bits could count a token in.
#[test]
fn a_token_of_nineteen_decimals_is_refused() {
    let mut world = World::with_market(PRICE).unwrap();
    let mint = create_mint_2022(&mut world, 0, 19, None);
    let list = instruction::list_bank(world.manager.pubkey(), world.group, mint, Some(world.sol), TOKEN_2022);
    world.refuses(ParameterOutOfBounds, |world| world.send(&[list], &[]));
}
