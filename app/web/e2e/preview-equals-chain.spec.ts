/** Random trades on the local network: the engine's preview before signing against the event that the chain reports. MARGRAVE_TRADES of them. */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, resolve } from "node:path";
import { expect, test } from "@playwright/test";
import { address, generateKeyPairSigner, getBase64Encoder, type Address } from "@solana/kit";
import { Engine, getMarginAccountDecoder, InstrumentKind, type MarginAccount, type Numbers } from "@margrave/client";
import { depositInstructions, openInstruction } from "../src/lib/actions";
import { failureOf } from "../src/lib/failures";
import { expiriesOf, PERP, strikesOf } from "../src/lib/instruments";
import { askFaucet, connect, loadMargins, loadWorld, nowOf, type Stored, type World } from "../src/lib/market";
import { fillInstructions, requestQuote, type WantedLeg } from "../src/lib/quotes";
import { endpointOf, readSettings } from "../src/lib/settings";
import { loadTables, send } from "../src/lib/transactions";

const TRADES = Number(process.env["MARGRAVE_TRADES"] ?? 25);
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

function randomLegs(world: World, pick: (below: number) => number): WantedLeg[] {
  const legs = new Map<string, WantedLeg>();
  const count = 1 + pick(3);
  while (legs.size < count) {
    const sheet = world.underlyings[pick(world.underlyings.length)]!;
    const expiries = expiriesOf(sheet.data, nowOf(world));
    const expiry = expiries[pick(expiries.length)];
    const strikes = expiry ? strikesOf(sheet.data, expiry.index) : [];
    const strike = strikes[pick(Math.max(1, strikes.length))];
    const kind = pick(4) as InstrumentKind;
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

/** Prices and their times that an account was last valued at, by underlying. */
function stampsOf(account: MarginAccount): string[] {
  return account.risk.filter(slot => slot.used).map(slot => `${slot.underlying} ${slot.price} ${slot.publishTime}`);
}

test("what the engine says before is what the chain says after", async () => {
  test.setTimeout(60_000 + TRADES * 20_000);
  const signer = await generateKeyPairSigner();
  await askFaucet(endpoint.services, signer.address);
  const world = await loadWorld(connection, endpoint, undefined);
  const { account: key, instruction } = await openInstruction(world, signer, 0);
  await send(connection, signer, [instruction]);
  const quote = world.banks.find(bank => bank.address === world.group.data.quoteBank)!;
  const movement = { world, connection, owner: signer, account: key, bank: quote, amount: 5_000_000_000n };
  await send(connection, signer, await depositInstructions(movement));
  const tables = await loadTables(connection, world.info?.lookupTable);
  const engine = await Engine.load(readFileSync(wasm));
  const makers = new Map((await loadMargins(connection, world.group.address, "all")).map(each => [each.address, each.data]));
  const pick = random(7);

  let [compared, moved, declined] = [0, 0, 0];
  for (let turn = 0; compared < TRADES && turn < 4 * TRADES; turn++) {
    try {
      const legs = randomLegs(world, pick);
      const offer = await requestQuote(endpoint.quotes, world, key, legs);
      const maker = address(offer.signed.quote.maker);
      const accounts = await look(world, [key, maker]);
      for (const [each, data] of accounts) engine.put(each, data);
      const stored = (each: Address): Stored<MarginAccount> => {
        const raw = accounts.get(each)!;
        return { address: each, raw, slot: 0n, data: getMarginAccountDecoder().decode(raw) };
      };
      const placed = offer.legs.map((leg, index) => ({ underlying: legs[index]!.underlying, leg }));
      const now = nowOf(await loadWorld(connection, endpoint, world));
      const shown = engine.preview(key, { legs: placed }, now).after;
      const shownStamps = stampsOf(engine.revalue(key, now, { now, legs: placed }));
      const instructions = fillInstructions(world, offer, stored(key), stored(maker), signer, []);
      const { events } = await send(connection, signer, instructions, { tables });
      const event = events.find(each => each.name === "QuoteTraded");
      if (event?.name !== "QuoteTraded") throw new Error("The trade has reported nothing");
      const { numbers, sequence } = event.data.taker;
      const after = getMarginAccountDecoder().decode((await look(world, [key])).get(key)!);
      if (after.sequence !== sequence || stampsOf(after).join() !== shownStamps.join()) {
        moved += 1;
        continue;
      }
      expect(plain(numbers), `trade ${turn}: ${events.length} events`).toEqual(plain(shown));
      compared += 1;
    } catch (error) {
      const failure = failureOf(error);
      if (failure.kind === "unexpected" || failure.kind === "unreachable") throw error;
      declined += 1;
    }
  }
  console.log(
    `${compared} trades: preview and event equal to the micro-dollar; ${moved} at a newer price, ${declined} declined; ${makers.size} accounts`,
  );
  expect(compared, "trades that landed at the price they were previewed at").toBeGreaterThanOrEqual(Math.ceil(TRADES / 2));
});

/** Without the account slots' order, which only matters inside. */
function plain({ equity, initialMargin, liquidationEnd, maintenanceMargin, worstCell }: Numbers) {
  return { equity, initialMargin, liquidationEnd, maintenanceMargin, worstCell };
}
