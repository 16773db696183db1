/** The desk's questions, answered by the real module. */
import { describe, expect, test } from "vitest";
import { InstrumentKind, type MarginAccount } from "@margrave/client";
import { cellsOf } from "../src/lib/cells";
import { healthCurve, healthOf, largest, sentenceOf } from "../src/lib/desk";
import { ppmOfBits } from "../src/lib/format";
import { stepsOf } from "../src/components/waterfall";
import { PERP } from "../src/lib/instruments";
import { difference, payoffOf } from "../src/lib/payoff";
import { reportOf } from "../src/lib/report";
import { now, stored, storyEngine, storyWorld } from "./world";

const underlying = storyWorld().underlyings[0]!;
const price = underlying.data.oracle.price;
const later = <T extends object>(engine: T) => engine as never;

describe("cells", () => {
  test("the table of moves is the engine's: a short perp loses its value times the move, up to 4/3 R", async () => {
    const engine = await storyEngine();
    const carol = stored<MarginAccount>("carol");
    const { cells } = engine.explain(carol.address, 0, now);
    const value = (carol.data.positions[0]!.quantity * price) / 10n ** BigInt(4 + underlying.data.decimals);
    const range = ppmOfBits(underlying.data.range.range);
    const most = (range * 4n) / 3n;
    for (const cell of cellsOf(range)) {
      const move = cell.movePpm > most ? most : cell.movePpm < -most ? -most : cell.movePpm;
      const expected = (value * move) / 1_000_000n;
      const apart = cells[cell.index]! - expected;
      // Moves are shown in whole millionths.
      expect(apart < 0n ? -apart : apart, cell.name).toBeLessThanOrEqual(20_000n);
    }
  });
});

describe("the waterfall", () => {
  test.each(["alice", "carol", "maker"])("of %s adds up to initial margin exactly", async name => {
    const engine = await storyEngine();
    const explanation = engine.explain(stored(name).address, 255, now);
    const steps = stepsOf(explanation);
    const parts = steps.filter(step => step.kind === "part").reduce((sum, step) => sum + step.to - step.from, 0n);
    expect(parts).toBe(explanation.numbers.initialMargin);
    expect(steps.some(step => step.label === "Rounding")).toBe(false);
    const less = steps.find(step => step.kind === "less")!;
    expect(less.to - less.from).toBe(explanation.numbers.initialMargin - explanation.numbers.maintenanceMargin);
  });
});

describe("a report", () => {
  test("has every position with its own numbers, and the worst cell of each underlying", async () => {
    const engine = await storyEngine();
    const alice = stored<MarginAccount>("alice");
    const report = await reportOf(later(engine), storyWorld(), alice, now);
    expect(report.positions.map(each => each.name)).toHaveLength(4);
    const [slot] = report.slots;
    const worst = slot!.explanation.cells.reduce((least, value) => (value < least ? value : least));
    expect(slot!.explanation.cells[slot!.worstCell]).toBe(worst);
    // Sensitivities add up over positions; collateral adds to delta alone.
    for (const name of ["gamma", "vega", "theta"] as const) {
      const sum = report.positions.reduce((total, each) => total + each.report.greeks[name], 0n);
      const apart = sum - slot!.explanation.greeks[name];
      expect(apart < 0n ? -apart : apart).toBeLessThanOrEqual(4n);
    }
  });

  test("of what is supposed differs, and leaves things as they are", async () => {
    const engine = await storyEngine();
    const alice = stored<MarginAccount>("alice");
    const before = engine.explain(alice.address, 0, now);
    const legs = [{ underlying: underlying.address, leg: { underlying: 0, instrument: PERP, quantity: 10_000_000_000n, price } }];
    const supposed = await reportOf(later(engine), storyWorld(), alice, now, { now, legs });
    expect(supposed.positions[0]!.slot.quantity).toBe(alice.data.positions[0]!.quantity + 10_000_000_000n);
    expect(supposed.whole.numbers.initialMargin).not.toBe(before.numbers.initialMargin);
    expect(engine.explain(alice.address, 0, now)).toEqual(before);
  });

  test("what is supposed of a trade is what the preview says of it", async () => {
    const engine = await storyEngine();
    const alice = stored<MarginAccount>("alice");
    const legs = [{ underlying: underlying.address, leg: { underlying: 0, instrument: PERP, quantity: -5_000_000_000n, price } }];
    const { after } = engine.preview(alice.address, { legs }, now);
    expect(engine.explain(alice.address, 255, now, { now, legs }).numbers).toEqual(after);
  });

  test("a moved price is the market's own: moving it nowhere changes nothing", async () => {
    const engine = await storyEngine();
    const alice = stored<MarginAccount>("alice");
    const moves = [{ underlying: underlying.address, price, volatilityPpm: 0n, seconds: 0n }];
    expect(engine.explain(alice.address, 0, now, { now, moves })).toEqual(engine.explain(alice.address, 0, now));
  });

  test("time passes: options lose what is theirs to lose", async () => {
    const engine = await storyEngine();
    const alice = stored<MarginAccount>("alice");
    const week = 7n * 86_400n;
    const moves = [{ underlying: underlying.address, price, volatilityPpm: 0n, seconds: week }];
    const reports = engine.positions(alice.address, now + week, { now, moves });
    const today = engine.positions(alice.address, now);
    const option = alice.data.positions.findIndex(each => each.kind === 4);
    expect(reports[option]!.value).not.toBe(today[option]!.value);
    expect(reports[0]!.value).toBe(today[0]!.value);
  });
});

