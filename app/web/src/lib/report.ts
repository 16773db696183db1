/** Everything the engine says of one account, and its rows. */
import type { Address } from "@solana/kit";
import {
  positionKind,
  type EngineClient,
  type Explanation,
  type Instrument,
  type MarginAccount,
  type PositionReport,
  type PositionSlot,
  type Supposition,
  type Underlying,
} from "@margrave/client";
import { instrumentName, instrumentOf } from "./instruments";
import { atomsOf, bankOf, tokenOf, underlyingOf, type Stored, type World } from "./market";
import type { Bank } from "@margrave/client";

/** One risk slot: its underlying, its cells and sensitivities. */
export type SlotReport = {
  slot: number;
  underlying: Stored<Underlying>;
  explanation: Explanation;
  /** Its own worst scenario, by the engine. */
  worstCell: number;
};

export type HeldPosition = {
  slot: PositionSlot;
  instrument: Instrument;
  underlying: Stored<Underlying>;
  name: string;
  report: PositionReport;
};

export type AccountReport = {
  key: Address;
  /** Of the whole account; its cells are of no slot. */
  whole: Explanation;
  slots: SlotReport[];
  positions: HeldPosition[];
};

/** A risk slot that no account has. */
const NO_SLOT = 255;

/** The account as it would be held; what is stored shows it where a stale price refuses a valuation. */
async function heldBy(
  engine: EngineClient,
  account: Stored<MarginAccount>,
  now: bigint,
  supposed?: Supposition,
): Promise<MarginAccount> {
  const valued = async () => engine.revalue(account.address, now, supposed);
  return valued().catch(() => account.data);
}

/** Margin numbers and scenarios, without positions one by one. */
export async function scenariosOf(
  engine: EngineClient,
  world: World,
  account: Stored<MarginAccount>,
  now: bigint,
  supposed?: Supposition,
): Promise<AccountReport> {
  const key = account.address;
  const valuing = heldBy(engine, account, now, supposed);
  const explaining = engine.explain(key, NO_SLOT, now, supposed);
  // A trade may open a risk slot: then what is held is needed first. Otherwise all is asked at once.
  const known = supposed?.legs?.length ? await valuing : account.data;
  const used = known.risk.flatMap((slot, index) => (slot.used ? [{ index, sheet: underlyingOf(world, slot.underlying) }] : []));
  const [whole, held, ...explanations] = await Promise.all([
    explaining,
    valuing,
    ...used.map(({ index }) => engine.explain(key, index, now, supposed)),
  ]);
  const slots = used.flatMap(({ index, sheet }, place) =>
    sheet ? [{ slot: index, underlying: sheet, explanation: explanations[place]!, worstCell: held.risk[index]!.worstCell }] : [],
  );
  return { key, whole, slots, positions: [] };
}

/** Positions one by one: dearer than everything else together. */
export async function positionsOf(
  engine: EngineClient,
  world: World,
  account: Stored<MarginAccount>,
  now: bigint,
  supposed?: Supposition,
): Promise<HeldPosition[]> {
  const [held, reports] = await Promise.all([
    heldBy(engine, account, now, supposed),
    engine.positions(account.address, now, supposed),
  ]);
  const open = held.positions.filter(position => positionKind(position) !== undefined);
  return open.flatMap((slot, index) => {
    const underlying = underlyingOf(world, held.risk[slot.riskSlot]!.underlying);
    const instrument = underlying && instrumentOf(underlying.data, slot);
    const report = reports[index];
    if (!underlying || !instrument || !report) return [];
    return [{ slot, instrument, underlying, name: instrumentName(underlying.data, instrument), report }];
  });
}

/** All of it, as things are or as is supposed. */
export async function reportOf(...asked: Parameters<typeof scenariosOf>): Promise<AccountReport> {
  const [report, positions] = await Promise.all([scenariosOf(...asked), positionsOf(...asked)]);
  return { ...report, positions };
}

/** Prices and their times that an account was last valued at, by underlying. */
export function stampsOf(account: MarginAccount): string {
  return account.risk
    .filter(slot => slot.used)
    .map(slot => `${slot.underlying} ${slot.price} ${slot.publishTime}`)
    .join();
}

/** A balance of an account. */
export type Balance = {
  bank: Stored<Bank>;
  token: string;
  atoms: bigint;
  /** Micro-dollars before haircuts: at par for the quote token, else at the last price; undefined without one. */
  value: bigint | undefined;
};

export function balancesOf(world: World, account: MarginAccount): Balance[] {
  return account.collateral.flatMap(slot => {
    const bank = slot.shares === 0n ? undefined : bankOf(world, slot.bank);
    if (!bank) return [];
    const atoms = atomsOf(bank.data, slot.shares);
    return [{ bank, token: tokenOf(world, bank), atoms, value: valueOf(world, bank, atoms) }];
  });
}

/** What atoms of a bank's token are worth at the last price, micro-dollars, down. */
export function valueOf(world: World, bank: Stored<Bank>, atoms: bigint): bigint | undefined {
  if (bank.address === world.group.data.quoteBank) return atoms;
  const sheet = underlyingOf(world, bank.data.underlying);
  if (!sheet || sheet.data.oracle.price === 0n) return undefined;
  const whole = 10n ** BigInt(4 + bank.data.decimals);
  const product = atoms * sheet.data.oracle.price;
  return product >= 0n ? product / whole : -((-product + whole - 1n) / whole);
}

/** Greeks in the units that are shown: dollars a 1 % move, that a further 1 %, a volatility point, a day. */
export function shownGreeks({ delta, gamma, vega, theta }: PositionReport["greeks"]) {
  return { delta: delta / 100n, gamma: gamma / 10_000n, vega: vega / 100n, theta: theta / 365n };
}

export const MODES = ["Portfolio margin", "Cross margin", "Isolated margin"] as const;
export const STATUSES = ["Healthy", "Margin call", "In liquidation", "Bankrupt"] as const;

/** The ten charges in the order of the program's answer. */
export const CHARGES = [
  "basis",
  "delta",
  "naked",
  "vega",
  "size",
  "nakedInitial",
  "confidence",
  "collateral",
  "depeg",
  "stable",
] as const;
export type ChargeName = (typeof CHARGES)[number];

export function chargesOf({ charges }: Explanation): Record<ChargeName, bigint> {
  return Object.fromEntries(CHARGES.map((name, index) => [name, charges[index] ?? 0n])) as Record<ChargeName, bigint>;
}
