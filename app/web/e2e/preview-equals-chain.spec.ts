/** Random trades on the local network: the engine's preview before signing against the event that the chain reports. MARGRAVE_TRADES of them. */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, resolve } from "node:path";
import { expect, test } from "@playwright/test";
import { address, generateKeyPairSigner, getBase64Encoder, type Address } from "@solana/kit";
import { Engine, getMarginAccountDecoder, InstrumentKind, type MarginAccount, type Numbers } from "@margrave/client";
import { depositInstructions, openInstruction } from "../src/lib/actions";
import { failureOf } from "../src/lib/failures";
import { expiriesOf, instrumentOf, PERP, strikesOf } from "../src/lib/instruments";
import { askFaucet, connect, loadWorld, nowOf, underlyingOf, type Stored, type World } from "../src/lib/market";
import { fillInstructions, requestQuote, type WantedLeg } from "../src/lib/quotes";
import { stampsOf } from "../src/lib/report";
import { endpointOf, readSettings } from "../src/lib/settings";
import { loadTables, send } from "../src/lib/transactions";

const TRADES = Number(process.env["MARGRAVE_TRADES"] ?? 25);
const TRADERS = 4;
const wasm = resolve(dirname(createRequire(import.meta.url).resolve("@margrave/client/margrave.wasm")), "margrave.wasm");
const endpoint = endpointOf(readSettings(null, "?cluster=localnet"));
const connection = connect(endpoint);

