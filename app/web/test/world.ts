/** The client's fixtures as this app reads them. */
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { address } from "@solana/kit";
import {
  decodeMargraveAccount,
  Engine,
  type Bank,
  type Group,
  type MarginAccount,
  type Proposal,
  type Underlying,
} from "@margrave/client";
import type { Stored, World } from "../src/lib/market";

type Json = {
  now: number;
  program: string;
  accounts: Record<string, { address: string; data: string }>;
  refused: { line: string };
};
export const story = JSON.parse(readFileSync(resolve(import.meta.dirname, "../../client/fixtures/world.json"), "utf8")) as Json;
export const now = BigInt(story.now);

export function stored<T>(name: string): Stored<T> {
  const { address: key, data } = story.accounts[name]!;
  const raw = Uint8Array.from(Buffer.from(data, "hex"));
  return { address: address(key), raw, slot: 1n, data: decodeMargraveAccount(raw).data as T };
}

export function storyWorld(): World {
  const margins = ["alice", "carol", "maker"].map(name => stored<MarginAccount>(name));
  return {
    group: stored<Group>("group"),
    banks: [stored<Bank>("usdcBank"), stored<Bank>("solBank")],
    underlyings: [stored<Underlying>("underlying")],
    proposals: [stored<Proposal>("proposal")],
    outflow: undefined,
    margins: new Map(margins.map(each => [each.address, each])),
    slot: 1n,
    clock: { unix: now, readAt: Date.now() },
    info: undefined,
    version: 1,
  };
}

export const wasm = readFileSync(resolve(import.meta.dirname, "../../client/wasm/margrave.wasm"));

export async function storyEngine(): Promise<Engine> {
  const engine = await Engine.load(wasm);
  const world = storyWorld();
  for (const { address, raw } of [world.group, ...world.banks, ...world.underlyings, ...world.margins.values()])
    engine.put(address, raw);
  return engine;
}
