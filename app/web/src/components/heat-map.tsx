import { useState } from "react";
import { BASIS_CELL, cellName, layoutOf, type Cell } from "../lib/cells";
import { dollars, ppm, ppmOfBits, shortDollars } from "../lib/format";
import { symbolOf } from "../lib/market";
import type { AccountReport, HeldPosition, SlotReport } from "../lib/report";
import { ExportButtons, Panel, Scroll } from "./ui";

const ROWS = { up: "Vol up", same: "Vol same", down: "Vol down", rotated: "", wings: "" } as const;

/** Profit and loss of one underlying in the program's 31 scenarios; the worst one is named and tied to the margin. */
export function HeatMap({ report, slot }: { report: AccountReport; slot: SlotReport }) {
  const [chosen, setChosen] = useState<number>();
  const rangePpm = ppmOfBits(slot.underlying.data.range.range);
  const { cells } = slot.explanation;
  const symbol = symbolOf(slot.underlying);
  const layout = layoutOf(rangePpm);
  const largest = cells.reduce((most, value) => (size(value) > most ? size(value) : most), 1n);
  const positions = report.positions.filter(each => each.underlying.address === slot.underlying.address);
  const shown = chosen ?? (slot.worstCell < cells.length ? slot.worstCell : undefined);

  const button = (cell: Cell, label?: string) => {
    const value = cells[cell.index] ?? 0n;
    const strength = Number((size(value) * 1_000n) / largest) / 1_000;
    const tone = value < 0n ? "--bad-bg" : "--good-bg";
    const isWorst = cell.index === slot.worstCell;
    return (
      <button
        style={value === 0n ? undefined : { background: `rgb(var(${tone}) / ${(0.12 + 0.78 * Math.sqrt(strength)).toFixed(3)})` }}
        aria-pressed={cell.index === shown}
        title={`${cell.name}: ${dollars(value)}`}
        onClick={() => setChosen(known => (known === cell.index ? undefined : cell.index))}
      >
        <span className="visually-hidden">
          {cell.name}
          {isWorst ? ", the worst" : ""}:{" "}
        </span>
        {label}
        {shortDollars(value)}
      </button>
    );
  };
  const classes = (cell: Cell) => `${cell.index === slot.worstCell ? "worst" : ""} ${cell.index === shown ? "chosen" : ""}`;
  const rows = () =>
    layoutOf(rangePpm)
      .rows.flatMap(row => row.cells)
      .concat(layout.smile)
      .filter(cell => cell !== undefined)
      .sort((a, b) => a.index - b.index)
      .map(cell => ({
        underlying: symbol,
        cell: cell.index,
        scenario: cell.name,
        move_ppm: cell.movePpm,
        volatility: cell.volatility,
        weight_ppm: cell.weightPpm,
        profit_micros: cells[cell.index] ?? 0n,
        worst: cell.index === slot.worstCell,
      }));
  return (
    <Panel
      title={`${symbol}: 31 scenarios`}
      note={`profit and loss, dollars; R is ${ppm(rangePpm)}`}
      end={
        <ExportButtons
          name={`scenarios-${symbol}`}
          rows={rows}
          json={() => ({ underlying: slot.underlying.address, cells, worst: slot.worstCell })}
        />
      }
    >
      <div className="heat">
        <WorstLine report={report} slot={slot} rangePpm={rangePpm} />
        <Scroll label={`Scenarios of ${symbol}`}>
          <table className="cells">
            <caption className="visually-hidden">
              Profit and loss of {symbol} by price move, in columns, and by change of volatility, in rows. Press a cell for its
              parts.
            </caption>
            <thead>
              <tr>
                <th scope="col">Price</th>
                {layout.columns.map(column => (
                  <th key={column.label} scope="col">
                    {column.label}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {layout.rows.map(row => (
                <tr key={row.volatility}>
                  <th scope="row">{ROWS[row.volatility]}</th>
                  {row.cells.map((cell, index) =>
                    cell ? (
                      <td key={index} className={classes(cell)}>
                        {button(cell)}
                      </td>
                    ) : (
                      <td key={index} aria-hidden="true" />
                    ),
                  )}
                </tr>
              ))}
              <tr>
                <th scope="row">Smile</th>
                {layout.smile.map(cell => (
                  <td key={cell.index} colSpan={2} className={classes(cell)}>
                    {button(cell, cell.volatility === "rotated" ? "rotated\u00a0" : "wings\u00a0")}
                  </td>
                ))}
                <td colSpan={layout.columns.length - 4} className="left muted" style={{ paddingLeft: 10, fontSize: 12 }}>
                  price unchanged; each expiry turns its own worse way
                </td>
              </tr>
            </tbody>
          </table>
        </Scroll>
        {shown !== undefined && shown < cells.length && (
          <Parts cell={shown} rangePpm={rangePpm} slot={slot} positions={positions} />
        )}
      </div>
    </Panel>
  );
}

/** From the worst cell to the margin number. */
function WorstLine({ report, slot, rangePpm }: { report: AccountReport; slot: SlotReport; rangePpm: bigint }) {
  const { whole } = report;
  const value = slot.worstCell < slot.explanation.cells.length ? slot.explanation.cells[slot.worstCell]! : undefined;
  const binds = whole.numbers.worstSlot === slot.slot;
  return (
    <p data-testid="worst-line">
      <strong>Worst: {cellName(slot.worstCell, rangePpm)}</strong>
      {value !== undefined && <>, {dollars(value)}</>}
      {slot.worstCell === BASIS_CELL && <>: the charge for it exceeds the loss in every cell</>}.{" "}
      {report.slots.length === 1 && value !== undefined && -value === whole.scan ? (
        <>
          This loss is the scan of {dollars(whole.scan, { rounding: "up" })} in the margin below; with charges it makes the
          initial margin of {dollars(whole.numbers.initialMargin, { rounding: "up" })}.
        </>
      ) : (
        <>
          It enters the scan of {dollars(whole.scan, { rounding: "up" })} over {report.slots.length} underlyings
          {binds ? ", of which it is the largest loss" : ""}; with charges that makes the initial margin of{" "}
          {dollars(whole.numbers.initialMargin, { rounding: "up" })}.
        </>
      )}
    </p>
  );
}

function Parts({
  cell,
  rangePpm,
  slot,
  positions,
}: {
  cell: number;
  rangePpm: bigint;
  slot: SlotReport;
  positions: HeldPosition[];
}) {
  const total = slot.explanation.cells[cell] ?? 0n;
  const alone = positions.reduce((sum, each) => sum + (each.report.cells[cell] ?? 0n), 0n);
  return (
    <section aria-label="Parts of the scenario">
      <h3>{cellName(cell, rangePpm)}, position by position</h3>
      <Scroll label="Parts of the scenario">
        <table>
          <tbody>
            {positions.map(each => (
              <tr key={each.name}>
                <th scope="row">{each.name}</th>
                <td>{dollars(each.report.cells[cell] ?? 0n)}</td>
              </tr>
            ))}
            <tr>
              <th scope="row">Collateral in the asset, and netting within expiries</th>
              <td>{dollars(total - alone)}</td>
            </tr>
          </tbody>
          <tfoot>
            <tr>
              <th scope="row">{symbolOf(slot.underlying)} in this scenario</th>
              <td>{dollars(total)}</td>
            </tr>
          </tfoot>
        </table>
      </Scroll>
    </section>
  );
}

function size(value: bigint): bigint {
  return value < 0n ? -value : value;
}
