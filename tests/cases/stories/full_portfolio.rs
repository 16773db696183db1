use crate::{common::*, desk::*};
use margrave::state::{Instrument, InstrumentKind};
use solana_message::{AddressLookupTableAccount, VersionedMessage, v0};
use solana_transaction::versioned::VersionedTransaction;

/// What one packet of the network carries, and the most accounts a transaction may lock.
const PACKET: usize = 1_232;
const ACCOUNTS: usize = 64;

/// Writes a lookup table as it stands when it has been extended and is in use: type, no deactivation, last extended in slot zero, no
/// authority, then the addresses.
fn lookup_table(world: &mut World, addresses: Vec<Pubkey>) -> AddressLookupTableAccount {
    let mut data = vec![1, 0, 0, 0];
    data.extend(u64::MAX.to_le_bytes());
    data.resize(56, 0);
    data.extend(addresses.iter().flat_map(|address| address.to_bytes()));
    let key = keypair(90).pubkey();
    let owner = "AddressLookupTab1e1111111111111111111111111".parse().unwrap();
    let account =
        solana_account::Account { lamports: 1_000_000_000, data, owner, executable: false, rent_epoch: u64::MAX };
    world.svm.set_account(key, account).unwrap();
    AddressLookupTableAccount { key, addresses }
}

/// Sends one transaction of the newer kind, within a packet and the limit of accounts.
fn send(
    world: &mut World,
    table: &AddressLookupTableAccount,
    instructions: &[Instruction],
    signers: &[&Trader],
) -> Result<u64, String> {
    let mut all = vec![compute_limit()];
    all.extend_from_slice(instructions);
    world.svm.expire_blockhash();
    let payer = signers[0].key();
    let tables = std::slice::from_ref(table);
    let message = v0::Message::try_compile(&payer, &all, tables, world.svm.latest_blockhash()).unwrap();
    let looked_up: usize =
        message.address_table_lookups.iter().map(|t| t.writable_indexes.len() + t.readonly_indexes.len()).sum();
    let accounts = message.account_keys.len() + looked_up;
    assert!(accounts <= ACCOUNTS, "{accounts} accounts");
    let keys: Vec<_> = signers.iter().map(|trader| &trader.keypair).collect();
    let transaction = VersionedTransaction::try_new(VersionedMessage::V0(message), &keys).unwrap();
    // Signatures of 64 bytes behind their count, then the message.
    let size = 1 + 64 * transaction.signatures.len() + transaction.message.serialize().len();
    assert!(size <= PACKET, "{size} bytes");
    let sent = world.svm.send_transaction(transaction);
    sent.map(|meta| meta.compute_units_consumed)
        .map_err(|failed| format!("{}\n{}", failed.err, failed.meta.logs.join("\n")))
}