describe("profit and loss over prices", () => {
  const alice = stored<MarginAccount>("alice");
  const market = { underlying: underlying.address, price };
  const { publishTime } = underlying.data.oracle;
  const expiry = underlying.data.expiries.findIndex(each => each.series !== 0);
  const { series, time } = underlying.data.expiries[expiry]!;
  const strike = underlying.data.strikes.findIndex(each => each.expiry === expiry + 1 && each.vol > 0n);
  const struck = underlying.data.strikes[strike]!.price[0]!;
  const quantity = 3_000_000_000n;
  const whole = 10n ** 13n;
  const legOf = (kind: InstrumentKind, price: bigint) => {
    const instrument =
      kind === InstrumentKind.Perp ? PERP : { kind, expiry, strike: kind === InstrumentKind.Future ? 0 : strike, series };
    return { underlying: underlying.address, leg: { underlying: underlying.data.index, instrument, quantity, price } };
  };

  test.each([
    ["a call", InstrumentKind.Call, (at: bigint) => (at > struck ? at - struck : 0n)],
    ["a put", InstrumentKind.Put, (at: bigint) => (at < struck ? struck - at : 0n)],
  ])("%s is worth what it pays when its expiry has come", async (_, kind, pays) => {
    const engine = await storyEngine();
    const trade = [legOf(kind, engine.mark(underlying.address, { kind, expiry, strike, series }, now))];
    const ask = (trade: Parameters<typeof payoffOf>[6]) =>
      payoffOf(later(engine), alice, market, [], now, time - publishTime, trade);
    const added = difference(await ask(trade), await ask([]));
    const today = (trade[0]!.leg.price * quantity) / whole;
    for (const [index, at] of added.prices.entries()) {
      const exact = (pays(at) * quantity) / whole - today;
      // Values are whole micro-dollars: one is lost at most in each of the four that this is made of.
      const off = added.later[index]! - exact;
      expect(off >= -3n && off <= 3n, `${kind} at ${at}: ${off}`).toBe(true);
    }
  });

  test("a perp gains what the price does, at once and later", async () => {
    const engine = await storyEngine();
    const trade = [legOf(InstrumentKind.Perp, price)];
    const ask = (trade: Parameters<typeof payoffOf>[6]) => payoffOf(later(engine), alice, market, [], now, 0n, trade);
    const added = difference(await ask(trade), await ask([]));
    for (const [index, at] of added.prices.entries()) {
      const off = added.now[index]! - ((at - price) * quantity) / whole;
      expect(off >= -3n && off <= 3n, `${at}: ${off}`).toBe(true);
    }
    expect(added.from).toBe(price);
  });
});

describe("health over prices", () => {
  test("the engine agrees with the point that is found, on both sides", async () => {
    const engine = await storyEngine();
    const carol = stored<MarginAccount>("carol");
    const curve = await healthCurve(later(engine), carol.address, { underlying: underlying.address, price }, now);
    expect(curve.liquidations).toHaveLength(1);
    const [point] = curve.liquidations;
    expect(point!.below).toBe(false);
    const at = (moved: bigint) => {
      const moves = [{ underlying: underlying.address, price: moved, volatilityPpm: 0n, seconds: 0n }];
      return healthOf({ price: moved, numbers: engine.explain(carol.address, 255, now, { now, moves }).numbers })!;
    };
    expect(at(point!.price)).toBeLessThan(0n);
    expect(at((point!.price * 9_998n) / 10_000n)).toBeGreaterThanOrEqual(0n);
    expect(sentenceOf(curve)).toContain("at or above");
  });

  test("none is said to be none", async () => {
    const engine = await storyEngine();
    const maker = stored<MarginAccount>("maker");
    const curve = await healthCurve(later(engine), maker.address, { underlying: underlying.address, price }, now);
    expect(sentenceOf(curve)).toMatch(/^No liquidation price between \$/);
  });

  test("two: a short strangle is liquidated on both sides", async () => {
    const strangle = (health: (price: bigint) => bigint) => ({
      explain: async (_: unknown, __: number, ___: bigint, supposed: { moves: { price: bigint }[] }) => ({
        numbers: { equity: health(supposed.moves[0]!.price), maintenanceMargin: 0n },
      }),
    });
    const engine = strangle(at => 50n - (at > 100n ? at - 100n : 100n - at));
    const curve = await healthCurve(later(engine), underlying.address, { underlying: underlying.address, price: 100n }, now);
    expect(curve.liquidations.map(each => each.below)).toEqual([true, false]);
    expect(sentenceOf(curve)).toContain(", and ");
  });
});

describe("the largest size", () => {
  test.each([0n, 1n, 2n, 7n, 1_000n, 4_097n])("is %s when that is the most", async most => {
    expect(await largest(1n << 40n, async units => units <= most)).toBe(most);
  });
  test("is the bound when nothing stops it", async () => {
    expect(await largest(1_000n, async () => true)).toBe(1_000n);
  });
});

describe("a keeper's next step", () => {
  test("of a healthy account is nothing, of one below maintenance margin an instruction with a profit", async () => {
    const engine = await storyEngine();
    const [alice, carol, maker] = ["alice", "carol", "maker"].map(name => stored<MarginAccount>(name).address);
    expect(engine.plan(alice!, maker!, now)).toBeUndefined();
    const plan = engine.plan(carol!, maker!, now)!;
    expect(plan.kind).toBe("Positions");
    expect(plan.cost).toBeGreaterThan(plan.insured);
    expect(plan.relief).toBeGreaterThan(0n);
    expect(plan.instruction.programAddress).toBe("MrgRzbsnUSP8PnfKcAvr5Hu96M8U4D21h3agp2hiJpu");
    expect(plan.instruction.accounts!.map(meta => meta.address)).toContain(carol);
  });
});
