/** The WebAssembly module against the compiled program, the Rust client and the native engine: bit for bit. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Address } from "@solana/kit";
import { beforeEach, describe, expect, test } from "vitest";
import {
  connectEngine,
  Engine,
  EngineRefusal,
  getExplanationEncoder,
  getPreviewAnswerEncoder,
  parseExplainInstruction,
  parsePreviewInstruction,
  serveEngine,
  type EvalKind,
  type Hypothesis,
  type Port,
} from "../src/index.js";
import { accountOf, bytes, instructionOf, now, shown, world } from "./world.js";

const wasm = readFileSync(new URL("../wasm/margrave.wasm", import.meta.url));
const needed = ["group", "usdcBank", "solBank", "underlying", "alice", "carol", "maker"];
const alice = accountOf("alice").address;
const carol = accountOf("carol").address;
const underlying = accountOf("underlying").address;

let engine: Engine;
beforeEach(async () => {
  engine = await Engine.load(wasm);
  for (const name of needed) engine.put(accountOf(name).address, accountOf(name).bytes);
});

/** What a `preview` instruction asks, by address. */
function hypothesis(name: string): Hypothesis {
  const instruction = instructionOf(world.views[name]!.instruction);
  const { legs, sheets, balances } = parsePreviewInstruction(instruction).data;
  const at = (place: number): Address => instruction.accounts[2 + place]!.address;
  return {
    legs: legs.map((leg, index) => ({ underlying: at(sheets[index]!), leg })),
    balances: balances.map(({ bank, amount }) => ({ bank: at(bank), amount })),
  };
}

describe("the engine's answers", () => {
  test.each(["previewNothing", "previewLegs", "previewLegsAndBalance"])("%s is the chain's, byte by byte", name => {
    const answer = engine.preview(alice, hypothesis(name), now);
    expect(getPreviewAnswerEncoder().encode(answer)).toEqual(bytes(world.views[name]!.answer));
  });

  test("the previews differ, so that the change was looked at", () => {
    const margins = Object.keys(world.views)
      .filter(name => name.startsWith("preview"))
      .map(name => engine.preview(alice, hypothesis(name), now).after.initialMargin);
    expect(new Set(margins).size).toBe(3);
  });

  test("an explanation is the chain's, byte by byte, with 31 cells", () => {
    const { instruction, answer } = world.views["explain"]!;
    const { slot } = parseExplainInstruction(instructionOf(instruction)).data;
    const explanation = engine.explain(alice, slot, now);
    expect(explanation.cells).toHaveLength(31);
    expect(getExplanationEncoder().encode(explanation)).toEqual(bytes(answer));
  });

  test.each(Object.entries(world.valued))("%s revalued is what the Rust client says", (name, { fields, takeover }) => {
    expect(shown(engine.revalue(accountOf(name).address, now))).toMatchObject(fields);
    const found = engine.takeover(accountOf(name).address, underlying, now);
    expect(shown(found)).toEqual(takeover ?? undefined);
  });

  test("a refusal is the program's", () => {
    const refusal = (ask: () => unknown) => {
      try {
        ask();
      } catch (error) {
        return error instanceof EngineRefusal ? error.number : error;
      }
    };
    expect(refusal(() => engine.preview(alice, {}, now + 3_600n))).toBe(6204);
    expect(refusal(() => engine.takeover(carol, underlying, now + 16n))).toBe(6204);
    expect(refusal(() => engine.revalue(underlying, now))).toBe(6010);
    expect(refusal(() => engine.put(alice, new Uint8Array(8)))).toBe(0);
    engine.clear();
    expect(refusal(() => engine.revalue(alice, now))).toBe(6010);
    // It answers again afterwards.
    for (const name of needed) engine.put(accountOf(name).address, accountOf(name).bytes);
    expect(engine.revalue(alice, now).owner).toBe(accountOf("alice").fields["owner"]);
  });
});

describe("the golden vectors", () => {
  const native = process.env["MARGRAVE_NATIVE"];

  test.each(["price", "math", "svi", "margin"] as const)("%s: every line is the native engine's", (kind: EvalKind) => {
    if (!native) throw new Error("MARGRAVE_NATIVE names no folder of native answers; run ./dev ts");
    const lines = (path: string) => readFileSync(path, "utf8").trimEnd().split("\n");
    const questions = lines(new URL(`../../../tests/vectors/${kind}.jsonl`, import.meta.url).pathname);
    const answers = lines(join(native, `${kind}.jsonl`));
    expect(answers).toHaveLength(questions.length);
    for (const [index, question] of questions.entries()) expect(engine.eval(kind, question)).toBe(answers[index]);
    expect(answers.filter(answer => answer.includes('"error"'))).toEqual([]);
  });
});

describe("the engine behind a port", () => {
  test("answers and refuses as it does directly", async () => {
    const { port1, port2 } = new MessageChannel();
    serveEngine(port1 as unknown as Port);
    const bytesOfModule = wasm.buffer.slice(wasm.byteOffset, wasm.byteOffset + wasm.byteLength) as ArrayBuffer;
    const remote = await connectEngine(port2 as unknown as Port, bytesOfModule);
    await Promise.all(needed.map(name => remote.put(accountOf(name).address, accountOf(name).bytes)));
    const change = hypothesis("previewLegs");
    const [direct, answered] = [engine.preview(alice, change, now), remote.preview(alice, change, now)];
    expect(await answered).toEqual(direct);
    await expect(remote.preview(alice, change, now + 3_600n)).rejects.toMatchObject({ name: "EngineRefusal", number: 6204 });
    await remote.clear();
    await expect(remote.revalue(alice, now)).rejects.toMatchObject({ number: 6010 });
    port2.close();
  });
});
