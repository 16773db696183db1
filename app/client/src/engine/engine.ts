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
  addDecoderSizePrefix,
  getAddressDecoder,
  getArrayDecoder,
  getBooleanDecoder,
  getBytesDecoder,
  getBytesEncoder,
  getI64Decoder,
  getStructDecoder,
  getTupleDecoder,
  getU32Decoder,
  getU8Decoder,
  getUtf8Encoder,
  AccountRole,
  type Address,
  type Decoder,
  type Instruction as Call,
  type ReadonlyUint8Array,
} from "@solana/kit";
import { getMarginAccountDecoder, type MarginAccount } from "../generated/accounts/index.js";
import {
  getExplanationDecoder,
  getInstrumentEncoder,
  getLegEncoder,
  getPreviewAnswerDecoder,
  getSlotGreeksDecoder,
  getTakenDecoder,
  type Explanation,
  type InstrumentArgs,
  type LegArgs,
  type PreviewAnswer,
  type SlotGreeks,
  type Taken,
} from "../generated/types/index.js";

/** A trade, deposits and withdrawals that an account thinks of. */
export type Hypothesis = {
  /** What the account would trade, as the taker; up to eight. */
  legs?: readonly { underlying: Address; leg: LegArgs }[];
  /** Atoms: deposits, or with a negative amount withdrawals. */
  balances?: readonly { bank: Address; amount: bigint }[];
};

/** A market that has moved and is otherwise the same: terms, scan range and carries stay, the stable price is as far from the price as it was. */
export type MarketMove = {
  underlying: Address;
  /** 10^-10 dollars per whole unit. */
  price: bigint;
  /** Change of every volatility, millionths of itself. */
  volatilityPpm: bigint;
  /** Seconds that pass; ask with a `now` that is so much later. */
  seconds: bigint;
};

/** A trade and a move of the market, in this order, that a question is asked about. `now` is when the trade is made. */
export type Supposition = Hypothesis & { now: bigint; moves?: readonly MarketMove[] };

/** One position as if it were all that the account has. */
export type PositionReport = {
  /** 10^-10 dollars per whole unit. */
  mark: bigint;
  /** Micro-dollars, rounded down: an option at its mark; of others profit and loss, with `funding` taken off. */
  value: bigint;
  /** What a perp owes for funding that was not charged yet, micro-dollars; negative: what it gets. */
  funding: bigint;
  initialMargin: bigint;
  maintenanceMargin: bigint;
  greeks: SlotGreeks;
  /** Profit and loss in each scenario; those of positions need not add up to the underlying's. */
  cells: bigint[];
};

/** What a keeper's step does, in the order of the client's `StepKind`. */
export const STEP_KINDS = [
  "Flag",
  "Positions",
  "Collateral",
  "Slice",
  "Settle",
  "CoverDeficit",
  "WriteOffDebt",
  "Nominate",
  "Deleverage",
  "RegisterProfit",
  "ShareLoss",
] as const;

/** What a keeper would send next. */
export type StepPlan = {
  kind: (typeof STEP_KINDS)[number];
  /** What it frees of the requirement at which a liquidation ends, what the account pays for it, and what of that insurance gets, micro-dollars. */
  relief: bigint;
  cost: bigint;
  insured: bigint;
  /** Signed by the liquidator's authority where it signs at all. */
  instruction: Call;
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
  [
    "mark",
    getStructEncoder([
      ["underlying", getAddressEncoder()],
      ["instrument", getInstrumentEncoder()],
      ["now", question.now],
    ]),
  ],
  [
    "positions",
    getStructEncoder([
      ["key", question.key],
      ["now", question.now],
    ]),
  ],
  [
    "plan",
    getStructEncoder([
      ["key", question.key],
      ["liquidator", getAddressEncoder()],
      ["now", question.now],
    ]),
  ],
  [
    "suppose",
    getStructEncoder([
      ["key", question.key],
      ["now", question.now],
      ["legs", getArrayEncoder(getTupleEncoder([getAddressEncoder(), getLegEncoder()]))],
      ["balances", getArrayEncoder(getTupleEncoder([getAddressEncoder(), getI64Encoder()]))],
      [
        "moves",
        getArrayEncoder(
          getStructEncoder([
            ["underlying", getAddressEncoder()],
            ["price", getI64Encoder()],
            ["volatilityPpm", getI64Encoder()],
            ["seconds", getI64Encoder()],
          ]),
        ),
      ],
      ["question", addEncoderSizePrefix(getBytesEncoder(), getU32Encoder())],
    ]),
  ],
]);

