import { InstrumentKind, type Instrument } from "@margrave/client";
import type { Address } from "@solana/kit";
import { useState } from "react";
import { day, duration, price, ratio } from "../lib/format";
import { expiriesOf, PERP, strikeName, strikesOf } from "../lib/instruments";
import { symbolOf } from "../lib/market";
import { useEngine, useNow, useWorld } from "../lib/state";
import { Empty, Panel, Scroll, Segments } from "./ui";

/** Everything that is listed on an underlying, at its marks. Choosing one puts it on the ticket's form. */
export function Chain({ onChoose }: { onChoose: (underlying: Address, instrument: Instrument) => void }) {
  const world = useWorld();
  const now = useNow();
  const [key, setKey] = useState<Address>();
  const [expiry, setExpiry] = useState<number>();
  const sheet = world.underlyings.find(each => each.address === key) ?? world.underlyings[0];
  const expiries = sheet ? expiriesOf(sheet.data, now) : [];
  const slot = expiries.find(each => each.index === expiry) ?? expiries[0];
  const strikes = sheet && slot ? strikesOf(sheet.data, slot.index) : [];
  const instrument = (kind: InstrumentKind, strike: number): Instrument => ({
    kind,
    expiry: slot!.index,
    strike,
    series: slot!.series,
  });
  const marks = useEngine(
    ["chain", sheet?.address, slot?.index],
    sheet
      ? async (engine, _, at) => {
          const mark = (which: Instrument) => engine.mark(sheet.address, which, at).catch(() => undefined);
          const [perp, future, ...options] = await Promise.all([
            mark(PERP),
            slot ? mark(instrument(InstrumentKind.Future, 0)) : undefined,
            ...strikes.flatMap(({ index }) => [
              mark(instrument(InstrumentKind.Call, index)),
              mark(instrument(InstrumentKind.Put, index)),
            ]),
          ]);
          return { perp, future, options };
        }
      : undefined,
  );
  if (!sheet) return null;
  const choose = (which: Instrument, mark: bigint | undefined, name: string) => (
    <button className="small quiet" disabled={mark === undefined} onClick={() => onChoose(sheet.address, which)}>
      <span className="visually-hidden">{name}: </span>
      {mark === undefined ? "no mark" : price(mark)}
    </button>
  );
  const symbol = symbolOf(sheet);
  const spot = sheet.data.oracle.price;
  return (
    <Panel title="Listed" note="at their marks; choose one to put it on the ticket" bare>
      <div className="body stack">
        <div className="row">
          <Segments
            label="Underlying of the chain"
            value={sheet.address}
            onChange={value => (setKey(value), setExpiry(undefined))}
            options={world.underlyings.map(each => ({ value: each.address, label: symbolOf(each) }))}
          />
          {expiries.length > 0 && (
            <Segments
              label="Expiry"
              value={String(slot?.index)}
              onChange={value => setExpiry(Number(value))}
              options={expiries.map(each => ({
                value: String(each.index),
                label: `${day(each.time)} · ${duration(each.time - now)}`,
              }))}
            />
          )}
          <span>
            Perp {choose(PERP, marks.data?.perp, `${symbol} perp`)}
            {slot && <> Future {choose(instrument(InstrumentKind.Future, 0), marks.data?.future, `${symbol} future`)}</>}
          </span>
        </div>
      </div>
      {strikes.length === 0 ? (
        <Empty title="No options are listed on this expiry" />
      ) : (
        <Scroll label={`Options of ${symbol}`}>
          <table>
            <thead>
              <tr>
                <th scope="col">Call</th>
                <th scope="col" style={{ textAlign: "center" }}>
                  Strike
                </th>
                <th scope="col" style={{ textAlign: "center" }}>
                  Implied volatility
                </th>
                <th scope="col">Put</th>
              </tr>
            </thead>
            <tbody>
              {strikes.map((strike, place) => {
                const name = `${symbol} ${strikeName(strike.price)}`;
                return (
                  <tr key={strike.index}>
                    <td>
                      {choose(instrument(InstrumentKind.Call, strike.index), marks.data?.options[2 * place], `${name} call`)}
                    </td>
                    <th scope="row" style={{ textAlign: "center" }}>
                      {strikeName(strike.price)}{" "}
                      {strike.price < spot ? <span className="muted">below</span> : <span className="muted">above</span>}
                    </th>
                    <td style={{ textAlign: "center" }}>{ratio(strike.vol, 1)}</td>
                    <td>
                      {choose(instrument(InstrumentKind.Put, strike.index), marks.data?.options[2 * place + 1], `${name} put`)}
                    </td>
                  </tr>
                );
              })}
            </tbody>
          </table>
        </Scroll>
      )}
    </Panel>
  );
}
