import { readFileSync } from "node:fs";
import { SOLANA_ERROR__INSTRUCTION_ERROR__CUSTOM, SolanaError } from "@solana/kit";
import { describe, expect, test } from "vitest";
import { refusalIn, refusalOf } from "../src/index.js";
import { world } from "./world.js";

const idl = JSON.parse(readFileSync(new URL("../../../idl/margrave.json", import.meta.url), "utf8")) as {
  errors: { code: number; name: string; msg: string }[];
};

describe("refusals", () => {
  test.each(idl.errors)("$name has its name, its sentence and a remedy", ({ code, name, msg }) => {
    const refusal = refusalOf(code)!;
    expect([refusal.name, refusal.sentence]).toEqual([name, msg]);
    expect(refusal.remedy).toMatch(/\.$/);
    expect(refusal.remedy).not.toBe("Read the transaction's log.");
  });

  test("a number of nobody's is none", () => {
    expect([6999, 0, 3012, Number.NaN].map(refusalOf)).toEqual([undefined, undefined, undefined, undefined]);
  });

  test("the chain's refusal is found in its log, in an RPC error and in Kit's", () => {
    const { code, line } = world.refused;
    const log = ["Program log: custom program error: 0x1", line, "Program X failed: custom program error: 0x2"];
    const inner = new SolanaError(SOLANA_ERROR__INSTRUCTION_ERROR__CUSTOM, { code, index: 1 });
    for (const failure of [
      log,
      { InstructionError: [1, { Custom: code }] },
      inner,
      new Error("sending failed", { cause: inner }),
    ]) {
      expect(refusalIn(failure)?.name).toBe("AccountIsHealthy");
    }
    expect(refusalIn({ err: { InstructionError: [0, { Custom: BigInt(code) }] }, logs: [] })?.number).toBe(code);
  });

  test("what is not a refusal of the program is none", () => {
    for (const failure of [
      undefined,
      "BlockhashNotFound",
      { InstructionError: [0, "ProgramFailedToComplete"] },
      [],
      new Error("x"),
    ]) {
      expect(refusalIn(failure)).toBeUndefined();
    }
    const other = `Program 11111111111111111111111111111111 failed: custom program error: 0x1900`;
    expect(refusalIn([other])).toBeUndefined();
  });
});