const reportsDecoder: Decoder<PositionReport[]> = getArrayDecoder(
  getStructDecoder([
    ["mark", getI64Decoder()],
    ["value", getI64Decoder()],
    ["funding", getI64Decoder()],
    ["initialMargin", getI64Decoder()],
    ["maintenanceMargin", getI64Decoder()],
    ["greeks", getSlotGreeksDecoder()],
    ["cells", getArrayDecoder(getI64Decoder(), { size: 31 })],
  ]),
);

const planDecoder = getStructDecoder([
  ["kind", getU8Decoder()],
  ["relief", getI64Decoder()],
  ["cost", getI64Decoder()],
  ["insured", getI64Decoder()],
  ["program", getAddressDecoder()],
  ["accounts", getArrayDecoder(getTupleDecoder([getAddressDecoder(), getBooleanDecoder(), getBooleanDecoder()]))],
  ["data", addDecoderSizePrefix(getBytesDecoder(), getU32Decoder())],
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
  preview(key: Address, change: Hypothesis, now: bigint): PreviewAnswer {
    const answer = this.#ask({ __kind: "preview", key, now, ...changed(change) });
    return getPreviewAnswerDecoder().decode(answer);
  }

  /** Every number behind an account's margin, and the 31 cells and sensitivities of one risk slot: what `explain` returns. */
  explain(key: Address, slot: number, now: bigint, supposed?: Supposition): Explanation {
    return getExplanationDecoder().decode(this.#asSupposed(key, { __kind: "explain", key, now, slot }, supposed));
  }

  /** The margin account as the chain would store it if it valued it now. */
  revalue(key: Address, now: bigint, supposed?: Supposition): MarginAccount {
    return getMarginAccountDecoder().decode(this.#asSupposed(key, { __kind: "revalue", key, now }, supposed));
  }

  /** What an instrument is worth by its sheet, 10^-10 dollars per whole unit. */
  mark(underlying: Address, instrument: InstrumentArgs, now: bigint): bigint {
    return getI64Decoder().decode(this.#ask({ __kind: "mark", underlying, instrument, now }));
  }

  /** Every position of the account by itself, in the account's order. */
  positions(key: Address, now: bigint, supposed?: Supposition): PositionReport[] {
    return reportsDecoder.decode(this.#asSupposed(key, { __kind: "positions", key, now }, supposed));
  }

  /** What a keeper with the margin account `liquidator` would do about `key` next; undefined: nothing. */
  plan(key: Address, liquidator: Address, now: bigint): StepPlan | undefined {
    const answer = this.#ask({ __kind: "plan", key, liquidator, now });
    if (answer[0] === 0) return undefined;
    const { kind, program, accounts, data, ...money } = planDecoder.decode(answer, 1);
    const role = (signer: boolean, writable: boolean) => (Number(signer) * 2 + Number(writable)) as AccountRole;
    const metas = accounts.map(([address, signer, writable]) => ({ address, role: role(signer, writable) }));
    return { kind: STEP_KINDS[kind]!, ...money, instruction: { programAddress: program, accounts: metas, data } };
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

  /** The question as it is, or as if something had happened to the account and to the market before. */
  #asSupposed(key: Address, question: Request, supposed?: Supposition): Uint8Array {
    if (!supposed) return this.#ask(question);
    const { now, moves = [], ...change } = supposed;
    return this.#ask({
      __kind: "suppose",
      key,
      now,
      ...changed(change),
      moves: [...moves],
      question: requestEncoder.encode(question),
    });
  }

  #ask(request: Request): Uint8Array {
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

type Request = Parameters<typeof requestEncoder.encode>[0];

function changed({ legs = [], balances = [] }: Hypothesis) {
  return {
    legs: legs.map(({ underlying, leg }) => [underlying, leg] as const),
    balances: balances.map(({ bank, amount }) => [bank, amount] as const),
  };
}
