//! docs/backtest.md.

use crate::{
    Outcome, Period, WARM_UP_DAYS,
    coverage::{Coverage, Line},
    market::{COLLATERAL_CAP, Path, Role},
    population::STYLES,
    tally::Tally,
};
use margrave_sim::{
    prices::Hour,
    terms::group_terms,
    text::{dollars, time},
};
use std::fmt::Write;

/// What was run and what the words mean.
pub fn head(accounts: usize, seed: u64) -> String {
    let styles: Vec<&str> = STYLES.iter().map(|style| style.name).collect();
    format!(
        "# Back-test: real prices through the compiled program

Written by `./dev backtest --write` ({accounts} accounts in each period, seed {seed}) from hourly closes in files
named as `SOLUSDT_1h.csv` (`--prices DIR`), which are not part of this repository. The same files give the same page.

**The system** is the compiled program in LiteSVM, driven through `crates/client`: real deposits, trades, loans,
liquidations, deleveraging, insurance and loss sharing. `check_books` (I-01, I-02, I-03, I-06) runs over every account
after every hour.

**The control** is plain linear haircuts, computed natively by the same command on the same prices and option marks:
every position and deposit asks for 4/3 of the floor of its coin's scan range and 2 % (0.8 of the range in
maintenance), a deposit its haircut as well, a short option as much as a future, a long one at most its value. That is
what the engine asks for an unhedged perp on a calm day. Nothing offsets and nothing adapts. Positions of an account
below maintenance are closed at the mark, the largest first, for the same fee and down to the same end; a fifth of the
fees goes to insurance, which begins with the same amount; no deleveraging, what insurance cannot pay is shared.

**Accounts** hold, against one rich maker: {}. Sizes are 20,000 to 400,000 dollars. In each system an account posts
105 to 250 % of the initial margin that this system asks for, so that both are used at the same leverage of what they
allow; the system with less margin stands on less collateral. Standard terms of docs/parameters.md, but for the floors
of the scan range (SOL 18 %, BTC 12 %, ETH 14 %, up to three times that) and a kappa of 0.5 between the three. The
scan range has seen the {WARM_UP_DAYS} days before. Insurance begins with what the fees of the opening trades have
paid into it and nothing else.

**The keeper** acts at each close and never between: prices gap by an hour. It flags who is below maintenance margin,
waits two minutes at the same prices, until its fee has fully grown, and takes the steps with the highest fee (a
position, two of one underlying, then collateral, then a slice) until the program allows no more. What is left of
bankrupt accounts goes down the waterfall in the same hour. *Absent* is the same keeper once a day, leaving the
positions of bankrupt accounts to be deleveraged: what happens if nobody is there.

What this leaves out: the spread and depth of a market (positions change hands at the mark, and what the keeper makes
of what it took over is not counted), traders who act, funding away from zero, failing transactions, the basis (a
future is marked at the spot price, so that an account long a perp and short a future asks for little and loses
nothing), and smiles: options are marked at the flat volatility that the scan range stands for.
",
        styles.join("; ")
    )
}

/// A period's prices and its table.
pub fn period(period: &Period, path: &Path, outcome: &Outcome) -> String {
    let mut text = format!("\n## {}\n\n{} to {}, UTC.", period.title, period.days[0], period.days[1]);
    for (index, coin) in path.coins.iter().enumerate() {
        let prices: Vec<i64> = path.hours[path.begin..].iter().filter_map(|row| row.prices[index]).collect();
        let (Some(first), Some(last)) = (prices.first(), prices.last()) else { continue };
        let lowest = prices.iter().min().unwrap_or(first);
        let _ = write!(
            text,
            " {} (`{}`) {}, lowest {}, at the end {}.",
            coin.symbol,
            coin.file(),
            price(*first),
            price(*lowest),
            price(*last)
        );
        if coin.role == Role::Peg {
            let hours = path.hours.len() - path.begin;
            let missing = (i64::from(group_terms().peg_threshold_ppm) * 10_000 - lowest).max(0);
            let surcharge = missing * i64::from(group_terms().peg_factor_ppm) / 10_000_000_000 / 10_000;
            let _ = write!(
                text,
                " The file has a price in {} of {hours} hours; without one nothing is known of the peg. \
                 The surcharge on initial margin reached {surcharge} % of the scan; it stops new risk and liquidates nobody. \
                 The engine counts the quote token at par throughout.",
                prices.len()
            );
        }
        if coin.role == Role::Collateral {
            let bank = coin.bank_terms();
            let _ = write!(
                text,
                " Every third account wants to post {} worth 30 % of its size; its deposit cap is {} dollars, \
                 so {} deposits were refused. Haircut {} % and {} %, scan range {} % up to {} %, \
                 the most that leaves room for the haircut.",
                coin.symbol,
                dollars(COLLATERAL_CAP * 1_000_000),
                outcome.refused_deposits,
                bank.haircut_maintenance_ppm / 10_000,
                bank.haircut_initial_ppm / 10_000,
                coin.range_ppm / 10_000,
                coin.range_max_ppm / 10_000
            );
        }
    }
    let [portfolio, absent] = &outcome.portfolio;
    let [control, absent_control] = &outcome.control;
    let part = i128::from(portfolio.initial_margin) * 100 / i128::from(control.initial_margin.max(1));
    let _ = write!(
        text,
        "\n\nThe system asks for {part} % of the control's initial margin; what {} of the {} accounts posted would not open \
         the same positions in the control.\n\n\
         | dollars | system | control | system, keeper absent | control, keeper absent |\n|---|---:|---:|---:|---:|\n",
        outcome.could_not_open, portfolio.accounts
    );
    let all = [portfolio, control, absent, absent_control];
    let mut row = |name: &str, cell: &dyn Fn(&Tally) -> String| {
        let cells: Vec<String> = all.iter().map(|tally| cell(tally)).collect();
        let _ = writeln!(text, "| {name} | {} |", cells.join(" | "));
    };
    row("initial margin at the start", &|tally| dollars(tally.initial_margin));
    row("equity at the start", &|tally| dollars(tally.equity));
    row("insurance at the start", &|tally| dollars(i64::try_from(tally.insured).unwrap_or(i64::MAX)));
    row("accounts liquidated", &|tally| tally.liquidated.len().to_string());
    row("positions taken over or closed", &|tally| dollars(tally.taken_over));
    row("liquidation fees, discounts and bonuses", &|tally| dollars(tally.fees));
    row("accounts bankrupt", &|tally| tally.bankrupt.len().to_string());
    row("bad debt", &|tally| dollars(tally.bad_debt));
    row("... paid by insurance", &|tally| dollars(tally.insurance));
    row("... borne in deleveraging", &|tally| dollars(tally.conceded));
    row("... shared by profit or depositors", &|tally| dollars(tally.shared + tally.lent));
    row("still owed at the end", &|tally| dollars(tally.open));
    row("deleveraged, at the mark", &|tally| dollars(tally.deleveraged));
    row("worst hour", &|tally| {
        let of = |worst: &crate::tally::Worst| {
            format!("{}: {} newly liquidated, bad debt {}", worst.time, worst.liquidated, dollars(worst.bad_debt))
        };
        tally.worst.as_ref().map_or("none".to_owned(), of)
    });
    row("hours in which the books summed up", &|tally| {
        if tally.conserved == 0 { "no books".to_owned() } else { format!("{} of {}", tally.conserved, tally.hours) }
    });
    for tally in [portfolio, absent] {
        for (error, times) in &tally.refusals {
            let _ = write!(text, "\nThe program refused {times} of the keeper's steps with `{error}`.");
        }
        if let Some(broken) = &tally.first_break {
            let _ = write!(text, "\nThe books first failed at {broken}.");
        }
    }
    text
}

