import { describe, expect, test } from "vitest";
import { cellName, cellsOf, layoutOf, percentOf } from "../src/lib/cells";
import { toCsv, toJson } from "../src/lib/exports";
import { dollars, duration, grouped, ppm, price, quantity, shortDollars } from "../src/lib/format";
import { endpointOf, explorerLink, readSettings, webSocketOf } from "../src/lib/settings";
import { differencesOf, labelOf, valueText } from "../src/lib/terms";
import { reportedOf, type FeedEntry } from "../src/lib/feed";
import { nowOf, qualityOf, riskiest, withUpdates, atomsOf, type MarginHead } from "../src/lib/market";
import { breakEvens } from "../src/lib/payoff";
import { NOTHING, scenariosIn, withScenarios } from "../src/lib/scenarios";
import { storyWorld, stored, now } from "./world";
import type { MarginAccount, Numbers, Underlying } from "@margrave/client";

describe("numbers as text", () => {
  test("dollars round as they are owned or owed, and keep every digit", () => {
    expect(dollars(1_234_567_899n)).toBe("$1,234.56");
    expect(dollars(1_234_567_899n, { rounding: "up" })).toBe("$1,234.57");
    expect(dollars(-1n)).toBe("−$0.01");
    expect(dollars(-1_234_567_899n)).toBe("−$1,234.57");
    expect(dollars(9_007_199_254_740_993_000_001n, { digits: 6 })).toBe("$9,007,199,254,740,993.000001");
    expect(dollars(5_000_000n, { sign: true })).toBe("+$5.00");
    expect(dollars(0n, { sign: true })).toBe("$0.00");
  });

  test("cells are short", () => {
    expect(shortDollars(-461_134_079n)).toBe("−461");
    expect(shortDollars(12_345_600_000n)).toBe("12.3k");
    expect(shortDollars(-2_400_000_000_000n)).toBe("−2.40m");
    expect(shortDollars(499_999n)).toBe("0");
  });

  test("prices, quantities, ratios and times", () => {
    expect(price(1_500_000_000_000n)).toBe("$150.000");
    expect(price(955_000_000_000_000n)).toBe("$95,500.00");
    expect(quantity(1_234_500_000_000n, 9)).toBe("1,234.5");
    expect(quantity(5n, 0, { sign: true })).toBe("+5");
    expect(ppm(180_000n)).toBe("18.00 %");
    expect(ppm(-500n)).toBe("−0.05 %");
    expect([duration(4), duration(125), duration(7_500), duration(190_000n), duration(-3)]).toEqual([
      "4 s",
      "2 min 5 s",
      "2 h 05 min",
      "2 d 4 h",
      "0 s",
    ]);
    expect(grouped("-0.00")).toBe("0.00");
  });
});

describe("settings", () => {
  test("the address bar is above what was stored, and nonsense is left out", () => {
    const stored = JSON.stringify({ cluster: "devnet", theme: "dark", rpc: 7 });
    expect(readSettings(stored, "?cluster=custom&rpc=http://127.0.0.1:1")).toMatchObject({
      cluster: "custom",
      rpc: "http://127.0.0.1:1",
      theme: "dark",
    });
    expect(readSettings("{not json", "?cluster=mars&theme=pink")).toMatchObject({ cluster: "localnet", theme: "system" });
  });

  test("a node's web socket is one port up; public ones have none", () => {
    expect(webSocketOf("http://127.0.0.1:8899")).toBe("ws://127.0.0.1:8900");
    expect(webSocketOf("https://api.devnet.solana.com")).toBe("wss://api.devnet.solana.com");
  });

  test("a custom node is local or it is not", () => {
    const custom = (rpc: string) => endpointOf(readSettings(null, `?cluster=custom&rpc=${encodeURIComponent(rpc)}`));
    expect(custom("http://localhost:1234")).toMatchObject({ chain: "solana:localnet", services: "http://127.0.0.1:8787" });
    expect(custom("https://rpc.example.org")).toMatchObject({ chain: "solana:mainnet", services: "", quotes: "" });
  });

  test("explorer links name the cluster", () => {
    expect(explorerLink({ cluster: "mainnet", rpc: "x" }, "tx", "S")).toBe("https://explorer.solana.com/tx/S");
    expect(explorerLink({ cluster: "devnet", rpc: "x" }, "tx", "S")).toContain("cluster=devnet");
    expect(explorerLink({ cluster: "localnet", rpc: "http://127.0.0.1:8899" }, "address", "A")).toContain(
      "customUrl=http%3A%2F%2F127.0.0.1%3A8899",
    );
  });
});

describe("exports", () => {
  test("CSV has stable headers, quotes what needs it, and keeps integers whole", () => {
    const csv = toCsv([
      { a: 1n << 70n, b: 'say "x", y' },
      { a: -5n, b: "=SUM(A1)", c: true },
    ]);
    expect(csv).toBe('a,b,c\r\n1180591620717411303424,"say ""x"", y",\r\n-5,\'=SUM(A1),true\r\n');
  });

  test("JSON writes big integers as text", () => {
    expect(JSON.parse(toJson({ a: 1n << 70n, b: new Uint8Array([1, 2]) }))).toEqual({ a: "1180591620717411303424", b: [1, 2] });
  });
});

