//! P-02, P-03, I-30: a copy of an account under another owner, or an account of another type, is refused in every place of every
//! instruction that moves money or risk.

use crate::common::*;
use margrave::{instructions::Level, state::Mode};
use margrave_client::instruction;
use solana_account::Account;

/// Instructions with all their accounts; alice, the maker or a role signs them.
fn instructions(world: &World, alice: &Trader, maker: &Trader) -> Vec<(&'static str, Instruction)> {
    let ((usdc_bank, bank), (sol_bank, other_bank)) = (world.bank(Token::Usdc), world.bank(Token::Sol));
    let account = world.account(alice);
    let holder = (alice.margin_account, &account);
    let second = pda::margin_account(&world.group, &alice.key(), 1);
    let (group, sol, admin) = (world.group, world.sol, world.admin.pubkey());
    let deposit = |amount| {
        let bank = (usdc_bank, &bank);
        instruction::deposit(alice.key(), alice.margin_account, bank, alice.usdc, TOKEN_PROGRAM, amount)
    };
    let fees = world.tokens(&alice.usdc).min(1);
    vec![
        ("deposit", deposit(1)),
        ("withdraw", world.withdraw_instruction(alice, Token::Usdc, 1)),
        ("collect_fees", instruction::collect_fees(admin, (usdc_bank, &bank), alice.usdc, TOKEN_PROGRAM, fees)),
        ("borrow", world.borrow_instruction(alice, Token::Sol, 1, true)),
        ("transfer_collateral", instruction::transfer_collateral(holder, second, (usdc_bank, &bank), 1)),
        ("trade", world.trade_instruction(alice, maker, SOL_LONG, PRICE)),
        ("liquidate", world.liquidate_instruction(maker, alice, u64::MAX)),
        ("settle_pnl", instruction::settle_pnl(holder, sol, usdc_bank, false)),
        ("sweep_fees", instruction::sweep_fees(group, sol, usdc_bank)),
        ("set_mode", instruction::set_mode(holder, Mode::Cross)),
        ("health_check", instruction::health_check(holder, Level::Initial, 0)),
        ("set_delegate", instruction::set_delegate(alice.key(), alice.margin_account, 0, maker.key(), 0)),
        ("cancel_quotes", instruction::cancel_quotes(alice.key(), alice.margin_account, 1, true)),
        ("accrue_interest", instruction::accrue_interest((sol_bank, &other_bank))),
        ("refresh_price", instruction::refresh_price(group, sol, world.price_update)),
    ]
}

fn market() -> Market {
    let mut market = Market::long(10);
    let Market { world, alice, .. } = &mut market;
    world.give(alice, Token::Usdc, DOLLAR);
    world.funded("lender", 0, SOL);
    let second = instruction::open_margin_account(alice.key(), alice.key(), world.group, 1);
    world.send(&[second], &[&alice.keypair]).unwrap();
    // Something to sweep.
    world.settle_pnl(alice, world.sol, false).unwrap();
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
            // What is looked up by key is missed; what is given by place is looked at.
            let expected = [WRONG_PROGRAM, code(BankMissing), code(UnderlyingMissing), code(UnexpectedAccount)];
            refused(&mut world, name, index, attack, &alice, &maker, &expected);
        }
    }
}

#[test]
fn an_account_of_another_type_is_refused_everywhere() {
    let Market { mut world, alice, maker } = market();
    let stranger = world.trader("stranger");
    for (name, instruction) in instructions(&world, &alice, &maker) {
        let types =
            [world.group, pda::outflow_limit(&world.group), world.usdc_bank, world.sol, stranger.margin_account];
        for index in 0..instruction.accounts.len() {
            let Some(original) = world.svm.get_account(&instruction.accounts[index].pubkey) else { continue };
            if original.owner != margrave::ID {
                continue;
            }
            let others = types.map(|key| (key, world.svm.get_account(&key).unwrap().data));
            for (other, _) in others.iter().filter(|(_, data)| data[..8] != original.data[..8]) {
                let mut attack = instruction.clone();
                attack.accounts[index].pubkey = *other;
                let expected =
                    [WRONG_DISCRIMINATOR, code(BankMissing), code(UnderlyingMissing), code(WrongAccountType)];
                refused(&mut world, name, index, attack, &alice, &maker, &expected);
            }
        }
    }
}

/// P-13: the token program is the token program.
#[test]
fn a_fake_token_program_is_refused() {
    let Market { mut world, alice, maker } = market();
    for (name, instruction) in instructions(&world, &alice, &maker).into_iter().take(4) {
        let index = instruction.accounts.iter().position(|meta| meta.pubkey == TOKEN_PROGRAM).unwrap();
        let mut attack = instruction;
        attack.accounts[index].pubkey = margrave::ID;
        // Anchor: invalid program id.
        refused(&mut world, name, index, attack, &alice, &maker, &[3008]);
    }
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
