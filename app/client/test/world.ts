/** What the compiled program made or accepted, written by `client-fixtures` (tests/client-fixtures). */
import { readFileSync } from "node:fs";
import { AccountRole, address, type AccountMeta, type Address, type Instruction } from "@solana/kit";

type Json = string | number | boolean | null | Json[] | { [key: string]: Json };
type Fields = { [key: string]: Json };
type InstructionJson = { program: string; accounts: { address: string; signer: boolean; writable: boolean }[]; data: string };

type World = {
  program: string;
  eventAuthority: string;
  now: string | number;
  accounts: Record<string, { address: Address; type: string; data: string; fields: Fields }>;
  pdas: Record<string, string> & { owner: Address; mint: Address };
  instructions: Record<string, InstructionJson>;
  events: { name: string; inner?: string; log?: string; fields: Fields }[];
  quote: { seed: string; fields: Fields; message: string; signer: string; signature: string; instruction: InstructionJson };
  refused: { code: number; line: string };
  views: Record<string, { instruction: InstructionJson; answer: string }>;
  valued: Record<string, { fields: Fields; cells: string[]; takeover: Fields | null }>;
  lookup: {
    table: Address;
    data: string;
    blockhash: string;
    payer: Address;
    instruction: InstructionJson;
    message: string;
    legacyLength: number;
  };
};

export const world = JSON.parse(readFileSync(new URL("../fixtures/world.json", import.meta.url), "utf8")) as World;
export const now = BigInt(world.now);

export function accountOf(name: string) {
  const account = world.accounts[name];
  if (!account) throw new Error(`The story has no account ${name}`);
  return { ...account, bytes: bytes(account.data) };
}

export function bytes(hex: string): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Buffer.from(hex, "hex"));
}

export function instructionOf({ program, accounts, data }: InstructionJson) {
  const metas = accounts.map(({ address: key, signer, writable }): AccountMeta => ({
    address: address(key),
    role: [AccountRole.READONLY, AccountRole.WRITABLE, AccountRole.READONLY_SIGNER, AccountRole.WRITABLE_SIGNER][
      Number(signer) * 2 + Number(writable)
    ]!,
  }));
  return { programAddress: address(program), accounts: metas, data: bytes(data) };
}

/** An instruction of ours without what Rust's has not: the signers themselves. */
export function plain({ programAddress, accounts = [], data }: Instruction) {
  return {
    programAddress,
    accounts: accounts.map(({ address, role }) => ({ address, role })),
    data: Uint8Array.from(data ?? []),
  };
}

/** Decoded values as the fixture writes them: 64-bit numbers as text, bytes as lists. */
export function shown(value: unknown): unknown {
  if (typeof value === "bigint") return value.toString();
  if (value instanceof Uint8Array || Array.isArray(value)) return Array.from(value as unknown[], shown);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, shown(part)]));
}