describe("the grid", () => {
  test("has 31 cells on 15 prices, each drawn once", () => {
    const cells = cellsOf(180_000n);
    expect(cells).toHaveLength(31);
    expect(cells.map(cell => cell.index)).toEqual([...cells.keys()]);
    const layout = layoutOf(180_000n);
    expect(layout.columns).toHaveLength(15);
    const drawn = [...layout.rows.flatMap(row => row.cells.filter(cell => cell !== undefined)), ...layout.smile];
    expect(drawn.map(cell => cell.index).sort((a, b) => a - b)).toEqual([...cells.keys()]);
  });

  test("cells have names, and the basis too", () => {
    expect(cellName(20, 180_000n)).toBe("price +R (+18 %), volatility up");
    expect(cellName(28, 180_000n)).toBe("price +400 %, volatility up");
    expect(cellName(31, 180_000n)).toContain("basis");
    expect(cellName(255, 180_000n)).toBe("no exposure");
    expect(percentOf(-73_000n)).toBe("−7.3 %");
  });

  test("columns stay in order when the scan range is wide", () => {
    const moves = layoutOf(540_000n).columns.map(column => column.movePpm);
    expect(moves).toEqual([...moves].sort((a, b) => (a < b ? -1 : 1)));
  });
});

describe("the group's accounts", () => {
  test("an older report changes nothing, a newer one does", () => {
    const world = storyWorld();
    const sheet = world.underlyings[0]!;
    const changed = Uint8Array.from(sheet.raw);
    changed[4 + 8] = sheet.raw[12]! ^ 1; // decimals
    const old = withUpdates(world, [{ address: sheet.address, raw: changed, slot: 0n }]);
    expect(old.underlyings[0]!.data.decimals).toBe(9);
    const fresh = withUpdates(world, [{ address: sheet.address, raw: changed, slot: 2n }]);
    expect(fresh.underlyings[0]!.data.decimals).toBe(8);
    expect(fresh.version).toBe(world.version + 1);
    expect(fresh.slot).toBe(2n);
  });

  test("price quality follows the program's table", () => {
    const { data } = stored<Underlying>("underlying");
    const { publishTime, terms } = data.oracle;
    expect(qualityOf(data, publishTime)).toBe("fresh");
    expect(qualityOf(data, publishTime + BigInt(terms.liquidationMaxAgeSecs) + 1n)).toBe("recent");
    expect(qualityOf(data, publishTime + BigInt(terms.maxAgeSecs) + 1n)).toBe("stale");
    expect(qualityOf({ ...data, oracle: { ...data.oracle, price: 0n } }, publishTime)).toBe("missing");
  });

  test("shares are atoms at the index, against the account", () => {
    const { data } = storyWorld().banks[0]!;
    expect(atomsOf(data, 1_000n)).toBe(1_000n);
    expect(atomsOf(data, -1_000n)).toBe(-1_000n);
    const grown = { ...data, depositIndex: twoThirds(4n), borrowIndex: twoThirds(4n) };
    expect(atomsOf(grown, 10n)).toBe(13n);
    expect(atomsOf(grown, -10n)).toBe(-14n);
  });

  test("the chain's clock goes on between two looks", () => {
    expect(nowOf({ clock: { unix: now, readAt: Date.now() - 5_000 } })).toBeGreaterThanOrEqual(now + 5n);
  });
});

/** n/3 as I80F48. */
function twoThirds(n: bigint): Uint8Array {
  const bits = (n << 48n) / 3n;
  return Uint8Array.from({ length: 16 }, (_, byte) => Number((bits >> BigInt(8 * byte)) & 0xffn));
}

describe("parameters in words", () => {
  test("units come from names", () => {
    expect(labelOf("haircutInitialPpm")).toBe("Haircut initial");
    expect(valueText("haircutInitialPpm", 100_000, 6)).toBe("10 %");
    expect(valueText("timelockSecs", 172_800, undefined)).toBe("2 d");
    expect(valueText("lot", 10_000_000n, 9)).toBe("0.01");
    expect(valueText("depositCap", (1n << 64n) - 1n, 6)).toBe("no limit");
  });

  test("a queued change shows what it changes and nothing else", () => {
    const world = storyWorld();
    const { change } = world.proposals[0]!.data;
    const { title, differences } = differencesOf(world, change);
    expect(title).not.toBe("");
    expect(differences.length).toBeGreaterThan(0);
    for (const each of differences) expect(each.before).not.toBe(each.after);
  });
});

