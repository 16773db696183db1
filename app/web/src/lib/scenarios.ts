/** What-if scenarios that the reader keeps, by margin account, in this browser. */
import type { InstrumentKind } from "@margrave/client";
import { isAddress, type Address } from "@solana/kit";
import type { DraftLeg } from "../components/leg-editor";

/** What is supposed: moves in hundredths, days, and legs traded at their marks before. */
export type WhatIf = { spot: Record<Address, number>; volatility: number; days: number; legs: DraftLeg[] };
export const NOTHING: WhatIf = { spot: {}, volatility: 0, days: 0, legs: [] };

export type Scenario = { name: string; what: WhatIf };
/** `ignored`: how many entries were there that say nothing to this version. */
export type Kept = { scenarios: Scenario[]; ignored: number };

const KEY = "margrave.scenarios";
const VERSION = 1;
export const MOST_SCENARIOS = 20;
const LONGEST_NAME = 40;

type Stored = { version: number; accounts: Record<string, unknown[]> };

/** All that is stored, or nothing where it is of another version or no such thing. */
function read(text: string | null): { stored: Stored; isForeign: boolean } {
  const empty = { version: VERSION, accounts: {} };
  if (text === null) return { stored: empty, isForeign: false };
  try {
    const found = JSON.parse(text) as Partial<Stored> | null;
    const isOurs = found?.version === VERSION && isRecord(found.accounts) && Object.values(found.accounts).every(Array.isArray);
    return isOurs ? { stored: found as Stored, isForeign: false } : { stored: empty, isForeign: true };
  } catch {
    return { stored: empty, isForeign: true };
  }
}

export function scenariosIn(text: string | null, account: Address): Kept {
  const { stored, isForeign } = read(text);
  const entries = stored.accounts[account] ?? [];
  const scenarios = entries.flatMap(entry => scenarioOf(entry) ?? []);
  return { scenarios, ignored: isForeign ? 1 : entries.length - scenarios.length };
}

/** The text to store: `scenarios` of one account beside those of others. What could not be read is gone. */
export function withScenarios(text: string | null, account: Address, scenarios: readonly Scenario[]): string {
  const { stored } = read(text);
  const accounts = { ...stored.accounts, [account]: scenarios.slice(-MOST_SCENARIOS) };
  return JSON.stringify({ version: VERSION, accounts }, (_, part: unknown) =>
    typeof part === "bigint" ? part.toString() : part,
  );
}

export function loadScenarios(account: Address): Kept {
  return scenariosIn(localStorage.getItem(KEY), account);
}

export function keepScenarios(account: Address, scenarios: readonly Scenario[]): Kept {
  localStorage.setItem(KEY, withScenarios(localStorage.getItem(KEY), account, scenarios));
  return { scenarios: [...scenarios], ignored: 0 };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function whole(value: unknown, from: number, to: number): value is number {
  return Number.isInteger(value) && (value as number) >= from && (value as number) <= to;
}

/** An entry, when every part of it is what it should be. */
function scenarioOf(entry: unknown): Scenario | undefined {
  if (!isRecord(entry) || typeof entry["name"] !== "string" || !isRecord(entry["what"])) return undefined;
  const { spot, volatility, days, legs } = entry["what"];
  const name = entry["name"].trim().slice(0, LONGEST_NAME);
  if (name === "" || !isRecord(spot) || !whole(volatility, -60, 100) || !whole(days, 0, 90) || !Array.isArray(legs))
    return undefined;
  if (!Object.entries(spot).every(([key, move]) => isAddress(key) && whole(move, -90, 200))) return undefined;
  const read = legs.map(legOf);
  if (read.length > 8 || read.includes(undefined)) return undefined;
  return { name, what: { spot: spot as WhatIf["spot"], volatility, days, legs: read as DraftLeg[] } };
}

function legOf(entry: unknown): DraftLeg | undefined {
  if (!isRecord(entry) || !isRecord(entry["instrument"])) return undefined;
  const { underlying, quantity } = entry;
  const { kind, expiry, strike, series } = entry["instrument"];
  if (typeof underlying !== "string" || !isAddress(underlying)) return undefined;
  if (typeof quantity !== "string" || !/^-?[1-9]\d{0,18}$/.test(quantity)) return undefined;
  if (!whole(kind, 0, 3) || !whole(expiry, 0, 11) || !whole(strike, 0, 255) || !whole(series, 0, 2 ** 32 - 1)) return undefined;
  const instrument = { kind: kind as InstrumentKind, expiry, strike, series };
  return { underlying, instrument, quantity: BigInt(quantity) };
}
