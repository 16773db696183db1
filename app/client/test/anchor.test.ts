/** Anchor's own client reads the published interface to the same numbers. */
import { readFileSync } from "node:fs";
import { BorshAccountsCoder, BorshEventCoder, BorshInstructionCoder, type Idl } from "@anchor-lang/core";
import { describe, expect, test } from "vitest";
import { decodeMargraveAccount, eventInInstruction, parseDepositInstruction, parseTradeInstruction } from "../src/index.js";
import { accountOf, bytes, instructionOf, shown, world } from "./world.js";

const idl = JSON.parse(readFileSync(new URL("../../../idl/margrave.json", import.meta.url), "utf8")) as Idl;

/** Anchor's values as ours: its own big numbers and keys as text, names in camel case, bytes as lists. */
function ours(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (value instanceof Uint8Array || Array.isArray(value)) return Array.from(value as unknown[], ours);
  if (value.constructor.name === "BN" || value.constructor.name === "PublicKey") return String(value);
  const entries = Object.entries(value).map(([key, part]) => [
    key.replace(/_([a-z0-9])/g, (_, letter) => letter.toUpperCase()),
    ours(part),
  ]);
  return Object.fromEntries(entries);
}

describe("Anchor's coder and ours", () => {
  test.each(["Group", "Bank", "Underlying", "MarginAccount"])("decode a %s alike", type => {
    const account = Object.keys(world.accounts)
      .map(accountOf)
      .find(account => account.type === type)!;
    const { discriminator: _, ...decoded } = decodeMargraveAccount(account.bytes).data;
    const theirs = new BorshAccountsCoder(idl).decode(type, Buffer.from(account.bytes));
    expect(ours(theirs)).toEqual(shown(decoded));
  });

  test("decode an instruction alike", () => {
    const coder = new BorshInstructionCoder(idl);
    const deposit = instructionOf(world.instructions["deposit"]!);
    const theirs = coder.decode(Buffer.from(deposit.data))!;
    expect(theirs.name).toBe("deposit");
    expect(ours(theirs.data)).toEqual({ amount: parseDepositInstruction(deposit).data.amount.toString() });

    const trade = instructionOf(world.instructions["trade"]!);
    const { args } = ours(coder.decode(Buffer.from(trade.data))!.data) as {
      args: { legs: { quantity: string; price: string }[] };
    };
    const quantities = parseTradeInstruction(trade).data.legs.map(({ quantity, price }) => [quantity, price]);
    expect(args.legs.map(({ quantity, price }) => [quantity, price])).toEqual(shown(quantities));
  });

  test("decode an event alike", () => {
    const { inner, name } = world.events.find(event => event.name === "Withdrawn")!;
    // Anchor's coder takes an event's bytes as base64, without the tag of the instruction.
    const theirs = new BorshEventCoder(idl).decode(Buffer.from(bytes(inner!).subarray(8)).toString("base64"))!;
    expect([theirs.name, ours(theirs.data)]).toEqual([name, shown(eventInInstruction(bytes(inner!))!.data)]);
  });
});
