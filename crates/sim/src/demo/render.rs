//! The terminal.

use crate::{
    prices::Hour,
    scenario::{Liquidation, Summary},
};
use comfy_table::{Attribute, Cell as TableCell, CellAlignment, Color, Table, presets::UTF8_BORDERS_ONLY};
use margrave::state::MarginAccount;
use margrave_risk::{Cell, PriceMove, RiskArray, VolMove};
use margrave_sim::{
    Trader,
    text::{dollars, time},
};
use std::io::{IsTerminal, Write};

/// Standard output, or nothing when only the JSON summary is wanted.
pub struct Screen {
    silent: bool,
    colour: bool,
}

fn price(raw: i64) -> String {
    format!("{}.{:02}", raw / 10_000_000_000, raw % 10_000_000_000 / 100_000_000)
}

fn sol(lamports: i64) -> String {
    format!("{}.{:02}", lamports / 1_000_000_000, (lamports % 1_000_000_000 / 10_000_000).abs())
}

fn move_name(price_move: PriceMove) -> String {
    match price_move {
        PriceMove::Thirds(0) => "spot".to_owned(),
        PriceMove::Thirds(thirds) if thirds % 3 == 0 => format!("{}R", if thirds < 0 { "-" } else { "+" }),
        PriceMove::Thirds(thirds) => format!("{thirds:+}/3R"),
        PriceMove::TailPercent(percent) => format!("{percent:+}%"),
    }
}

impl Screen {
    pub fn new(silent: bool) -> Self {
        Self { silent, colour: std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none() }
    }

    fn line(&self, text: &str) {
        // A closed pipe, as with `| head`, is the reader's way of saying that this is enough.
        if !self.silent && writeln!(std::io::stdout(), "{text}").is_err() {
            std::process::exit(0);
        }
    }

    pub fn opening(&self, source: &str, first: &Hour, last: &Hour, hours: usize) {
        self.line(&format!(
            "Margrave demo: SOL from {} to {} UTC, {hours} hours ({source}).\n\n\
             hedged    holds 1,000 SOL and is short 1,000 SOL-PERP\n\
             unhedged  is long 1,000 SOL-PERP on a third of its value in USDC\n",
            time(first.unix_time),
            time(last.unix_time),
        ));
    }

    pub fn closing(&self) {
        self.line("\nAt the end:\n");
    }

    pub fn progress(&self, what: &str, trader: &Trader) {
        if self.silent {
            eprintln!("{what}: {}", trader.name);
        }
    }

    /// The risk array: price moves across, volatility down, the worst cell between brackets.
    pub fn heat_table(&self, trader: &Trader, account: &MarginAccount) {
        let Some(slot) = account.risk.iter().find(|slot| !slot.is_empty()) else {
            return self.line(&format!("{}: no risk left", trader.name));
        };
        let array = slot.array().expand();
        self.line(&format!(
            "{}: equity {}  initial {}  maintenance {}   (dollars; R = scan range; worst cell in brackets)",
            trader.name,
            dollars(account.equity),
            dollars(account.initial_margin),
            dollars(account.maintenance_margin)
        ));
        let mut table = self.table(&["volatility", "-R", "-2/3R", "-1/3R", "spot", "+1/3R", "+2/3R", "+R"]);
        for (vol, name) in [(VolMove::Down, "down"), (VolMove::Same, "same"), (VolMove::Up, "up")] {
            let cells = (0..21).filter_map(|index| Cell::new(index).ok()).filter(|cell| cell.vol_move() == vol);
            self.heat_row(&mut table, name, cells, &array, slot.worst_cell);
        }
        self.line(&table.to_string());
        let outer: Vec<Cell> = (21..31).filter_map(|index| Cell::new(index).ok()).collect();
        let names: Vec<String> = outer
            .iter()
            .map(|cell| match cell.vol_move() {
                VolMove::Rotated => "skew".to_owned(),
                VolMove::WingsLifted => "wings".to_owned(),
                _ => move_name(cell.price_move()),
            })
            .collect();
        let header: Vec<&str> = std::iter::once("edges, tails").chain(names.iter().map(String::as_str)).collect();
        let mut table = self.table(&header);
        self.heat_row(&mut table, "up", outer.into_iter(), &array, slot.worst_cell);
        self.line(&format!("{table}\n"));
    }

