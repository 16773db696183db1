/** The engine in its worker, given every account that changes before it is asked. */
import {
  connectEngine,
  EngineRefusal,
  type EngineClient,
  type Instrument,
  type Leg,
  type MarginAccount,
  type MarketMove,
  type Numbers,
  type Supposition,
} from "@margrave/client";
import wasmUrl from "@margrave/client/margrave.wasm?url";
import type { Address } from "@solana/kit";
import { price } from "./format";
import { nowOf, underlyingOf, type MarginHead, type Stored, type World } from "./market";

/** Asks about a world; what the engine does not have yet goes first. Questions are answered in their order. */
export class Desk {
  readonly #engine: Promise<EngineClient>;
  readonly #known = new Map<Address, Uint8Array>();

  constructor(engine: Promise<EngineClient>) {
    this.#engine = engine;
  }

  async of(world: World): Promise<EngineClient> {
    const engine = await this.#engine;
    for (const { address, raw } of [world.group, ...world.banks, ...world.underlyings, ...world.margins.values()]) {
      if (this.#known.get(address) === raw) continue;
      this.#known.set(address, raw);
      void engine.put(address, raw).catch(() => this.#known.delete(address));
    }
    return engine;
  }
}

let shared: Desk | undefined;

/** The page's one engine. */
export function theDesk(): Desk {
  shared ??= new Desk(
    connectEngine(
      new Worker(new URL("./engine.worker.ts", import.meta.url), { type: "module" }),
      new URL(wasmUrl, location.href).href,
    ),
  );
  return shared;
}

/** After a trap the module's memory may be in any state: the next question goes to a new engine. */
export function abandonTrapped(error: unknown): void {
  if (error instanceof EngineRefusal && error.number === 0 && TRAPS.test(error.message)) shared = undefined;
}

/** What browsers call traps of WebAssembly. */
const TRAPS = /unreachable|out of bounds|out-of-bounds|call stack|indirect call/i;

/** Legs as if they traded at the engine's marks. */
export async function atMarks(
  engine: Pick<EngineClient, "mark">,
  world: World,
  legs: readonly { underlying: Address; instrument: Instrument; quantity: bigint }[],
  now: bigint,
): Promise<{ underlying: Address; leg: Leg }[]> {
  return Promise.all(
    legs.map(async ({ underlying, instrument, quantity }) => {
      const { index } = underlyingOf(world, underlying)!.data;
      const price = await engine.mark(underlying, instrument, now);
      return { underlying, leg: { underlying: index, instrument, quantity, price } };
    }),
  );
}

/** Heads of accounts that are no part of the world, with what the engine says of them now. One that it refuses is as its account says. */
export async function valuedNow(world: World, accounts: readonly Stored<MarginAccount>[]): Promise<MarginHead[]> {
  const engine = await theDesk().of(world);
  return Promise.all(
    accounts.map(async ({ address, raw, data }) => {
      void engine.put(address, raw).catch(() => undefined);
      const said = await engine.explain(address, NO_SLOT, nowOf(world)).catch((error: unknown) => {
        if (error instanceof EngineRefusal) return undefined;
        throw error;
      });
      const { equity, maintenanceMargin } = said?.numbers ?? data;
      return { address, status: data.status, sequence: data.sequence, equity, maintenanceMargin };
    }),
  );
}

/** Health at one price: undefined where the engine cannot value the account. */
export type CurvePoint = { price: bigint; numbers: Numbers | undefined };

export type Curve = {
  points: CurvePoint[];
  /** Prices at which maintenance health changes its sign, by the engine, to a ten-thousandth; ascending. */
  liquidations: { price: bigint; below: boolean }[];
};

export type Market = { underlying: Address; price: bigint };

/** The account's numbers over prices of one underlying, all else equal. `around` is what has been supposed already. */
export async function healthCurve(
  engine: Pick<EngineClient, "explain">,
  key: Address,
  market: Market,
  now: bigint,
  around: Supposition = { now },
): Promise<Curve> {
  const others = (around.moves ?? []).filter(move => move.underlying !== market.underlying);
  const mine = (around.moves ?? []).find(move => move.underlying === market.underlying);
  const seconds = mine?.seconds ?? 0n;
  const at = async (price: bigint): Promise<CurvePoint> => {
    const move: MarketMove = { underlying: market.underlying, price, volatilityPpm: mine?.volatilityPpm ?? 0n, seconds };
    try {
      const { numbers } = await engine.explain(key, NO_SLOT, now + seconds, { ...around, moves: [...others, move] });
      return { price, numbers };
    } catch (error) {
      if (error instanceof EngineRefusal) return { price, numbers: undefined };
      throw error;
    }
  };
  const points = await Promise.all(CURVE_PERCENT.map(percent => at((market.price * BigInt(percent)) / 100n)));
  const liquidations: Curve["liquidations"] = [];
  for (let index = 1; index < points.length; index++) {
    let [low, high] = [points[index - 1]!, points[index]!];
    const [before, after] = [healthOf(low), healthOf(high)];
    if (before === undefined || after === undefined || before < 0n === after < 0n) continue;
    while (high.price - low.price > high.price / 10_000n && high.price - low.price > 1n) {
      const middle = await at((low.price + high.price) / 2n);
      const health = healthOf(middle);
      if (health === undefined) break;
      if (health < 0n === before < 0n) low = middle;
      else high = middle;
    }
    liquidations.push({ price: before < 0n ? low.price : high.price, below: before < 0n });
  }
  return { points, liquidations };
}

/** A risk slot that no account has: nothing of a slot is wanted. */
const NO_SLOT = 255;

/** Prices in hundredths of today's: from a fifth to three times, closer where it matters. */
export const CURVE_PERCENT: readonly number[] = [
  ...steps(20, 50, 5),
  ...steps(52, 80, 4),
  ...steps(82, 120, 2),
  ...steps(124, 160, 4),
  ...steps(165, 200, 5),
  ...steps(210, 300, 10),
];

function steps(from: number, to: number, by: number): number[] {
  return Array.from({ length: Math.floor((to - from) / by) + 1 }, (_, index) => from + index * by);
}

/** Equity beyond maintenance margin. */
export function healthOf({ numbers }: CurvePoint): bigint | undefined {
  return numbers && numbers.equity - numbers.maintenanceMargin;
}

/** The largest multiple of `lots` up to `most` that still passes, by halving; zero when not even one does. */
export async function largest(most: bigint, passes: (lots: bigint) => Promise<boolean>): Promise<bigint> {
  let [good, bad] = [0n, most + 1n];
  // Grows first: what fits is usually far below what might.
  for (let probe = 1n; probe < bad; probe *= 4n) {
    if (await passes(probe)) good = probe;
    else bad = probe;
  }
  while (bad - good > 1n) {
    const middle = (good + bad) / 2n;
    if (await passes(middle)) good = middle;
    else bad = middle;
  }
  return good;
}

/** None, one, two or more prices at which liquidation begins; said as it is. */
export function sentenceOf({ liquidations, points }: Curve): string {
  const range = points.length > 1 ? ` between ${price(points[0]!.price)} and ${price(points.at(-1)!.price)}` : "";
  if (liquidations.length === 0) {
    const under = points.some(({ numbers }) => numbers && numbers.equity < numbers.maintenanceMargin);
    return under ? `Below maintenance margin at every price${range}.` : `No liquidation price${range}.`;
  }
  const named = liquidations.map(({ price: at, below }) => `${below ? "at or below" : "at or above"} ${price(at)}`);
  return `Liquidation ${named.join(", and ")}.`;
}
