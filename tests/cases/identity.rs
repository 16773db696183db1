//! P-02, P-03, I-30: a copy of an account under another owner, or an account of another type, is refused in every place of every
//! instruction that moves money or risk.

use crate::common::*;
use solana_account::Account;

/// Instructions with all their accounts, and who signs them.
fn instructions(world: &World, alice: &Trader, maker: &Trader) -> Vec<(&'static str, Instruction)> {
    let (usdc_bank, bank) = world.bank(Token::Usdc);
    vec![
        (
            "deposit",
            margrave_client::instruction::deposit(alice.key(), alice.margin_account, (usdc_bank, &bank), alice.usdc, 1),
        ),
        ("withdraw", world.withdraw_instruction(alice, Token::Usdc, 1)),
        ("trade", world.trade_instruction(alice, maker, SOL_LONG, PRICE)),
        ("liquidate", world.liquidate_instruction(maker, alice, u64::MAX)),
        ("refresh_price", margrave_client::instruction::refresh_price(world.group, world.sol, world.price_update)),
    ]
}

fn market() -> Market {
    let mut market = Market::long(10);
    market.world.give(&market.alice, Token::Usdc, DOLLAR);
    market
}

#[test]
fn a_copy_owned_by_another_program_is_refused_everywhere() {
    let Market { mut world, alice, maker } = market();
    for (name, instruction) in instructions(&world, &alice, &maker) {
        for index in 0..instruction.accounts.len() {
            let key = instruction.accounts[index].pubkey;
            let Some(original) = world.svm.get_account(&key).filter(|account| account.owner == margrave::ID) else {
                continue;
            };
            let forged_key = Pubkey::new_unique();
            let forged = Account { owner: Pubkey::new_from_array([9; 32]), ..original };
            world.svm.set_account(forged_key, forged).unwrap();
            let mut attack = instruction.clone();
            attack.accounts[index].pubkey = forged_key;
            refused(&mut world, name, index, attack, &alice, &maker, &[WRONG_PROGRAM, code(UnexpectedAccount)]);
        }
    }
}

#[test]
fn an_account_of_another_type_is_refused_everywhere() {
    let Market { mut world, alice, maker } = market();
    for (name, instruction) in instructions(&world, &alice, &maker) {
        let types = [world.group, world.usdc_bank, world.sol, alice.margin_account];
        for index in 0..instruction.accounts.len() {
            let Some(original) = world.svm.get_account(&instruction.accounts[index].pubkey) else { continue };
            if original.owner != margrave::ID {
                continue;
            }
            let others = types.map(|key| (key, world.svm.get_account(&key).unwrap().data));
            for (other, _) in others.iter().filter(|(_, data)| data[..8] != original.data[..8]) {
                let mut attack = instruction.clone();
                attack.accounts[index].pubkey = *other;
                let expected = [
                    WRONG_DISCRIMINATOR,
                    code(BankMissing),
                    code(UnderlyingMissing),
                    code(DuplicateAccount),
                    code(WrongAccountType),
                ];
                refused(&mut world, name, index, attack, &alice, &maker, &expected);
            }
        }
    }
}

/// P-13: the token program is the token program.
#[test]
fn a_fake_token_program_is_refused() {
    let Market { mut world, alice, maker } = market();
    for (name, instruction) in instructions(&world, &alice, &maker).into_iter().take(2) {
        let index = instruction.accounts.iter().position(|meta| meta.pubkey == anchor_lang_token()).unwrap();
        let mut attack = instruction;
        attack.accounts[index].pubkey = margrave::ID;
        // Anchor: invalid program id.
        refused(&mut world, name, index, attack, &alice, &maker, &[3008]);
    }
}

fn anchor_lang_token() -> Pubkey {
    anchor_lang::pubkey!("TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA")
}

fn code(error: MargraveError) -> u32 {
    error as u32 + anchor_lang::error::ERROR_CODE_OFFSET
}

#[track_caller]
fn refused(
    world: &mut World,
    name: &str,
    index: usize,
    attack: Instruction,
    alice: &Trader,
    maker: &Trader,
    expected: &[u32],
) {
    let before = world.snapshot();
    match world.send(&[attack], &[&alice.keypair, &maker.keypair]) {
        Ok(_) => panic!("{name}: account {index} was exchanged and nobody noticed"),
        Err(refusal) => {
            let known = refusal.code.is_some_and(|code| expected.contains(&code));
            assert!(known, "{name}: account {index}: expected one of {expected:?}, got {refusal}");
        }
    }
    assert!(before == world.snapshot(), "{name}: account {index}: something changed");
}
