/** Profit and loss against the price: now, and when an expiry settles. */
import { InstrumentKind, type MarginAccount } from "@margrave/client";
import type { Address } from "@solana/kit";
import { lazy, Suspense, useState } from "react";
import { atMarks } from "../lib/desk";
import { day, dollars, price } from "../lib/format";
import { symbolOf, underlyingOf, type Stored, type World } from "../lib/market";
import { breakEvens, difference, payoffOf, type Payoff } from "../lib/payoff";
import { useEngine, useWorld } from "../lib/state";
import type { DraftLeg } from "./leg-editor";
import { Empty, ErrorNotice, Panel, Segments, Skeleton, useWidth } from "./ui";

const LineChart = lazy(() => import("./line-chart"));

/** Expiries of what is held or thought of in an underlying, soonest first; not those whose settlement price is being formed. */
function datesOf(
  world: World,
  account: MarginAccount,
  legs: readonly DraftLeg[],
  key: Address,
): { index: number; time: bigint }[] {
  const sheet = underlyingOf(world, key);
  const slot = account.risk.findIndex(each => each.used && each.underlying === key);
  const held = account.positions.filter(each => each.kind > 1 && each.riskSlot === slot).map(each => each.expiry);
  const thought = legs.filter(leg => leg.underlying === key && leg.instrument.kind !== InstrumentKind.Perp);
  const indices = [...new Set([...held, ...thought.map(leg => leg.instrument.expiry)])];
  return indices
    .flatMap(index => {
      const expiry = sheet?.data.expiries[index];
      return expiry && expiry.series !== 0 && expiry.observedSecs === 0n ? [{ index, time: expiry.time }] : [];
    })
    .sort((a, b) => (a.time < b.time ? -1 : 1));
}

type Which = "all" | "legs";

/** Of the account with `legs` traded at their marks, or of these legs alone. */
export function PayoffPanel({
  account,
  legs,
  first = "all",
}: {
  account: Stored<MarginAccount>;
  legs: readonly DraftLeg[];
  first?: Which;
}) {
  const world = useWorld();
  const [chosen, setChosen] = useState<Address>();
  const [expiry, setExpiry] = useState<number>();
  const [which, setWhich] = useState<Which>(first);
  const [box, width] = useWidth();
  const open = account.data.positions.filter(each => each.kind !== 0).map(each => account.data.risk[each.riskSlot]!.underlying);
  const used = account.data.risk.filter(each => each.used).map(each => each.underlying);
  const ofLegs = legs.map(leg => leg.underlying);
  const keys = [...new Set(which === "legs" && legs.length > 0 ? ofLegs : [...ofLegs, ...open])];
  const key = keys.find(each => each === chosen) ?? keys[0];
  const sheet = key && underlyingOf(world, key);
  const dates = key ? datesOf(world, account.data, legs, key) : [];
  const date = dates.find(each => each.index === expiry) ?? dates[0];
  const isPart = which === "legs" && legs.length > 0;

  const payoff = useEngine(
    ["payoff", account.address, account.data.sequence, key, date?.time, legs, isPart],
    key
      ? async (engine, fresh, now): Promise<Payoff> => {
          // Many questions: those of the heat map go first.
          await new Promise(resolve => setTimeout(resolve, 80));
          const market = (each: Address) => ({ underlying: each, price: underlyingOf(fresh, each)!.data.oracle.price });
          const others = [...new Set([...used, ...ofLegs])].filter(each => each !== key).map(market);
          // An expiry has come when a price of its time is there.
          const published = underlyingOf(fresh, key)!.data.oracle.publishTime;
          const seconds = date ? date.time - published : 0n;
          const trade = await atMarks(engine, fresh, legs, now);
          const whole = await payoffOf(engine, account, market(key), others, now, seconds, trade);
          return isPart ? difference(whole, await payoffOf(engine, account, market(key), others, now, seconds)) : whole;
        }
      : undefined,
    true,
  );
  if (keys.length === 0 || !sheet) return null;
  const symbol = symbolOf(sheet);
  const data = payoff.data;
  const subject = data && (date ? data.later : data.now);
  const even = data && subject ? breakEvens(data.prices, subject) : [];
  const when = date ? `on ${day(date.time)}` : "now";
  const sentence =
    even.length === 0
      ? `${symbol}: no break-even price ${when} in this range.`
      : `${symbol}: even ${when} at ${even.map(each => price(each)).join(" and ")}.`;
  const at = (values: Payoff["now"], index: number) =>
    values[index] === undefined ? "no value" : dollars(values[index], { sign: true });
  return (
    <Panel
      title="Profit and loss over price"
      note="from now on; all else equal"
      end={
        <>
          {legs.length > 0 && (
            <Segments
              label="Of what"
              value={which}
              onChange={setWhich}
              options={[
                { value: "legs", label: "These legs" },
                { value: "all", label: "Whole account" },
              ]}
            />
          )}
          {dates.length > 1 && (
            <select
              aria-label="Expiry of the profit"
              style={{ width: "auto" }}
              value={date?.index}
              onChange={event => setExpiry(Number(event.target.value))}
            >
              {dates.map(each => (
                <option key={each.index} value={each.index}>
                  {day(each.time)}
                </option>
              ))}
            </select>
          )}
          {keys.length > 1 && (
            <select
              aria-label="Underlying of the profit"
              style={{ width: "auto" }}
              value={key}
              onChange={event => setChosen(event.target.value as Address)}
            >
              {keys.map(each => (
                <option key={each} value={each}>
                  {symbolOf(underlyingOf(world, each)!)}
                </option>
              ))}
            </select>
          )}
        </>
      }
    >
      <div ref={box}>
        {payoff.error && !data && <ErrorNotice error={payoff.error} />}
        {!data && !payoff.error && <Skeleton height={310} />}
        {data && subject && subject.filter(each => each !== undefined).length < 2 && (
          <Empty title="The engine has no value at these prices" />
        )}
        {data && subject && subject.filter(each => each !== undefined).length >= 2 && (
          <>
            <p data-testid="break-even">
              <strong>{sentence}</strong>
            </p>
            <Suspense fallback={<Skeleton height={290} />}>
              <LineChart
                places={data.prices}
                series={[
                  { color: "var(--good)", values: subject },
                  ...(date ? [{ color: "var(--accent)", values: data.now, isDashed: true }] : []),
                ]}
                width={width}
                now={data.from}
                rings={even}
                tick={place => price(place, 0)}
                label={`Profit and loss against the price of ${symbol}. ${sentence}`}
                caption={
                  date
                    ? `Solid: when ${day(date.time)} has come, options paid out. Dashed: at once. Valued by the engine, dollars.`
                    : "What every position gains or loses at once. Valued by the engine, dollars."
                }
                describe={index =>
                  `At ${price(data.prices[index]!)}: ${date ? `${at(data.later, index)} ${when}, ` : ""}${at(data.now, index)} at once`
                }
              />
            </Suspense>
          </>
        )}
      </div>
    </Panel>
  );
}