/** A generator of the same numbers each time: mulberry32. */
function random(seed: number): (below: number) => number {
  let state = seed;
  return below => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

/** Up to three legs. All are of one underlying, or perps: the maker has an account for each, which this cannot fill up. */
function randomLegs(world: World, pick: (below: number) => number): WantedLeg[] {
  const legs = new Map<string, WantedLeg>();
  const count = 1 + pick(3);
  const first = world.underlyings[pick(world.underlyings.length)]!;
  while (legs.size < count) {
    const sheet = legs.size > 0 && pick(3) === 0 ? world.underlyings[pick(world.underlyings.length)]! : first;
    const expiries = expiriesOf(sheet.data, nowOf(world));
    const expiry = expiries[pick(expiries.length)];
    const strikes = expiry ? strikesOf(sheet.data, expiry.index) : [];
    const strike = strikes[pick(Math.max(1, strikes.length))];
    const kind = sheet === first ? (pick(4) as InstrumentKind) : InstrumentKind.Perp;
    if (kind !== InstrumentKind.Perp && (!expiry || (kind !== InstrumentKind.Future && !strike))) continue;
    const instrument =
      kind === InstrumentKind.Perp
        ? PERP
        : { kind, expiry: expiry!.index, series: expiry!.series, strike: kind === InstrumentKind.Future ? 0 : strike!.index };
    const lots = BigInt(1 + pick(20)) * (pick(2) ? 1n : -1n);
    legs.set(JSON.stringify([sheet.address, instrument]), {
      underlying: sheet.address,
      instrument,
      quantity: lots * sheet.data.market.lot,
    });
  }
  return [...legs.values()];
}

/** Up to three positions, closed: one at random, and others of its underlying. */
function closingLegs(world: World, account: MarginAccount, pick: (below: number) => number): WantedLeg[] {
  const held = account.positions.filter(slot => slot.kind !== 0);
  const chosen = held[pick(held.length)]!;
  const others = held.filter(slot => slot !== chosen && slot.riskSlot === chosen.riskSlot);
  return [chosen, ...others.slice(0, pick(3))].map(slot => {
    const { address, data } = underlyingOf(world, account.risk[slot.riskSlot]!.underlying)!;
    return { underlying: address, instrument: instrumentOf(data, slot)!, quantity: -slot.quantity };
  });
}

/** One look at everything: accounts of one slot. */
async function look(world: World, keys: Address[]): Promise<Map<Address, Uint8Array>> {
  const all = [
    world.group.address,
    ...world.banks.map(each => each.address),
    ...world.underlyings.map(each => each.address),
    ...keys,
  ];
  const { value } = await connection.rpc.getMultipleAccounts(all, { encoding: "base64", commitment: "confirmed" }).send();
  return new Map(all.map((key, index) => [key, new Uint8Array(getBase64Encoder().encode(value[index]!.data[0]))]));
}

test("what the engine says before is what the chain says after", async () => {
  test.setTimeout(120_000 + TRADES * 5_000);
  const first = await loadWorld(connection, endpoint, undefined);
  const tables = await loadTables(connection, first.info?.lookupTable);
  const engine = await Engine.load(readFileSync(wasm));
  const counts = { compared: 0, moved: 0 };
  const declined = new Map<string, number>();

  /** One trader after the other's trade; several trade at once, since each waits for the chain most of the time. */
  const trade = async (seed: number) => {
    const pick = random(seed);
    const signer = await generateKeyPairSigner();
    await askFaucet(endpoint.services, signer.address);
    const { account: key, instruction } = await openInstruction(first, signer, 0);
    await funded(() => send(connection, signer, [instruction]));
    const bank = first.banks.find(each => each.address === first.group.data.quoteBank)!;
    const movement = { world: first, connection, owner: signer, account: key, bank, amount: 50_000_000_000n };
    await send(connection, signer, await depositInstructions(movement));
    const decoded = (raw: Uint8Array) => getMarginAccountDecoder().decode(raw);
    let held = decoded((await look(first, [key])).get(key)!);
    while (counts.compared < TRADES && counts.compared + counts.moved + total(declined) < 4 * TRADES) {
      try {
        const world = await loadWorld(connection, endpoint, first);
        const open = held.positions.filter(slot => slot.kind !== 0).length;
        const legs = open > 20 || (open > 0 && pick(4) === 0) ? closingLegs(world, held, pick) : randomLegs(world, pick);
        const offer = await requestQuote(endpoint.quotes, world, key, legs);
        const maker = address(offer.signed.quote.maker);
        const accounts = await look(world, [key, maker]);
        for (const [each, data] of accounts) engine.put(each, data);
        const stored = (each: Address): Stored<MarginAccount> => {
          const raw = accounts.get(each)!;
          return { address: each, raw, slot: 0n, data: decoded(raw) };
        };
        const placed = offer.legs.map((leg, index) => ({ underlying: legs[index]!.underlying, leg }));
        const now = nowOf(world);
        const shown = engine.preview(key, { legs: placed }, now).after;
        const shownStamps = stampsOf(engine.revalue(key, now, { now, legs: placed }));
        const instructions = fillInstructions(world, offer, stored(key), stored(maker), signer, []);
        const { events } = await send(connection, signer, instructions, { tables });
        const event = events.find(each => each.name === "QuoteTraded");
        if (event?.name !== "QuoteTraded") throw new Error("The trade has reported nothing");
        const { numbers, sequence } = event.data.taker;
        held = decoded((await look(world, [key])).get(key)!);
        if (held.sequence !== sequence || stampsOf(held) !== shownStamps) {
          counts.moved += 1;
          continue;
        }
        expect(plain(numbers), `${key} after its trade ${sequence}`).toEqual(plain(shown));
        counts.compared += 1;
        if (counts.compared % 100 === 0) console.log(`${counts.compared} equal, ${counts.moved} at a newer price`);
      } catch (error) {
        const failure = failureOf(error);
        if (failure.kind === "unexpected" || failure.kind === "unreachable") throw new Error(failure.detail, { cause: error });
        // An account of the maker's fills 64 quotes in the minute that they live.
        if (failure.kind === "maker") await new Promise(resolve => setTimeout(resolve, 1_000));
        declined.set(failure.title, (declined.get(failure.title) ?? 0) + 1);
        held = decoded((await look(first, [key])).get(key)!);
      }
    }
  };
  await Promise.all(Array.from({ length: TRADERS }, (_, trader) => trade(trader)));
  const why = [...declined].map(([title, times]) => `${title} ${times}`).join(", ");
  console.log(
    `${counts.compared} trades: preview and event equal to the micro-dollar; ${counts.moved} at a newer price, ${total(declined)} declined${why && ` (${why})`}`,
  );
  expect(counts.compared, "trades that landed at the price they were previewed at").toBeGreaterThanOrEqual(Math.ceil(TRADES / 2));
});

/** What the faucet has sent may take the node a moment longer. */
async function funded<T>(ask: () => Promise<T>): Promise<T> {
  for (let turn = 0; ; turn++) {
    try {
      return await ask();
    } catch (error) {
      const failure = failureOf(error);
      if (failure.kind !== "no-funds" || turn === 10) throw new Error(failure.detail, { cause: error });
      await new Promise(resolve => setTimeout(resolve, 500));
    }
  }
}

function total(counts: ReadonlyMap<string, number>): number {
  return [...counts.values()].reduce((sum, each) => sum + each, 0);
}

/** Without the account slots' order, which only matters inside. */
function plain({ equity, initialMargin, liquidationEnd, maintenanceMargin, worstCell }: Numbers) {
  return { equity, initialMargin, liquidationEnd, maintenanceMargin, worstCell };
}
