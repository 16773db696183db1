//! The same program on the other in-process runtime: a market is set up and a deposit made through BanksClient.

use crate::common::{DOLLAR, MargraveError, PRICE, RECEIVER, SOL, TOKEN_PROGRAM, Token, World};
use anchor_lang::prelude::{AccountInfo, Clock, ProgramError};
use margrave::instructions::Level;
use margrave_client::{AccountMeta, Instruction, Pubkey, instruction, pda};
use margrave_sim::record_refusals;
use solana_keypair::Keypair;
use solana_program_test::{BanksClientError, ProgramTest, ProgramTestContext, processor};
use solana_signer::Signer;
use solana_sysvar::program_stubs::sol_invoke_signed;
use solana_transaction::Transaction;

/// Copies every account of a world, so that both runtimes begin with the same chain.
async fn twin(world: &World) -> ProgramTestContext {
    let mut test = ProgramTest::default();
    test.prefer_bpf(true);
    // Found through SBF_OUT_DIR, which .cargo/config.toml sets.
    test.add_program("margrave", margrave::ID, None);
    test.prefer_bpf(false);
    test.add_program("relay", RELAY, processor!(relay));
    for (key, bytes) in world.snapshot() {
        let account = world.svm.get_account(&key).unwrap();
        assert_eq!(account.data, bytes);
        test.add_account(key, account);
    }
    if let Some(price) = world.svm.get_account(&world.price_update) {
        test.add_account(world.price_update, price);
    }
    let context = test.start_with_context().await;
    // One clock: times are stored.
    context.set_sysvar(&world.svm.get_sysvar::<Clock>());
    context
}

/// Another program, which calls this one with whatever it is given.
const RELAY: Pubkey = Pubkey::new_from_array([77; 32]);

fn relay(_program: &Pubkey, accounts: &[AccountInfo], data: &[u8]) -> Result<(), ProgramError> {
    let meta = |info: &AccountInfo| AccountMeta {
        pubkey: *info.key,
        is_signer: info.is_signer,
        is_writable: info.is_writable,
    };
    // The last account is the program itself.
    let metas = accounts[..accounts.len() - 1].iter().map(meta).collect();
    let called = Instruction { program_id: margrave::ID, accounts: metas, data: data.to_vec() };
    sol_invoke_signed(&called, accounts, &[])
}

fn by_relay(mut instruction: Instruction) -> Instruction {
    instruction.accounts.push(AccountMeta::new_readonly(margrave::ID, false));
    Instruction { program_id: RELAY, ..instruction }
}

async fn send(
    context: &mut ProgramTestContext,
    instructions: &[Instruction],
    signer: &Keypair,
) -> Result<(), BanksClientError> {
    let blockhash = context.get_new_latest_blockhash().await.unwrap();
    let signers = [&context.payer, signer];
    let transaction =
        Transaction::new_signed_with_payer(instructions, Some(&context.payer.pubkey()), &signers, blockhash);
    let done = context.banks_client.process_transaction_with_metadata(transaction).await?;
    record_refusals(&done.metadata.map_or(vec![], |metadata| metadata.log_messages));
    Ok(done.result?)
}

/// Requires that the instruction at `index` is refused.
#[track_caller]
fn is_refused(outcome: &Result<(), BanksClientError>, index: usize, error: MargraveError) {
    let number = error as u32 + anchor_lang::error::ERROR_CODE_OFFSET;
    let expected = format!("InstructionError({index}, Custom({number}))");
    assert!(format!("{outcome:?}").contains(&expected), "{outcome:?}");
}

#[tokio::test]
async fn the_program_runs_under_solana_program_test() {
    let mut world = World::with_market(PRICE).unwrap();
    let alice = world.trader("alice");
    world.give(&alice, Token::Usdc, 100 * DOLLAR);
    let mut context = twin(&world).await;
    let (key, bank) = world.bank(Token::Usdc);
    let deposit = |amount| {
        instruction::deposit(alice.key(), alice.margin_account, (key, &bank), alice.usdc, TOKEN_PROGRAM, amount)
    };

    send(&mut context, &[deposit(60 * DOLLAR)], &alice.keypair).await.unwrap();
    world.deposit(&alice, Token::Usdc, 60 * DOLLAR).unwrap();
    // Byte for byte what the other runtime wrote.
    for account in [alice.margin_account, key, pda::outflow_limit(&world.group), pda::vault(&key), alice.usdc] {
        let here = context.banks_client.get_account(account).await.unwrap().unwrap().data;
        assert_eq!(here, world.svm.get_account(&account).unwrap().data);
    }

    let refused = send(&mut context, &[deposit(0)], &alice.keypair).await;
    is_refused(&refused, 0, MargraveError::AmountMustBePositive);
}