describe("saved scenarios", () => {
  const alice = stored<MarginAccount>("alice").address;
  const underlying = storyWorld().underlyings[0]!.address;
  const leg = { underlying, instrument: { kind: 2, expiry: 0, strike: 1, series: 1 }, quantity: -(1n << 60n) };
  const crash = { name: "Crash", what: { spot: { [underlying]: -40 }, volatility: 30, days: 2, legs: [leg] } };

  test("come back as they were kept, beside those of other accounts", () => {
    const first = withScenarios(null, underlying, [{ name: "Other", what: NOTHING }]);
    const text = withScenarios(first, alice, [crash]);
    expect(scenariosIn(text, alice)).toEqual({ scenarios: [crash], ignored: 0 });
    expect(scenariosIn(text, underlying).scenarios).toHaveLength(1);
    expect(scenariosIn(text, stored<MarginAccount>("carol").address)).toEqual({ scenarios: [], ignored: 0 });
  });

  test("no more than twenty are kept, the latest ones", () => {
    const many = Array.from({ length: 25 }, (_, index) => ({ ...crash, name: `${index}` }));
    const { scenarios } = scenariosIn(withScenarios(null, alice, many), alice);
    expect(scenarios.map(each => each.name)).toEqual(many.slice(5).map(each => each.name));
  });

  test.each([
    ["no JSON", "{"],
    ["another version", JSON.stringify({ version: 2, accounts: {} })],
    ["a list", "[]"],
    ["null", "null"],
    ["accounts that are none", JSON.stringify({ version: 1, accounts: { [alice]: "x" } })],
  ])("%s is ignored and counted", (_, text) => {
    expect(scenariosIn(text, alice)).toEqual({ scenarios: [], ignored: 1 });
    expect(scenariosIn(withScenarios(text, alice, [crash]), alice)).toEqual({ scenarios: [crash], ignored: 0 });
  });

  test.each([
    ["a name that is none", { ...crash, name: " " }],
    ["a move beyond the slider", { ...crash, what: { ...crash.what, spot: { [underlying]: 1e9 } } }],
    ["half a day", { ...crash, what: { ...crash.what, days: 0.5 } }],
    ["a key that is none", { ...crash, what: { ...crash.what, spot: { __proto__x: 1 } } }],
    ["a quantity that is none", { ...crash, what: { ...crash.what, legs: [{ ...leg, quantity: "1e9" }] } }],
    [
      "a kind that is none",
      { ...crash, what: { ...crash.what, legs: [{ ...leg, quantity: "1", instrument: { ...leg.instrument, kind: 4 } }] } },
    ],
    ["nothing", null],
  ])("one with %s is left out, its neighbours stay", (_, bad) => {
    const good = { ...crash, what: { ...crash.what, legs: [{ ...leg, quantity: "5" }] } };
    const text = JSON.stringify({ version: 1, accounts: { [alice]: [bad, good] } }, (_, part: unknown) =>
      typeof part === "bigint" ? part.toString() : part,
    );
    const { scenarios, ignored } = scenariosIn(text, alice);
    expect(scenarios.map(each => each.name)).toEqual(["Crash"]);
    expect(scenarios[0]!.what.legs[0]!.quantity).toBe(5n);
    expect(ignored).toBe(1);
  });
});

describe("accounts by what they say of themselves", () => {
  const head = (name: string, equity: bigint, maintenanceMargin: bigint, status = 0, sequence = 1n): MarginHead => ({
    address: name as MarginHead["address"],
    status,
    sequence,
    equity,
    maintenanceMargin,
  });
  test("the worst status is first, then the most margin for the least equity; what was never used is left out", () => {
    const heads = [
      head("safe", 100n, 1n),
      head("empty", 0n, 0n, 0, 0n),
      head("close", 100n, 99n),
      head("ruined", -5n, 10n),
      head("flagged", 100n, 1n, 2),
      head("cash", 100n, 0n),
    ];
    expect(riskiest(heads).map(each => each.address)).toEqual(["flagged", "ruined", "close", "safe", "cash"]);
  });
});

describe("events of an account", () => {
  test("give its margin numbers on either side of a trade, oldest first", () => {
    const world = storyWorld();
    const [alice, carol] = [stored<MarginAccount>("alice").address, stored<MarginAccount>("carol").address];
    const numbers = (equity: bigint) => ({ equity }) as Numbers;
    const traded = (time: bigint, taker: string, maker: string) => ({
      signature: "" as FeedEntry["signature"],
      slot: time,
      time,
      event: {
        name: "Traded",
        data: {
          taker: { marginAccount: taker, sequence: 1n, numbers: numbers(time) },
          maker: { marginAccount: maker, sequence: 1n, numbers: numbers(-time) },
          legs: [],
        },
      } as unknown as FeedEntry["event"],
    });
    const entries = [traded(3n, carol, alice), traded(2n, carol, carol), traded(1n, alice, carol)];
    expect(reportedOf(entries, alice, world).map(each => [each.time, each.numbers.equity])).toEqual([
      [1n, 1n],
      [3n, -3n],
    ]);
  });
});

describe("break-even prices", () => {
  test("lie on the straight line between two points, and only where it crosses", () => {
    expect(breakEvens([100n, 200n, 300n], [-50n, 50n, 60n])).toEqual([150n]);
    expect(breakEvens([100n, 200n, 300n], [-10n, 5n, -5n])).toEqual([166n, 250n]);
    expect(breakEvens([100n, 200n], [undefined, 5n])).toEqual([]);
    expect(breakEvens([100n, 200n], [5n, 5n])).toEqual([]);
  });
});
