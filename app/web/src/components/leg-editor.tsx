/** Legs of a trade, made one by one. Used for tickets and for what is only thought of. */
import { InstrumentKind, parseAmount, type Instrument } from "@margrave/client";
import type { Address } from "@solana/kit";
import { useState } from "react";
import { day, duration, price, quantity, ratio } from "../lib/format";
import { expiriesOf, instrumentName, isOption, KIND_NAMES, PERP, strikeName, strikesOf } from "../lib/instruments";
import { nowOf, symbolOf, underlyingOf, type World } from "../lib/market";
import { useEngine, useWorld } from "../lib/state";
import { Field, Segments } from "./ui";

/** One instrument and how much of it, from the taker's side. */
export type DraftLeg = { underlying: Address; instrument: Instrument; quantity: bigint };

export function legName(world: World, leg: DraftLeg): string {
  const sheet = underlyingOf(world, leg.underlying);
  return sheet ? instrumentName(sheet.data, leg.instrument) : leg.underlying;
}

export function legSize(world: World, leg: DraftLeg): string {
  const decimals = underlyingOf(world, leg.underlying)?.data.decimals ?? 0;
  return quantity(leg.quantity, decimals, { sign: true });
}

const MOST_LEGS = 8;

/** What the form begins with. */
export type Preset = { underlying: Address; instrument: Instrument };

export function LegEditor({
  legs,
  onChange,
  preset,
}: {
  legs: readonly DraftLeg[];
  onChange: (legs: DraftLeg[]) => void;
  preset?: Preset;
}) {
  const world = useWorld();
  const now = nowOf(world);
  const [key, setKey] = useState(preset?.underlying);
  const [kind, setKind] = useState<InstrumentKind>(preset?.instrument.kind ?? InstrumentKind.Perp);
  const [expiry, setExpiry] = useState(preset?.instrument.expiry);
  const [strike, setStrike] = useState(preset?.instrument.strike);
  const [side, setSide] = useState<"buy" | "sell">("buy");
  const [text, setText] = useState("");

  const sheet = (key && underlyingOf(world, key)) ?? world.underlyings[0];
  const expiries = sheet ? expiriesOf(sheet.data, now) : [];
  const slot = expiries.find(each => each.index === expiry) ?? expiries[0];
  const strikes = sheet && slot ? strikesOf(sheet.data, slot.index) : [];
  // Nearest to the price unless one was chosen.
  const spot = sheet?.data.oracle.price ?? 0n;
  const atTheMoney = strikes.toSorted((a, b) => Number(distance(a.price, spot) - distance(b.price, spot)))[0];
  const struck = strikes.find(each => each.index === strike) ?? atTheMoney;
  const instrument = instrumentFor(kind, slot, struck);
  const mark = useEngine(
    ["mark", sheet?.address, instrument],
    sheet && instrument ? (engine, _, at) => engine.mark(sheet.address, instrument, at) : undefined,
  );
  if (!sheet) return <p className="muted">No underlying is listed.</p>;

  const { lot } = sheet.data.market;
  const amount = sizeOf(text, sheet.data.decimals);
  const inLots = amount !== undefined && lot > 0n && amount % lot === 0n;
  const isDuplicate = legs.some(leg => leg.underlying === sheet.address && same(leg.instrument, instrument));
  const problem =
    text === ""
      ? undefined
      : amount === undefined
        ? "A positive number."
        : !inLots
          ? `Whole lots of ${quantity(lot, sheet.data.decimals)}.`
          : isDuplicate
            ? "There is a leg in this already."
            : legs.length >= MOST_LEGS
              ? `At most ${MOST_LEGS} legs.`
              : undefined;
  const add = () => {
    if (!amount || !instrument || problem) return;
    onChange([...legs, { underlying: sheet.address, instrument, quantity: side === "buy" ? amount : -amount }]);
    setText("");
  };
  return (
    <form
      className="form"
      onSubmit={event => {
        event.preventDefault();
        add();
      }}
    >
      <div className="grid2">
        <Field label="Underlying">
          {id => (
            <select
              id={id}
              value={sheet.address}
              onChange={event => (setKey(event.target.value as Address), setExpiry(undefined), setStrike(undefined))}
            >
              {world.underlyings.map(each => (
                <option key={each.address} value={each.address}>
                  {symbolOf(each)}
                </option>
              ))}
            </select>
          )}
        </Field>
        <Field label="Kind">
          {id => (
            <select id={id} value={kind} onChange={event => setKind(Number(event.target.value))}>
              {Object.entries(KIND_NAMES).map(([value, name]) => (
                <option key={value} value={value} disabled={Number(value) !== InstrumentKind.Perp && expiries.length === 0}>
                  {name}
                </option>
              ))}
            </select>
          )}
        </Field>
        {kind !== InstrumentKind.Perp && slot && (
          <Field label="Expiry">
            {id => (
              <select
                id={id}
                value={slot.index}
                onChange={event => (setExpiry(Number(event.target.value)), setStrike(undefined))}
              >
                {expiries.map(each => (
                  <option key={each.index} value={each.index}>
                    {day(each.time)} ({duration(each.time - now)})
                  </option>
                ))}
              </select>
            )}
          </Field>
        )}
        {isOption(kind) && struck && (
          <Field label="Strike">
            {id => (
              <select id={id} value={struck.index} onChange={event => setStrike(Number(event.target.value))}>
                {strikes.map(each => (
                  <option key={each.index} value={each.index}>
                    {strikeName(each.price)} · IV {ratio(each.vol, 0)}
                  </option>
                ))}
              </select>
            )}
          </Field>
        )}
      </div>
      <div className="grid2">
        <div className="field">
          <span className="label">Side</span>
          <Segments
            label="Side"
            value={side}
            onChange={setSide}
            options={[
              { value: "buy", label: "Buy", className: "buy" },
              { value: "sell", label: "Sell", className: "sell" },
            ]}
          />
        </div>
        <Field
          label="Size"
          end={mark.data !== undefined && instrument ? `mark ${price(mark.data)}` : ""}
          hint={
            problem ??
            (instrument
              ? `in ${symbolOf(sheet)}, lots of ${quantity(lot, sheet.data.decimals)}`
              : "Nothing of this kind is listed.")
          }
          bad={problem !== undefined}
        >
          {(id, described) => (
            <input
              id={id}
              aria-describedby={described}
              aria-invalid={problem !== undefined}
              inputMode="decimal"
              autoComplete="off"
              placeholder="0"
              value={text}
              onChange={event => setText(event.target.value)}
            />
          )}
        </Field>
      </div>
      <button type="submit" disabled={!amount || !instrument || problem !== undefined}>
        Add leg
      </button>
    </form>
  );
}

