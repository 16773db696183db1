//! The same program on the other in-process runtime: a market is set up and a deposit made through BanksClient.

use crate::common::{DOLLAR, MargraveError, PRICE, TOKEN_PROGRAM, Token, World};
use anchor_lang::prelude::Clock;
use margrave_client::{Instruction, instruction, pda};
use solana_keypair::Keypair;
use solana_program_test::{BanksClientError, ProgramTest, ProgramTestContext};
use solana_signer::Signer;
use solana_transaction::Transaction;

/// Copies every account of a world, so that both runtimes begin with the same chain.
async fn twin(world: &World) -> ProgramTestContext {
    let mut test = ProgramTest::default();
    test.prefer_bpf(true);
    // Found through SBF_OUT_DIR, which .cargo/config.toml sets.
    test.add_program("margrave", margrave::ID, None);
    for (key, bytes) in world.snapshot() {
        let account = world.svm.get_account(&key).unwrap();
        assert_eq!(account.data, bytes);
        test.add_account(key, account);
    }
    let context = test.start_with_context().await;
    // One clock: times are stored.
    context.set_sysvar(&world.svm.get_sysvar::<Clock>());
    context
}

async fn send(
    context: &mut ProgramTestContext,
    instruction: Instruction,
    signer: &Keypair,
) -> Result<(), BanksClientError> {
    let blockhash = context.get_new_latest_blockhash().await.unwrap();
    let signers = [&context.payer, signer];
    let transaction =
        Transaction::new_signed_with_payer(&[instruction], Some(&context.payer.pubkey()), &signers, blockhash);
    context.banks_client.process_transaction(transaction).await
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

    send(&mut context, deposit(60 * DOLLAR), &alice.keypair).await.unwrap();
    world.deposit(&alice, Token::Usdc, 60 * DOLLAR).unwrap();
    // Byte for byte what the other runtime wrote.
    for account in [alice.margin_account, key, pda::outflow_limit(&world.group), pda::vault(&key), alice.usdc] {
        let here = context.banks_client.get_account(account).await.unwrap().unwrap().data;
        assert_eq!(here, world.svm.get_account(&account).unwrap().data);
    }

    let refused = send(&mut context, deposit(0), &alice.keypair).await.unwrap_err();
    let expected = MargraveError::AmountMustBePositive as u32 + anchor_lang::error::ERROR_CODE_OFFSET;
    assert!(format!("{refused:?}").contains(&format!("Custom({expected})")), "{refused:?}");
}
