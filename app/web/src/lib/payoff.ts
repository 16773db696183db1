/** Profit and loss over prices of one underlying: every value in it is the engine's, here they are only added up. */
import type { EngineClient, MarginAccount, MarketMove, Supposition } from "@margrave/client";
import type { Address } from "@solana/kit";
import { CURVE_PERCENT, type Market } from "./desk";

/** Changes from now on, micro-dollars, at ascending prices; undefined where the engine cannot value a position. */
export type Payoff = {
  /** The price that gains and losses count from. */
  from: bigint;
  prices: bigint[];
  now: (bigint | undefined)[];
  later: (bigint | undefined)[];
};

type Trade = NonNullable<Supposition["legs"]>;

/**
 * What all positions in an underlying gain from now on, at once and after `seconds`. `held` is the account as it is, or with
 * `trade` made at its own prices; all underlyings of the account let the time pass.
 */
export async function payoffOf(
  engine: Pick<EngineClient, "positions" | "revalue">,
  account: { address: Address; data: MarginAccount },
  market: Market,
  others: readonly Market[],
  now: bigint,
  seconds: bigint,
  trade: Trade = [],
): Promise<Payoff> {
  const held = await engine.revalue(account.address, now, { now, legs: trade });
  const mine = held.positions
    .filter(slot => slot.kind !== 0)
    .map(slot => held.risk[slot.riskSlot]!.underlying === market.underlying);
  const valueAt = async (price: bigint, after: bigint): Promise<bigint | undefined> => {
    const moves = [{ ...market, price }, ...others].map((each): MarketMove => ({ ...each, volatilityPpm: 0n, seconds: after }));
    try {
      const reports = await engine.positions(account.address, now + after, { now, legs: trade, moves });
      return reports.reduce((sum, report, index) => (mine[index] ? sum + report.value : sum), 0n);
    } catch (error) {
      if (error instanceof Error && error.name === "EngineRefusal") return undefined;
      throw error;
    }
  };
  const prices = CURVE_PERCENT.map(percent => (market.price * BigInt(percent)) / 100n);
  const start = await valueAt(market.price, 0n);
  const change = async (price: bigint, after: bigint) => {
    const value = await valueAt(price, after);
    return value === undefined || start === undefined ? undefined : value - start;
  };
  const [at, later] = await Promise.all([0n, seconds].map(after => Promise.all(prices.map(price => change(price, after)))));
  return { from: market.price, prices, now: at!, later: later! };
}

/** What a trade adds to a portfolio. */
export function difference(whole: Payoff, without: Payoff): Payoff {
  const less = (a: (bigint | undefined)[], b: (bigint | undefined)[]) =>
    a.map((value, index) => (value === undefined || b[index] === undefined ? undefined : value - b[index]));
  return { ...whole, now: less(whole.now, without.now), later: less(whole.later, without.later) };
}

/** Prices between which a line crosses zero: on the straight line between two points, rounded down. */
export function breakEvens(prices: readonly bigint[], values: readonly (bigint | undefined)[]): bigint[] {
  return prices.flatMap((price, index) => {
    const [before, after] = [values[index - 1], values[index]];
    if (before === undefined || after === undefined || before < 0n === after < 0n) return [];
    const from = prices[index - 1]!;
    return [from + ((price - from) * before) / (before - after)];
  });
}
