/**
 * The program's valuation of accounts in a WebAssembly module: the same Rust code, so that a preview is what the chain answers.
 */
import {
  getAddressEncoder,
  getArrayEncoder,
  getDiscriminatedUnionEncoder,
  getI64Encoder,
  getStructEncoder,
  getTupleEncoder,
  getU32Encoder,
  getU8Encoder,
  getUnitEncoder,
  addEncoderSizePrefix,
  getBytesEncoder,
  getUtf8Encoder,
  type Address,
  type ReadonlyUint8Array,
} from "@solana/kit";
import { getMarginAccountDecoder, type MarginAccount } from "../generated/accounts/index.js";
import {
  getExplanationDecoder,
  getLegEncoder,
  getPreviewAnswerDecoder,
  getTakenDecoder,
  type Explanation,
  type LegArgs,
  type PreviewAnswer,
  type Taken,
} from "../generated/types/index.js";

/** A trade, deposits and withdrawals that an account thinks of. */
export type Hypothesis = {
  /** What the account would trade, as the taker; up to eight. */
  legs?: readonly { underlying: Address; leg: LegArgs }[];
  /** Atoms: deposits, or with a negative amount withdrawals. */
  balances?: readonly { bank: Address; amount: bigint }[];
};

export type EvalKind = "price" | "math" | "svi" | "margin";
const EVAL_KINDS: readonly EvalKind[] = ["price", "math", "svi", "margin"];

/** A refusal of the engine: the program's error number, or 0, and its sentence. */
export class EngineRefusal extends Error {
  override readonly name = "EngineRefusal";
  constructor(
    readonly number: number,
    sentence: string,
  ) {
    super(sentence);
  }
}

type Exports = {
  memory: WebAssembly.Memory;
  margrave_input(length: number): number;
  margrave_run(): number;
  margrave_output(): number;
  margrave_output_length(): number;
};

const question = { key: getAddressEncoder(), now: getI64Encoder() };
const requestEncoder = getDiscriminatedUnionEncoder([
  [
    "put",
    getStructEncoder([
      ["key", getAddressEncoder()],
      ["data", addEncoderSizePrefix(getBytesEncoder(), getU32Encoder())],
    ]),
  ],
  ["clear", getUnitEncoder()],
  [
    "preview",
    getStructEncoder([
      ["key", question.key],
      ["now", question.now],
      ["legs", getArrayEncoder(getTupleEncoder([getAddressEncoder(), getLegEncoder()]))],
      ["balances", getArrayEncoder(getTupleEncoder([getAddressEncoder(), getI64Encoder()]))],
    ]),
  ],
  [
    "explain",
    getStructEncoder([
      ["key", question.key],
      ["now", question.now],
      ["slot", getU8Encoder()],
    ]),
  ],
  [
    "revalue",
    getStructEncoder([
      ["key", question.key],
      ["now", question.now],
    ]),
  ],
  [
    "takeover",
    getStructEncoder([
      ["key", question.key],
      ["now", question.now],
      ["underlying", getAddressEncoder()],
    ]),
  ],
  [
    "eval",
    getStructEncoder([
      ["kind", getU8Encoder()],
      ["line", addEncoderSizePrefix(getUtf8Encoder(), getU32Encoder())],
    ]),
  ],
]);

/** Accounts, and the valuations that the chain would make of them. Times are unix seconds. */
export class Engine {
  readonly #exports: Exports;

  private constructor(exports: Exports) {
    this.#exports = exports;
  }

  /** From the bytes of `margrave.wasm`, or a response that holds them. */
  static async load(source: BufferSource | Response | Promise<Response>): Promise<Engine> {
    const bytes = source instanceof ArrayBuffer || ArrayBuffer.isView(source) ? source : await (await source).arrayBuffer();
    const { instance } = await WebAssembly.instantiate(bytes);
    return new Engine(instance.exports as Exports);
  }

  /** Keeps a group, bank, underlying or margin account, in place of what was there. */
  put(key: Address, data: ReadonlyUint8Array): void {
    this.#ask({ __kind: "put", key, data });
  }

  /** Forgets every account. */
  clear(): void {
    this.#ask({ __kind: "clear" });
  }

  /** The margin numbers of an account before and after a change: what the program's `preview` returns. */
  preview(key: Address, { legs = [], balances = [] }: Hypothesis, now: bigint): PreviewAnswer {
    const answer = this.#ask({
      __kind: "preview",
      key,
      now,
      legs: legs.map(({ underlying, leg }) => [underlying, leg] as const),
      balances: balances.map(({ bank, amount }) => [bank, amount] as const),
    });
    return getPreviewAnswerDecoder().decode(answer);
  }

  /** Every number behind an account's margin, and the 31 cells and sensitivities of one risk slot: what `explain` returns. */
  explain(key: Address, slot: number, now: bigint): Explanation {
    return getExplanationDecoder().decode(this.#ask({ __kind: "explain", key, now, slot }));
  }

  /** The margin account as the chain would store it if it valued it now. */
  revalue(key: Address, now: bigint): MarginAccount {
    return getMarginAccountDecoder().decode(this.#ask({ __kind: "revalue", key, now }));
  }

  /** What a liquidator may take over of the account's perp now; undefined: nothing. */
  takeover(key: Address, underlying: Address, now: bigint): Taken | undefined {
    const answer = this.#ask({ __kind: "takeover", key, now, underlying });
    return answer[0] === 0 ? undefined : getTakenDecoder().decode(answer, 1);
  }

  /** The answer to one line of `margrave eval`, as JSON text. */
  eval(kind: EvalKind, line: string): string {
    const answer = this.#ask({ __kind: "eval", kind: EVAL_KINDS.indexOf(kind), line });
    return new TextDecoder().decode(answer);
  }

  #ask(request: Parameters<typeof requestEncoder.encode>[0]): Uint8Array {
    const bytes = requestEncoder.encode(request);
    const { memory, margrave_input, margrave_run, margrave_output, margrave_output_length } = this.#exports;
    // Memory may move when it grows: it is looked at after each call.
    const input = margrave_input(bytes.length);
    new Uint8Array(memory.buffer, input, bytes.length).set(bytes);
    const refused = margrave_run() !== 0;
    const output = new Uint8Array(memory.buffer, margrave_output(), margrave_output_length()).slice();
    if (!refused) return output;
    throw new EngineRefusal(new DataView(output.buffer).getUint32(0, true), new TextDecoder().decode(output.subarray(4)));
  }
}