/** Legs with their sizes, each removable. */
export function LegList({ legs, onChange }: { legs: readonly DraftLeg[]; onChange: (legs: DraftLeg[]) => void }) {
  const world = useWorld();
  if (legs.length === 0) return null;
  return (
    <ul className="stack" style={{ gap: 4 }} aria-label="Legs">
      {legs.map((leg, index) => {
        const name = legName(world, leg);
        return (
          <li key={name} className="row" style={{ justifyContent: "space-between" }}>
            <span>
              <span className={leg.quantity > 0n ? "good" : "bad"}>{legSize(world, leg)}</span> {name}
            </span>
            <button
              type="button"
              className="quiet small"
              aria-label={`Remove ${name}`}
              onClick={() => onChange(legs.filter((_, other) => other !== index))}
            >
              ✕
            </button>
          </li>
        );
      })}
    </ul>
  );
}

function instrumentFor(
  kind: InstrumentKind,
  expiry: { index: number; series: number } | undefined,
  strike: { index: number } | undefined,
): Instrument | undefined {
  if (kind === InstrumentKind.Perp) return PERP;
  if (!expiry) return undefined;
  if (kind === InstrumentKind.Future) return { kind, expiry: expiry.index, strike: 0, series: expiry.series };
  return strike && { kind, expiry: expiry.index, strike: strike.index, series: expiry.series };
}

function same(a: Instrument, b: Instrument | undefined): boolean {
  return b !== undefined && a.kind === b.kind && a.expiry === b.expiry && a.strike === b.strike;
}

function sizeOf(text: string, decimals: number): bigint | undefined {
  try {
    const amount = parseAmount(text.replaceAll(",", ""), decimals);
    return amount > 0n ? amount : undefined;
  } catch {
    return undefined;
  }
}

function distance(a: bigint, b: bigint): bigint {
  return a > b ? a - b : b - a;
}
