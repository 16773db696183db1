// Changes one formula of the margin engine at a time and checks that a law notices.
//
//   node tests/mutants/engine.mjs [TEXT]     only mutants whose name, file or law contains TEXT
//
// Each mutant is a text of crates/risk/src that must be there exactly once, what replaces it, and the law of
// crates/risk/tests/laws.rs that must fail. It is applied in a copy of the sources, never here, and all tests of the crate run.
// CAUGHT: the law fails. CAUGHT BY OTHERS: only other tests do, so the law is weaker than it reads. SURVIVED: nothing fails.
// NOT FOUND: the source has changed; write the mutant anew. 20 seconds each.
//
// Environment: MARGRAVE_CASES (20,000), MUTANTS_WORK (a folder below the system's temporary one).
import { spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const work = process.env.MUTANTS_WORK ?? join(tmpdir(), "margrave-engine-mutants");
const filter = process.argv[2] ?? "";

/** name, file, text, replacement, law */
const MUTANTS = [
  // The grid and the arrays.
  ["core nodes at two thirds only", "grid.rs", "moves[UNCHANGED_NODE - thirds] = size.opposite();", "moves[UNCHANGED_NODE - thirds / 2 * 2] = size.opposite();",
    "between_the_nodes_a_book_loses_little_more_than_in_its_worst_cell"],
  ["stored arrays round to gain", "array.rs", "low_i16(result.micros() >> exponent)", "low_i16(-(-result.micros() >> exponent))",
    "margin_from_stored_arrays_is_never_below_the_exact_one"],

  // The book.
  ["a group's W is its last member's", "book.rs", "self.open.apart.add(apart);", "self.open.apart = apart;",
    "the_order_of_everything_changes_no_number"],
  ["a debt counts as collateral", "portfolio.rs", "book.add_debt(value.abs(), *haircuts);", "book.add_collateral(value.abs(), *haircuts);",
    "more_cash_or_collateral_never_lowers_health"],
  ["own collateral is in the array twice", "portfolio.rs", "exposure.add_collateral(collateral.value);", "exposure.add_collateral(collateral.value + collateral.value);",
    "collateral_in_an_own_asset_raises_health_by_what_its_risk_leaves"],
  ["a haircut lightens a debt", "book.rs", "self.equity -= value + surcharge;", "self.equity -= value - surcharge;",
    "larger_haircuts_never_raise_health"],
  ["confidence is charged to maintenance", "book.rs", "self.charges.confidence += exposure.gross", "self.charges.delta += exposure.gross",
    "a_wider_confidence_never_raises_health_and_never_touches_maintenance"],
  ["the gap is charged to the other side", "book.rs", "exposure.net.is_negative() == (market.stable_gap", "exposure.net.is_negative() != (market.stable_gap",
    "a_price_ahead_of_its_slower_one_is_charged_to_the_side_it_flatters"],
  ["the size charge is on the depth", "book.rs", "gross.mul_up(multiple.times_up(self.slope)", "self.depth.mul_up(multiple.times_up(self.slope)",
    "margin_grows_at_least_with_size"],
  ["kappa adds", "book.rs", "let full = apart - (apart", "let full = apart + (apart",
    "correlation_only_lowers_the_scan_and_never_below_the_common_cell"],
  ["the ramp is ignored", "book.rs", "scan.maintenance.mul_up(part)", "scan.full.mul_up(part)",
    "the_three_margins_are_in_order_and_nothing_is_negative"],
  ["the liquidation end is the greater", "book.rs", "liquidation_end: initial_margin.min(", "liquidation_end: initial_margin.max(",
    "the_three_margins_are_in_order_and_nothing_is_negative"],
  ["the basis charge competes by being less", "book.rs", "&& -dated.basis < result", "&& -dated.basis > result",
    "the_worst_cell_reproduces_its_loss"],

  // Modes.
  ["relief in cross mode, none in portfolio mode", "portfolio.rs", "let relief = self.mode.option_relief();", "let relief = !self.mode.option_relief();",
    "the_less_offsets_the_more_margin"],
  ["an isolated account owns elsewhere and owes nothing", "portfolio.rs", "shares || collateral.value.is_negative()", "shares || !collateral.value.is_negative()",
    "an_isolated_account_owes_its_debts_and_owns_nothing_elsewhere"],

  // An underlying apart.
  ["members of the group first", "portfolio.rs", "for members in [false, true]", "for members in [true, false]",
    "an_account_split_is_worth_the_whole"],
  ["the size that helps least", "liquidation.rs", "if left.1 < right.1 {", "if left.1 > right.1 {",
    "a_takeover_reaches_the_liquidation_end_or_helps_most"],

  // Expiries.
  ["two thirds are none", "expiry.rs", "u8::try_from(thirds & 3)", "u8::try_from(thirds & 1)", "what_is_stored_is_read_back"],
  ["all moves when all is observed", "expiry.rs", "let unobserved = if years >= WINDOW {", "let unobserved = if years < WINDOW {",
    "nothing_moves_at_expiry"],
  ["time value factors swapped", "dated.rs", "if time_value < 0 { short_factor }", "if time_value >= 0 { short_factor }",
    "merging_accounts_needs_no_more_margin"],
  ["long gains count and losses do not", "dated.rs", "if LONG { result.min(Usd::ZERO) }", "if LONG { result.max(Usd::ZERO) }",
    "merging_cross_accounts_needs_no_more_margin"],
  ["the better turn of the smile", "dated.rs", "shaved(*one).min(shaved(*other))", "shaved(*one).max(shaved(*other))",
    "a_hedge_saves_no_more_than_it_gains_in_its_worst_scenario"],
  ["futures do not move", "dated.rs", "risk.futures += moving;", "risk.futures += moving - moving;",
    "put_call_parity_cancels_in_every_cell"],
  ["calls pay half", "sheet.rs", "calls.times_down(moved.wrapping_sub(view.k))", "calls.times_down(moved.wrapping_sub(view.k) >> 1)",
    "a_box_is_flat_in_every_cell"],
  ["the floor of volatility rises away from the money", "sheet.rs", "expiry.vol_up).max(expiry.floor)", "expiry.vol_up).max(expiry.floor + (log.abs() >> 1))",
    "no_cell_charges_a_spread_more_than_its_maximum_loss"],
  ["short time value counts twice", "dated.rs", "(self.terms.short_factor, self.terms.long_factor)", "(self.terms.short_factor.doubled(), self.terms.long_factor)",
    "no_cell_charges_a_spread_more_than_its_maximum_loss_and_a_part_of_its_width"],
  ["the basis charge counts twice", "dated.rs", "risk.basis += basis.mul_up(expiry.basis);", "risk.basis += (basis + basis).mul_up(expiry.basis);",
    "the_scan_of_a_spread_is_at_most_its_maximum_loss"],
  ["long options pay the delta charge", "dated.rs", "Usd::ZERO.max(lowest).min(highest)", "highest",
    "long_options_need_at_most_their_value"],
  ["volatility falls where it rises", "sheet.rs", "shocked(sd, expiry.vol_up)", "shocked(sd, expiry.vol_down)",
    "nothing_is_lost_between_the_nodes_by_linear_items_and_short_options"],

  // Expected shortfall.
  ["the best cells, not the worst", "shortfall.rs", ".min_by_key(", ".max_by_key(",
    "expected_shortfall_is_between_nothing_and_the_worst_cell"],

  // Black (1976).
  ["a put pays from half the forward", "black76.rs", "OptionKind::Put => strike - forward,", "OptionKind::Put => strike - forward / 2,",
    "a_call_less_a_put_is_the_forward_less_the_strike"],
  ["a volatility loses four bits", "black76.rs", "(vol & 0xffff)", "(vol & 0x0fff)",
    "a_value_grows_with_volatility_and_falls_with_the_strike"],
  ["half of a put's delta", "black76.rs", "OptionKind::Put => 1i128 << 32,", "OptionKind::Put => 1i128 << 31,",
    "a_value_and_a_delta_keep_within_their_bounds"],
  ["time never runs out", "units.rs", "<< (60 - Self::BITS)).cast_signed()", "<< (60 - Self::BITS)).cast_signed() + (1 << 20)",
    "a_value_is_continuous_at_expiry"],
  ["the search turns the wrong way", "black76.rs", "(self.time_value(middle) as i128) < target", "(self.time_value(middle) as i128) > target",
    "an_implied_volatility_prices_its_option_back"],

  // Smiles.
  ["one point without a butterfly will do", "smile.rs", "Log::from_bits(k).ok()).all(", "Log::from_bits(k).ok()).any(",
    "the_density_check_refuses_vogts_slice_and_accepts_the_repaired_ones"],
  ["wings flat beyond 5", "smile.rs", "const FLAT_BEYOND: i64 = 4 << BITS;", "const FLAT_BEYOND: i64 = 5 << BITS;",
    "a_smile_is_positive_flat_in_the_wings_and_above_what_it_was_lifted_from"],
  ["variance may fall with time", "smile.rs", "self.variance(k) >= earlier.variance(k)", "self.variance(k) <= earlier.variance(k)",
    "the_calendar_check_tells_above_from_below"],

  // Functions.
  ["a coefficient of the exponential", "math.rs", "wrapping_mul(715_827_883)", "wrapping_mul(715_000_000)",
    "the_exponential_of_a_logarithm_is_the_number"],
  ["half of the table of logarithms", "math.rs", "LOG[low_bits::<7>(m >> 40)]", "LOG[low_bits::<6>(m >> 40)]",
    "functions_are_monotone_within_their_error"],
  ["the distribution ends at 5", "math.rs", "const CDF_ABOVE: i64 = 8 << 30;", "const CDF_ABOVE: i64 = 5 << 30;",
    "the_normal_distribution_is_symmetric_and_right"],
  ["a root rounded up", "math.rs", "low_u64(n.isqrt())", "low_u64(n.isqrt()).saturating_add(1)",
    "roots_and_powers_are_exact"],

  // Ranges.
  ["a range falls by 6 % a day", "range.rs", "FALL_PER_DAY_PERCENT: i64 = 5;", "FALL_PER_DAY_PERCENT: i64 = 6;",
    "a_range_rises_at_once_and_falls_slowly"],
  ["a ramp grows by 11 % an hour", "range.rs", "RISE_PER_HOUR_PERCENT: i64 = 10;", "RISE_PER_HOUR_PERCENT: i64 = 11;",
    "a_risen_range_reaches_maintenance_slowly"],
  ["prices within the interval count", "range.rs", "if elapsed < terms.interval_secs.max(1)", "if elapsed < terms.interval_secs.clamp(1, 1)",
    "an_estimate_is_bounded_and_ignores_what_is_too_close"],
  ["the estimate forgets half", "range.rs", "let keep = i128::from(keep);", "let keep = i128::from(keep) / 2;",
    "an_estimate_is_additive_in_time"],

  // Corners.
  ["a ratio of nothing", "units.rs", "denominator <= 0", "denominator < 0", "no_corner_of_a_number_panics"],
  ["a discount of nothing", "black76.rs", "self.discount.bits() <= 0", "self.discount.bits() < 0", "no_corner_of_an_option_panics"],
  ["a smile at expiry", "smile.rs", "if years.bits() == 0 {", "if years.bits() == 1 {", "no_corner_of_a_smile_or_a_range_panics"],
  ["calls and puts without end", "dated.rs", "strike.calls.checked_add(strike.puts)?", "Quantity::new(strike.calls.atoms() + strike.puts.atoms())",
    "no_corner_of_a_portfolio_panics"],
].map(([name, file, text, by, law]) => ({ name, file, text, by, law }));

const sources = join(root, "crates/risk/src");
const laws = readFileSync(join(root, "crates/risk/tests/laws.rs"), "utf8");
const named = [...laws.matchAll(/#\[test\]\s*fn (\w+)/g)].map((match) => match[1]);

/** What stands where a mutant's text is looked for: code, without its unit tests. White space counts as one blank. */
function occurrences({ file, text }) {
  const code = readFileSync(join(sources, file), "utf8").split("#[cfg(test)]")[0];
  const pattern = text.split(/\s+/).map((word) => word.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")).join("\\s+");
  return { code, found: [...code.matchAll(new RegExp(pattern, "g"))] };
}

const problems = [];
for (const mutant of MUTANTS) {
  const { found } = occurrences(mutant);
  if (found.length !== 1) problems.push(`NOT FOUND  ${mutant.name}: ${found.length} times in ${mutant.file}: ${mutant.text}`);
  if (!named.includes(mutant.law)) problems.push(`NO SUCH LAW  ${mutant.name}: ${mutant.law}`);
}
for (const law of named.filter((law) => !MUTANTS.some((mutant) => mutant.law === law))) problems.push(`NO MUTANT  ${law}`);

const chosen = MUTANTS.filter((mutant) => `${mutant.name} ${mutant.file} ${mutant.law}`.includes(filter));
console.log(`${chosen.length} of ${MUTANTS.length} mutants, ${named.length} laws`);
for (const problem of problems) console.log(problem);

const copy = join(work, "src");
rmSync(copy, { recursive: true, force: true });
mkdirSync(copy, { recursive: true });
for (const part of ["Cargo.toml", "Cargo.lock", "rust-toolchain.toml", "programs", "crates", "tests", "toolchain"]) {
  if (existsSync(join(root, part))) cpSync(join(root, part), join(copy, part), { recursive: true, filter: (path) => !/^(target|node_modules)$/.test(basename(path)) });
}
const env = { ...process.env, CARGO_TARGET_DIR: join(work, "target"), MARGRAVE_CASES: process.env.MARGRAVE_CASES ?? "20000" };

function run(...args) {
  const all = ["test", "-p", "margrave-risk", "--lib", "--tests", ...args];
  return spawnSync("cargo", all, { cwd: copy, env, encoding: "utf8", maxBuffer: 1 << 28 });
}

const clean = run("--no-fail-fast");
if (clean.status !== 0) {
  console.log(`The tests fail without any mutant:\n${clean.stdout.slice(-3000)}\n${clean.stderr.slice(-3000)}`);
  process.exit(1);
}

const survivors = [];
for (const [index, mutant] of chosen.entries()) {
  const label = `${index + 1}/${chosen.length} ${mutant.name} (${mutant.file}): ${mutant.law}`;
  const { code, found } = occurrences(mutant);
  if (found.length !== 1) {
    console.log(`NOT FOUND         ${label}`);
    continue;
  }
  const path = join(copy, "crates/risk/src", mutant.file);
  const whole = readFileSync(join(sources, mutant.file), "utf8");
  writeFileSync(path, code.slice(0, found[0].index) + mutant.by + whole.slice(found[0].index + found[0][0].length));
  const built = run("--no-run");
  const tested = built.status === 0 ? run("--no-fail-fast") : built;
  writeFileSync(path, whole);
  if (built.status !== 0) {
    problems.push(`DOES NOT COMPILE  ${label}`);
    console.log(`DOES NOT COMPILE  ${label}\n${built.stderr.slice(0, 600)}`);
    continue;
  }
  const failed = [...new Set([...tested.stdout.matchAll(/^test (\S+) \.\.\. FAILED$/gm)].map((match) => match[1]))];
  const verdict = failed.includes(mutant.law) ? "CAUGHT" : tested.status !== 0 ? "CAUGHT BY OTHERS" : "SURVIVED";
  const others = failed.filter((test) => test !== mutant.law);
  console.log(`${verdict.padEnd(18)}${label}${others.length > 0 ? `  [${others.length} more${verdict === "CAUGHT" ? "" : `: ${others.join(", ")}`}]` : ""}`);
  if (verdict !== "CAUGHT") survivors.push(`${verdict}  ${label}`);
}
console.log(`\n${chosen.length - survivors.length} of ${chosen.length} caught by their law`);
for (const line of [...survivors, ...problems]) console.log(line);
process.exit(survivors.length + problems.length > 0 ? 1 : 0);