/// Initial margin by style: where the difference comes from.
pub fn margins(outcome: &Outcome) -> String {
    let mut text = "\nInitial margin at the start by what the accounts hold, the same positions in both:\n\n\
                    | accounts | | system | control |\n|---|---:|---:|---:|\n"
        .to_owned();
    for style in &STYLES {
        let of_style: Vec<_> = outcome.margins.iter().filter(|(name, _)| *name == style.name).collect();
        let sum = |system: usize| dollars(of_style.iter().map(|(_, margins)| margins[system]).sum());
        let _ = writeln!(text, "| {} | {} | {} | {} |", style.name, of_style.len(), sum(0), sum(1));
    }
    text
}

/// 10^-10 dollars: cents, and below a dollar five decimals.
fn price(raw: i64) -> String {
    if raw >= 10_000_000_000 {
        format!("{}.{:02}", raw / 10_000_000_000, raw % 10_000_000_000 / 100_000_000)
    } else {
        format!("0.{:05}", raw / 100_000)
    }
}

pub fn coverage(coverage: &Coverage, hours: &[Hour]) -> String {
    let day = |at: Option<&Hour>| at.map_or_else(String::new, |hour| time(hour.unix_time)[..10].to_owned());
    let mut text = format!(
        "
## Does initial margin cover a day? (F-17)

Natively with `crates/risk`, over every midnight-to-midnight day from {} to {} on which the files have both prices:
the loss of a book opened at initial margin and left alone for a day, against that margin. Scan ranges follow the
hourly closes as on chain. The goal is 99.5 % of account-days, 99 % on every asset, over all history; the files lack
the days of 2020-03-12 and 2025-10-10. A day counts by its end, not by its worst hour. LR is Kupiec's likelihood ratio
against a rate of 0.5 %; above 3.84 the rate is another one at 5 %: *lower* is too careful, *higher* fails. Days of
one line do not overlap, but books of one day move together, so the ratio of a line of several coins overstates what
is known. Options are valued at the flat volatility the scan range stands for, which moves with it.

Perps of one coin. LUNA and FTT would be listed at 30 % to 57 %; both files continue with what traded under the name later.

",
        day(hours.first()),
        day(hours.last()),
    );
    table(&mut text, &coverage.by_coin.iter().collect::<Vec<_>>());
    text += "\nKinds of books, each on SOL, BTC and ETH. Futures are left out: their basis is not in the files.\n\n";
    table(&mut text, &coverage.by_style.iter().chain([&coverage.all]).collect::<Vec<_>>());
    if let Some(least) = coverage.by_coin.iter().chain(&coverage.by_style).min_by_key(|line| line.covered()) {
        let _ = writeln!(
            text,
            "\nTogether {} of account-days are covered; the least covered line is {} with {}.",
            percent(&coverage.all),
            least.name,
            percent(least)
        );
    }
    text
}

fn percent(line: &Line) -> String {
    format!("{}.{:02} %", line.covered() / 100, line.covered() % 100)
}

fn table(text: &mut String, lines: &[&Line]) {
    *text += "| book | account-days | loss above initial margin | covered | LR | rate | largest loss, of initial margin |\n\
              |---|---:|---:|---:|---:|---|---:|\n";
    for line in lines {
        let verdict = match (line.kupiec() > 3.84, line.exceeded * 200 > line.days) {
            (false, _) => "as wanted",
            (true, false) => "lower",
            (true, true) => "higher",
        };
        let (most, day) = line.worst.unwrap_or_default();
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {:.2} | {verdict} | {most} % ({}) |",
            line.name,
            line.days,
            line.exceeded,
            percent(line),
            line.kupiec(),
            &time(day)[..10]
        );
    }
}
