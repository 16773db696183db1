/** What can be held and traded on an underlying: names, lists, expiries. */
import { InstrumentKind, positionKind, symbolText, type Instrument, type PositionSlot, type Underlying } from "@margrave/client";
import { day, price } from "./format";

export const KIND_NAMES: Record<InstrumentKind, string> = {
  [InstrumentKind.Perp]: "Perp",
  [InstrumentKind.Future]: "Future",
  [InstrumentKind.Call]: "Call",
  [InstrumentKind.Put]: "Put",
};

export const PERP: Instrument = { kind: InstrumentKind.Perp, expiry: 0, strike: 0, series: 0 };

export function isOption(kind: InstrumentKind): boolean {
  return kind === InstrumentKind.Call || kind === InstrumentKind.Put;
}

/** `SOL perp`, `SOL 27 Mar 26 future`, `SOL 27 Mar 26 $180 call`. */
export function instrumentName(underlying: Underlying, instrument: Pick<Instrument, "kind" | "expiry" | "strike">): string {
  const symbol = symbolText(underlying.symbol);
  if (instrument.kind === InstrumentKind.Perp) return `${symbol} perp`;
  const expiry = underlying.expiries[instrument.expiry];
  const date = expiry && expiry.series !== 0 ? day(expiry.time) : `expiry ${instrument.expiry}`;
  if (instrument.kind === InstrumentKind.Future) return `${symbol} ${date} future`;
  const strike = underlying.strikes[instrument.strike]?.price[0] ?? 0n;
  return `${symbol} ${date} ${strikeName(strike)} ${KIND_NAMES[instrument.kind].toLowerCase()}`;
}

/** 10^-10 dollars as a strike is said: `$180`, `$1.25`. */
export function strikeName(strike: bigint): string {
  return price(strike, strike % 10_000_000_000n === 0n ? 0 : strike % 100_000_000n === 0n ? 2 : 4);
}

/** The instrument of a position; undefined for an empty slot. */
export function instrumentOf(underlying: Underlying, position: PositionSlot): Instrument | undefined {
  const kind = positionKind(position);
  if (kind === undefined) return undefined;
  const series = kind === InstrumentKind.Perp ? 0 : (underlying.expiries[position.expiry]?.series ?? 0);
  return { kind, expiry: position.expiry, strike: position.strike, series };
}

export type ListedExpiry = { index: number; series: number; time: bigint };
export type ListedStrike = { index: number; price: bigint; vol: bigint };

/** Expiries that still trade, soonest first. */
export function expiriesOf(underlying: Underlying, now: bigint): ListedExpiry[] {
  const listed = underlying.expiries.map(({ series, time }, index) => ({ index, series, time }));
  return listed.filter(({ series, time }) => series !== 0 && time > now).sort((a, b) => (a.time < b.time ? -1 : 1));
}

/** Strikes of an expiry that have a volatility, lowest first. */
export function strikesOf(underlying: Underlying, expiry: number): ListedStrike[] {
  const listed = underlying.strikes.map((slot, index) => ({
    index,
    price: slot.price[0] ?? 0n,
    vol: slot.vol,
    expiry: slot.expiry,
  }));
  return listed.filter(slot => slot.expiry === expiry + 1 && slot.vol > 0n).sort((a, b) => (a.price < b.price ? -1 : 1));
}