/// No half of a liquidator's bracket is another program's call, and while it is open another program changes the account neither.
#[tokio::test]
async fn a_bracket_is_closed_to_other_programs() {
    let mut world = World::with_market(PRICE).unwrap();
    let _lender = world.funded("lender", 100_000 * DOLLAR, 0);
    let alice = world.funded("alice", 0, 1_000 * SOL);
    let keeper = world.wallet("keeper");
    world.give(&keeper, Token::Usdc, 50_000 * DOLLAR);
    world.borrow(&alice, Token::Usdc, 20_000 * DOLLAR).unwrap();
    world.set_time(world.now() + 60);
    world.set_price(255_000_000_000).unwrap();
    let (account, sol, usdc) = (world.account(&alice), world.bank(Token::Sol), world.bank(Token::Usdc));
    let from = (alice.margin_account, &account);
    let (sol, usdc) = ((sol.0, &sol.1), (usdc.0, &usdc.1));
    let begin =
        instruction::begin_bracket(keeper.key(), alice.margin_account, sol, keeper.sol, TOKEN_PROGRAM, 200 * SOL);
    let end = instruction::end_bracket(keeper.key(), from, usdc, keeper.usdc, TOKEN_PROGRAM, 5_050 * DOLLAR);
    let flag = instruction::flag_account(from);
    let settle = instruction::settle_pnl(from, world.sol, usdc.0, false);

    let mut context = twin(&world).await;
    let refused = send(&mut context, &[by_relay(begin.clone()), end.clone()], &keeper.keypair).await;
    is_refused(&refused, 0, MargraveError::BracketCalledByProgram);
    let refused = send(&mut context, &[begin.clone(), by_relay(end.clone()), end.clone()], &keeper.keypair).await;
    is_refused(&refused, 1, MargraveError::BracketCalledByProgram);
    let look = instruction::health_check(from, Level::Maintenance, i64::MIN);
    for inside in [flag, settle, look] {
        let all = [begin.clone(), by_relay(inside), end.clone()];
        is_refused(&send(&mut context, &all, &keeper.keypair).await, 1, MargraveError::BracketOpen);
    }
    send(&mut context, &[begin, end], &keeper.keypair).await.unwrap();
}

/// I-21: another program brings a price in between the halves of a bracket. What the account gains by it is not the liquidator's.
#[tokio::test]
async fn a_price_that_another_program_brings_into_a_bracket_is_that_of_before_and_after() {
    let mut world = World::with_market(PRICE).unwrap();
    let _lender = world.funded("lender", 100_000 * DOLLAR, 0);
    let alice = world.funded("alice", 0, 1_000 * SOL);
    let keeper = world.wallet("keeper");
    world.give(&keeper, Token::Usdc, 50_000 * DOLLAR);
    world.borrow(&alice, Token::Usdc, 20_000 * DOLLAR).unwrap();
    world.set_time(world.now() + 60);
    world.set_price(255_000_000_000).unwrap();
    world.set_time(world.now() + 5);
    world.post(&world.good_price(258_000_000_000), RECEIVER);
    let (account, sol, usdc) = (world.account(&alice), world.bank(Token::Sol), world.bank(Token::Usdc));
    let from = (alice.margin_account, &account);
    let (sol, usdc) = ((sol.0, &sol.1), (usdc.0, &usdc.1));
    let begin = instruction::begin_bracket(keeper.key(), from.0, sol, keeper.sol, TOKEN_PROGRAM, 200 * SOL);
    let end = |paid| instruction::end_bracket(keeper.key(), from, usdc, keeper.usdc, TOKEN_PROGRAM, paid * DOLLAR);
    let refresh = instruction::refresh_price(world.group, world.sol, world.price_update);

    let mut context = twin(&world).await;
    // 200 SOL are worth 5,160 dollars and may cost 51.60; 800 others are worth 240 more than before.
    let refused = send(&mut context, &[begin.clone(), by_relay(refresh.clone()), end(4_920)], &keeper.keypair).await;
    is_refused(&refused, 2, MargraveError::LossTooLarge);
    send(&mut context, &[begin, by_relay(refresh), end(5_150)], &keeper.keypair).await.unwrap();
}