    fn heat_row(&self, table: &mut Table, name: &str, cells: impl Iterator<Item = Cell>, array: &RiskArray, worst: u8) {
        let widest = array.cells().iter().map(|v| v.abs().micros()).max().unwrap_or(1).max(1);
        let mut row = vec![TableCell::new(name)];
        for cell in cells {
            let value = array.cells()[usize::from(cell.index())].micros();
            let text = dollars(value);
            let is_worst = cell.index() == worst && value < 0;
            let mut entry = TableCell::new(if is_worst { format!("[{text}]") } else { text });
            if self.colour && value.abs() > widest / 10 {
                entry = entry.fg(if value < 0 { Color::Red } else { Color::Green });
            }
            if self.colour && is_worst {
                entry = entry.add_attribute(Attribute::Reverse);
            }
            row.push(entry.set_alignment(CellAlignment::Right));
        }
        table.add_row(row);
    }

    fn table(&self, header: &[&str]) -> Table {
        let mut table = Table::new();
        table.load_style(UTF8_BORDERS_ONLY).set_header(header);
        for column in table.column_iter_mut().skip(1) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        if self.colour {
            table.enforce_styling();
        }
        table
    }

    pub fn hours_header(&self) {
        self.line("                              |        hedged              |       unhedged");
        self.line("hour (UTC)               SOL  |  equity  initial   maint.  |  equity  initial   maint.");
    }

    pub fn hour(&self, hour: &Hour, hedged: &MarginAccount, unhedged: &MarginAccount, events: &[Liquidation]) {
        let numbers = |account: &MarginAccount| {
            format!(
                "{:>7}  {:>7}  {:>7}",
                dollars(account.equity),
                dollars(account.initial_margin),
                dollars(account.maintenance_margin)
            )
        };
        self.line(&format!(
            "{}  {:>10}  | {}  | {}",
            time(hour.unix_time),
            price(hour.price),
            numbers(hedged),
            numbers(unhedged)
        ));
        for event in events {
            self.line(&format!(
                "   -> keeper takes over {} SOL-PERP of {} for a fee of ${}; its health goes from ${} to ${}",
                sol(event.quantity),
                event.account,
                dollars(event.fee),
                dollars(event.health_before),
                dollars(event.health_after)
            ));
        }
    }

    pub fn summary(&self, summary: &Summary) {
        let mut table =
            self.table(&["account", "equity $", "initial $", "maint. $", "SOL-PERP", "status", "liquidated"]);
        for (name, standing) in &summary.accounts {
            table.add_row([
                name.clone(),
                dollars(standing.equity),
                dollars(standing.initial_margin),
                dollars(standing.maintenance_margin),
                sol(standing.position),
                standing.status.clone(),
                if standing.liquidated { "yes" } else { "no" }.to_owned(),
            ]);
        }
        self.line(&format!("{table}\n"));
        let mut table = self.table(&["instruction", "calls", "compute units, min", "max"]);
        for (name, range) in &summary.compute_units {
            table.add_row([name.clone(), range.calls.to_string(), range.min.to_string(), range.max.to_string()]);
        }
        self.line(&format!("{table}\n"));
        let books = &summary.conservation.books;
        self.line(&format!(
            "Books: positions sum to {}, payments and fees sum to {}, every vault covers its depositors.\n\
             Program: {} bytes, SHA-256 {}",
            books.net_position, books.net_quote, summary.program.bytes, summary.program.sha256
        ));
    }
}