/// Everything an account can hold: 32 positions, half of them perps and futures and half of them options, on four underlyings, and
/// deposits in eight tokens. One transaction brings four prices in, trades it and withdraws from it.
#[test]
fn a_full_account_trades_and_withdraws_in_one_transaction() {
    let mut world = World::with_market(PRICE).unwrap();
    let (_usdc_bank, mut sheets) = (world.usdc_bank, vec![world.sol]);
    for symbol in ["BTC", "ETH", "JUP"] {
        sheets.push(world.list_other_underlying(symbol).unwrap());
    }
    // Eight tokens: the quote token, SOL, and two more priced by each of the other three.
    let mut mints = Vec::new();
    for sheet in &sheets[1..] {
        for _ in 0..2 {
            mints.push(world.list_bank_on(*sheet, u64::MAX).unwrap());
        }
    }
    let refresh: Vec<Instruction> =
        sheets.iter().map(|sheet| instruction::refresh_price(world.group, *sheet, world.price_update)).collect();
    world.set_price(PRICE).unwrap();
    world.send(&refresh, &[]).unwrap();
    // Three expiries each, the first with two strikes: a perp, three futures and four options on every underlying.
    let mut instruments: Vec<Vec<Instrument>> = Vec::new();
    for sheet in &sheets {
        let mut here = vec![Instrument::PERP];
        for days in [30, 60, 90] {
            let strikes: &[i64] = if days == 30 { &[PRICE, PRICE * 12 / 10] } else { &[] };
            let (expiry, _) = world.list_expiry(*sheet, days, 60, strikes).unwrap();
            here.push(world.instrument(sheet, InstrumentKind::Future, expiry, 0));
            for strike in strikes {
                for kind in [InstrumentKind::Call, InstrumentKind::Put] {
                    here.push(world.instrument(sheet, kind, expiry, *strike));
                }
            }
        }
        instruments.push(here);
    }

    let maker = world.funded("maker", 10_000_000 * DOLLAR, 0);
    let full = world.funded("full", 20_000 * DOLLAR, 10 * SOL);
    for mint in mints {
        let wallet = world.give_new(&full, mint, 10 * SOL);
        let key = pda::bank(&world.group, &mint);
        let bank = world.load(&key);
        let token_program = world.svm.get_account(&mint).unwrap().owner;
        let deposit =
            instruction::deposit(full.key(), full.margin_account, (key, &bank), wallet, token_program, 10 * SOL);
        world.send(&[deposit], &[&full.keypair]).unwrap();
    }
    let now = world.now();
    world.set_time(now + 1);
    world.set_price(PRICE).unwrap();
    world.send(&refresh, &[]).unwrap();

    // The accounts that everybody needs are in a table. Both margin accounts, their owners and the wallet are the traders' own.
    let (a, b) = (world.account(&full), world.account(&maker));
    let mut shared: Vec<Pubkey> =
        instruction::valuation_accounts(&[&a, &b], &[]).iter().map(|meta| meta.pubkey).collect();
    let withdraw = world.withdraw_instruction(&full, Token::Usdc, DOLLAR);
    let own = [full.key(), full.margin_account, full.usdc];
    let named = withdraw.accounts.iter().map(|meta| meta.pubkey).filter(|key| !own.contains(key));
    shared.extend(named.chain([world.price_update]));
    shared.sort();
    shared.dedup();
    let table = lookup_table(&mut world, shared);

    // Eight legs a transaction, long and short.
    let sides = [1, -1, 1, -1, -1, 1, 1, -1];
    for (sheet, instruments) in sheets.iter().zip(&instruments) {
        assert_eq!(instruments.len(), 8);
        let legs: Vec<PlacedLeg> = instruments
            .iter()
            .zip(sides)
            .map(|(instrument, side)| world.leg(*sheet, *instrument, side * SOL_LONG))
            .collect();
        let trade = world.trade_legs_instruction(&full, &maker, &legs);
        send(&mut world, &table, &[trade], &[&full, &maker]).unwrap();
        check_books(&world).unwrap();
    }
    let account = world.account(&full);
    let options = account.positions.iter().filter(|slot| slot.kind >= InstrumentKind::Call as u8).count();
    assert!(account.positions.iter().all(|slot| !slot.is_empty()) && options == 16);
    assert!(account.collateral.iter().all(|slot| !slot.is_empty()));
    assert_eq!(account.risk.iter().filter(|slot| !slot.is_empty()).count(), 4);
    let fresh = world.accounts().revalued(&full.margin_account, world.now()).unwrap();
    assert_eq!((account.equity, account.initial_margin), (fresh.equity, fresh.initial_margin));

    // A minute and a half later all prices are too old to trade. One transaction refreshes them, sells half of a perp, half of a
    // future and half of two options, one on each underlying, and withdraws a hundred dollars.
    world.set_time(world.now() + 90);
    let message = world.good_price(PRICE * 101 / 100);
    world.post(&message, RECEIVER);
    let half: Vec<PlacedLeg> = sheets
        .iter()
        .zip([0, 1, 2, 3])
        .map(|(sheet, which)| {
            let place = usize::try_from(which).unwrap();
            world.leg(*sheet, instruments[place][place], -sides[place] * SOL_LONG / 2)
        })
        .collect();
    let trade = world.trade_legs_instruction(&full, &maker, &half);
    let withdraw = world.withdraw_instruction(&full, Token::Usdc, 100 * DOLLAR);
    assert!(send(&mut world, &table, &[trade.clone(), withdraw.clone()], &[&full, &maker]).is_err(), "old prices");
    let mut all = refresh;
    all.extend([trade, withdraw]);
    let units = send(&mut world, &table, &all, &[&full, &maker]).unwrap();
    assert!(units < 1_400_000, "{units}");
    assert_eq!(world.tokens(&full.usdc), 100 * DOLLAR);
    check_books(&world).unwrap();
    let account = world.account(&full);
    for (place, sheet) in sheets.iter().enumerate() {
        let slot = account.positions[account.position_in(sheet, &instruments[place][place]).unwrap()];
        assert_eq!(slot.quantity, sides[place] * SOL_LONG / 2);
    }
    let fresh = world.accounts().revalued(&full.margin_account, world.now()).unwrap();
    assert_eq!((account.equity, account.initial_margin), (fresh.equity, fresh.initial_margin));
}
