//! Every instruction of which no other file here measures a small shape, in the world of `margrave_tests::rich`: one group, three
//! underlyings with one or two expiries, three banks. Where nothing else is said the account holds five positions on two underlyings
//! and two tokens.

use crate::{Measurement, Table};
use anyhow::{Context, Result};
use margrave_tests::rich::rich;

/// The instruction, what of, and its ceiling: about 3 %, or 100, above what was measured. A new instruction needs a line here, and one in
/// `tests/rich.rs`.
const EVERY: &[(&str, &str, u64)] = &[
    ("launch", "a group with one bank", 1_700),
    ("list_bank", "", 16_800),
    ("grow_underlying", "first of two", 9_700),
    ("list_underlying", "", 11_700),
    ("list_expiry", "with its surface", 119_300),
    ("list_strikes", "one", 6_500),
    ("close_expiry", "never traded", 3_800),
    ("set_surface", "one expiry", 124_200),
    ("register_venue", "", 10_000),
    ("queue_change", "", 8_900),
    ("execute_change", "a bank's terms", 6_800),
    ("cancel_change", "", 3_400),
    ("change_now", "a bank's terms", 5_300),
    ("pause", "a group", 2_300),
    ("collect_fees", "", 9_500),
    ("close_margin_account", "", 1_700),
    ("set_delegate", "", 1_800),
    ("grant_consent", "", 5_400),
    ("revoke_consent", "", 1_400),
    ("set_mode", "5 positions, 2 tokens", 15_700),
    ("transfer_collateral", "5 positions, 2 tokens", 21_800),
    ("cancel_quotes", "one", 1_700),
    ("accrue_interest", "", 2_300),
    ("update_depeg", "", 2_200),
    ("settle_expiry", "2 positions", 4_600),
    ("sweep_fees", "", 4_300),
    ("flag_account", "1 perp, 1 token", 8_300),
    ("prove_breach", "1 perp, 1 token", 7_300),
    ("liquidate_collateral", "1 perp, 2 tokens", 28_300),
    ("liquidate_slice", "both hold 1 perp, 2 tokens", 25_500),
    ("begin_bracket", "1 perp, 2 tokens", 11_800),
    ("end_bracket", "1 perp, 2 tokens", 19_700),
    ("cover_deficit", "no position left", 14_300),
    ("write_off_debt", "no position left", 13_400),
    ("nominate_candidate", "both hold 1 perp", 12_800),
    ("deleverage", "both hold 1 perp", 18_300),
    ("register_profit", "", 5_900),
    ("share_loss", "", 3_400),
    ("preview", "3 legs, 5 positions, 2 tokens", 33_400),
    ("explain", "5 positions, 2 tokens", 33_200),
    ("health_check", "5 positions, 2 tokens", 13_500),
    ("sequence_check", "", 800),
    ("solvency", "1 bank", 1_700),
];

pub fn measure(table: &mut Table) -> Result<()> {
    let mut rich = rich();
    let rows = std::mem::take(&mut rich.rows);
    for (name, what, ceiling) in EVERY {
        let row = rows.iter().find(|row| row.name == *name);
        let row = row.with_context(|| format!("tests/rich.rs has no row of {name}"))?;
        let (units, token_program) = rich.units(row)?;
        let shape = if what.is_empty() { (*name).to_owned() } else { format!("{name}, {what}") };
        table.0.push(Measurement { shape, units, token_program, ceiling: *ceiling });
    }
    Ok(())
}
