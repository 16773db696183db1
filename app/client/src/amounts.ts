/**
 * Amounts are integers of a smallest unit. Nothing here passes through a floating point number.
 */

/** Decimals of what the program counts in. A token's or an underlying's own are in its account. */
export const DOLLAR_DECIMALS = 6;
export const PRICE_DECIMALS = 10;
export const PPM_DECIMALS = 6;

/** What happens to digits there is no room for. `down` is toward minus infinity, `up` toward plus infinity: of money that is owed
 * and owned alike, `down` never shows more than there is. `nearest` takes a half away from zero. */
export type Rounding = "exact" | "down" | "up" | "nearest";

/** `parseAmount("1.5", 6)` is `1500000n`. Digits beyond the last are refused unless a rounding is named. */
export function parseAmount(text: string, decimals: number, rounding: Rounding = "exact"): bigint {
  const match = /^([+-]?)(\d*)(?:\.(\d*))?$/.exec(text.trim());
  const [, sign = "", whole = "", fraction = ""] = match ?? [];
  if (!match || whole + fraction === "") throw new RangeError(`'${text}' is not a decimal number`);
  const digits = BigInt(whole + fraction) * (sign === "-" ? -1n : 1n);
  const excess = fraction.length - decimals;
  if (excess <= 0) return digits * 10n ** BigInt(-excess);
  const rounded = divide(digits, 10n ** BigInt(excess), rounding);
  if (rounded === undefined) throw new RangeError(`'${text}' has more than ${decimals} decimals`);
  return rounded;
}

/** `formatAmount(1500000n, 6)` is `"1.5"`. With `digits`, as many decimals as that and no fewer: `"1.50"`. */
export function formatAmount(
  amount: bigint,
  decimals: number,
  { digits, rounding = "down" }: { digits?: number; rounding?: Exclude<Rounding, "exact"> } = {},
): string {
  const kept = Math.min(digits ?? decimals, decimals);
  const shown = divide(amount, 10n ** BigInt(decimals - kept), rounding) ?? amount;
  const text = (shown < 0n ? -shown : shown).toString().padStart(kept + 1, "0");
  const whole = text.slice(0, text.length - kept);
  let fraction = text.slice(text.length - kept);
  fraction = digits === undefined ? fraction.replace(/0+$/, "") : fraction.padEnd(digits, "0");
  return `${shown < 0n ? "-" : ""}${whole}${fraction === "" ? "" : `.${fraction}`}`;
}

/** The quotient; undefined when it is not exact and must be. */
function divide(value: bigint, by: bigint, rounding: Rounding): bigint | undefined {
  const cut = value / by;
  const rest = value % by;
  if (rest === 0n) return cut;
  const away = value < 0n ? cut - 1n : cut + 1n;
  switch (rounding) {
    case "exact":
      return undefined;
    case "down":
      return value < 0n ? away : cut;
    case "up":
      return value < 0n ? cut : away;
    case "nearest":
      return 2n * (rest < 0n ? -rest : rest) >= by ? away : cut;
  }
}
