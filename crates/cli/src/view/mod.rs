//! What the commands show: plain structs made from accounts alone, so that they can be tested without a network, printed as tables for
//! people or as JSON for programs. Every number comes from the shared engine; here they are only named and put in order.

pub mod account;
pub mod governance;
pub mod liquidation;
pub mod oracle;
pub mod positions;
pub mod risk;
pub mod solvency;

use crate::amount::Amount;
use comfy_table::{Cell, CellAlignment, Table, presets::UTF8_BORDERS_ONLY};
use margrave_risk::{Cell as GridCell, PriceMove, VolMove};
use serde::Serialize;

/// Something that can be shown.
pub trait View: Serialize {
    /// For people. `colour`: with terminal colours, which never say anything that the text does not.
    fn text(&self, colour: bool) -> String;
}

/// A table with a header; columns whose cells are numbers are to the right.
pub fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_BORDERS_ONLY).force_no_tty();
    if !header.is_empty() {
        table.set_header(header.to_vec());
    }
    table
}

/// A cell to the right.
pub fn number(text: impl ToString) -> Cell {
    Cell::new(text.to_string()).set_alignment(CellAlignment::Right)
}

/// An amount in two decimals, or a dash.
pub fn cents(amount: Option<Amount>) -> Cell {
    number(amount.map_or_else(|| "-".to_owned(), |amount| amount.grouped(2)))
}

/// Two columns: what, and how much.
pub fn facts(rows: &[(&str, String)]) -> String {
    let width = rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    rows.iter().map(|(name, value)| format!("{name:<width$}  {value}\n")).collect()
}

/// What a scenario does to price and volatility: `-2/3 R, vol down`; 31 is the charge for expiries moving apart.
pub fn cell_name(index: u8) -> String {
    if index == GridCell::BASIS.index() {
        return "expiries apart (basis)".to_owned();
    }
    let Ok(cell) = GridCell::new(index) else { return "none".to_owned() };
    format!("{}, {}", price_move_name(cell.price_move()), vol_move_name(cell.vol_move()))
}

/// `-2/3 R`, `+400 %`.
pub fn price_move_name(price_move: PriceMove) -> String {
    match price_move {
        PriceMove::Thirds(0) => "unchanged".to_owned(),
        PriceMove::Thirds(3) => "+R".to_owned(),
        PriceMove::Thirds(-3) => "-R".to_owned(),
        PriceMove::Thirds(thirds) => format!("{thirds:+}/3 R"),
        PriceMove::TailPercent(percent) => format!("{percent:+} %"),
    }
}

/// `vol up`.
pub fn vol_move_name(vol_move: VolMove) -> &'static str {
    match vol_move {
        VolMove::Down => "vol down",
        VolMove::Same => "vol same",
        VolMove::Up => "vol up",
        VolMove::Rotated => "skew rotated",
        VolMove::WingsLifted => "wings lifted",
    }
}
