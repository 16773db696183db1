import { describe, expect, test } from "vitest";
import { cellName, cellsOf, layoutOf, percentOf } from "../src/lib/cells";
import { toCsv, toJson } from "../src/lib/exports";
import { dollars, duration, grouped, ppm, price, quantity, shortDollars } from "../src/lib/format";
import { endpointOf, explorerLink, readSettings, webSocketOf } from "../src/lib/settings";
import { differencesOf, labelOf, valueText } from "../src/lib/terms";
import { nowOf, qualityOf, withUpdates, atomsOf } from "../src/lib/market";
import { storyWorld, stored, now } from "./world";
import type { Underlying } from "@margrave/client";

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
