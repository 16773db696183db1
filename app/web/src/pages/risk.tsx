import type { EngineClient, MarginAccount, MarketMove, Supposition } from "@margrave/client";
import type { Address } from "@solana/kit";
import { lazy, Suspense, useDeferredValue, useLayoutEffect, useState } from "react";
import { AccountHead, WithAccount } from "../components/account";
import { HeatMap } from "../components/heat-map";
import { LegEditor, LegList } from "../components/leg-editor";
import { PayoffPanel } from "../components/payoff";
import { Waterfall } from "../components/waterfall";
import { Change, Chip, Empty, ErrorNotice, Field, Loading, Panel, Segments, Skeleton, useWidth } from "../components/ui";
import { atMarks, healthCurve, sentenceOf, type Curve } from "../lib/desk";
import { percentOf } from "../lib/cells";
import { dollars, price } from "../lib/format";
import { symbolOf, underlyingOf, type Stored, type World } from "../lib/market";
import { positionsOf, scenariosOf, type AccountReport } from "../lib/report";
import { keepScenarios, loadScenarios, MOST_SCENARIOS, NOTHING, type WhatIf } from "../lib/scenarios";
import { useEngine, useWorld } from "../lib/state";

const LineChart = lazy(() => import("../components/line-chart"));

const DAY = 86_400n;

export default function Risk() {
  return <WithAccount title="Risk">{account => <OfAccount key={account.address} account={account} />}</WithAccount>;
}

function isNothing({ spot, volatility, days, legs }: WhatIf): boolean {
  return Object.values(spot).every(move => move === 0) && volatility === 0 && days === 0 && legs.length === 0;
}

/** What the engine is told of it. */
async function suppositionOf(
  engine: EngineClient,
  world: World,
  account: Stored<MarginAccount>,
  what: WhatIf,
  now: bigint,
): Promise<Supposition> {
  const used = account.data.risk.filter(slot => slot.used).map(slot => slot.underlying);
  const keys = [...new Set([...used, ...what.legs.map(leg => leg.underlying)])];
  const moves = keys.flatMap((underlying): MarketMove[] => {
    const sheet = underlyingOf(world, underlying);
    if (!sheet) return [];
    const moved = (sheet.data.oracle.price * BigInt(100 + (what.spot[underlying] ?? 0))) / 100n;
    return [
      {
        underlying,
        price: moved > 0n ? moved : 1n,
        volatilityPpm: BigInt(what.volatility) * 10_000n,
        seconds: BigInt(what.days) * DAY,
      },
    ];
  });
  const legs = await atMarks(engine, world, what.legs, now);
  return { now, moves, legs };
}

function OfAccount({ account }: { account: Stored<MarginAccount> }) {
  const [what, setWhat] = useState<WhatIf>(NOTHING);
  const deferred = useDeferredValue(what);
  const supposes = !isNothing(deferred);
  const base = useEngine(["scenarios", account.address], (engine, world, now) => scenariosOf(engine, world, account, now));
  const later = BigInt(deferred.days) * DAY;
  const supposed = useEngine(
    ["supposed", account.address, deferred],
    supposes
      ? async (engine, world, now) =>
          scenariosOf(engine, world, account, now + later, await suppositionOf(engine, world, account, deferred, now))
      : undefined,
  );
  // Asked after the scenarios, which do not wait for them.
  const positions = useEngine(["parts", account.address, deferred], async (engine, world, now) =>
    positionsOf(
      engine,
      world,
      account,
      now + (supposes ? later : 0n),
      supposes ? await suppositionOf(engine, world, account, deferred, now) : undefined,
    ),
  );
  useUpdateMeasure(base.data);
  const scenarios = supposes ? (supposed.data ?? base.data) : base.data;
  const shown = scenarios && { ...scenarios, positions: positions.data ?? [] };
  return (
    <>
      <AccountHead title="Risk" end={supposes && <Chip tone="warn">Supposed, not real</Chip>} />
      {base.error && !base.data && <ErrorNotice error={base.error} onRetry={() => void base.refetch()} />}
      {!base.data && !base.error && <Loading what="scenarios" />}
      {base.data && shown && (
        <div className="cols main-side">
          <div className="stack">
            {supposes && supposed.error && <ErrorNotice error={supposed.error} />}
            <Grid report={shown} />
            <div className="cols two">
              <Waterfall explanation={shown.whole} note={supposes ? "as supposed" : "adds up to the micro-dollar"} />
              <HealthOverPrice account={account} report={shown} what={deferred} />
            </div>
            <PayoffPanel account={account} legs={deferred.legs} />
          </div>
          <WhatIfPanel
            account={account}
            what={what}
            onChange={setWhat}
            base={base.data}
            supposed={supposes ? supposed.data : undefined}
          />
        </div>
      )}
    </>
  );
}

/** From the node's report of a change to numbers on the screen, for measurements. */
function useUpdateMeasure(report: AccountReport | undefined) {
  useLayoutEffect(() => {
    if (report && performance.getEntriesByName("margrave:report").length > 0) {
      performance.measure("margrave:heat-map", "margrave:report");
      performance.clearMarks("margrave:report");
    }
  }, [report]);
}

function Grid({ report }: { report: AccountReport }) {
  const [slot, setSlot] = useState<number>();
  if (report.slots.length === 0) {
    return (
      <Panel title="31 scenarios">
        <Empty title="No exposure">
          <p>
            Without positions or collateral that moves there is nothing to stress. Add a hypothetical leg to see what it would
            bring.
          </p>
        </Empty>
      </Panel>
    );
  }
  const chosen =
    report.slots.find(each => each.slot === slot) ??
    report.slots.find(each => each.slot === report.whole.numbers.worstSlot) ??
    report.slots[0]!;
  return (
    <>
      {report.slots.length > 1 && (
        <Segments
          label="Underlying"
          value={String(chosen.slot)}
          onChange={value => setSlot(Number(value))}
          options={report.slots.map(each => ({ value: String(each.slot), label: symbolOf(each.underlying) }))}
        />
      )}
      <HeatMap report={report} slot={chosen} />
    </>
  );
}

function HealthOverPrice({ account, report, what }: { account: Stored<MarginAccount>; report: AccountReport; what: WhatIf }) {
  const world = useWorld();
  const [key, setKey] = useState<Address>();
  const [box, width] = useWidth();
  const sheet = report.slots.find(each => each.underlying.address === key)?.underlying ?? report.slots[0]?.underlying;
  const today = sheet && underlyingOf(world, sheet.address)!.data.oracle.price;
  const curve = useEngine(
    ["curve", account.address, sheet?.address, what],
    sheet && today
      ? async (engine, fresh, now) => {
          // Many questions: those of the heat map go first.
          await new Promise(resolve => setTimeout(resolve, 40));
          const around = isNothing(what) ? { now } : await suppositionOf(engine, fresh, account, what, now);
          return healthCurve(engine, account.address, { underlying: sheet.address, price: today }, now, around);
        }
      : undefined,
  );
  const symbol = sheet ? symbolOf(sheet) : "";
  return (
    <Panel
      title="Health and price"
      note="all else equal"
      end={
        report.slots.length > 1 && (
          <select
            aria-label="Underlying of the curve"
            style={{ width: "auto" }}
            value={sheet?.address}
            onChange={event => setKey(event.target.value as Address)}
          >
            {report.slots.map(each => (
              <option key={each.slot} value={each.underlying.address}>
                {symbolOf(each.underlying)}
              </option>
            ))}
          </select>
        )
      }
    >
      <div ref={box}>
        {!sheet && <p className="muted">No price moves this account.</p>}
        {curve.error && !curve.data && <ErrorNotice error={curve.error} />}
        {sheet && today && curve.data ? (
          <>
            <p data-testid="liquidation-points">
              <strong>
                {symbol}: {sentenceOf(curve.data)}
              </strong>
            </p>
            <Suspense fallback={<Skeleton height={290} />}>
              <HealthChart curve={curve.data} now={today} symbol={symbol} width={width} />
            </Suspense>
          </>
        ) : (
          sheet && !curve.error && <Skeleton height={310} />
        )}
      </div>
    </Panel>
  );
}

function HealthChart({ curve, now, symbol, width }: { curve: Curve; now: bigint; symbol: string; width: number }) {
  const points = curve.points.flatMap(({ price, numbers }) => (numbers ? [{ price, numbers }] : []));
  if (points.length < 2) return <p className="muted">The account cannot be valued at these prices.</p>;
  const health = points.map(({ numbers }) => numbers.equity - numbers.maintenanceMargin);
  const free = points.map(({ numbers }) => numbers.equity - numbers.initialMargin);
  return (
    <LineChart
      places={points.map(each => each.price)}
      series={[
        { color: "var(--good)", values: health },
        { color: "var(--accent)", values: free, isDashed: true },
      ]}
      width={width}
      now={now}
      rings={curve.liquidations.map(each => each.price)}
      tick={place => price(place, 0)}
      label={`Health against the price of ${symbol}. ${sentenceOf(curve)}`}
      caption={`Dashed upright line: ${price(now)}. Solid: health, equity less maintenance margin. Dashed: free collateral. Dollars.`}
      describe={at => `At ${price(points[at]!.price)}: health ${dollars(health[at]!)}, free collateral ${dollars(free[at]!)}`}
    />
  );
}

function WhatIfPanel(props: {
  account: Stored<MarginAccount>;
  what: WhatIf;
  onChange: (what: WhatIf) => void;
  base: AccountReport;
  supposed: AccountReport | undefined;
}) {
  const { account, what, onChange, base, supposed } = props;
  const world = useWorld();
  const used = account.data.risk.filter(slot => slot.used).map(slot => slot.underlying);
  const keys = [...new Set([...used, ...what.legs.map(leg => leg.underlying)])];
  const sheets = keys.flatMap(key => underlyingOf(world, key) ?? []);
  const before = base.whole.numbers;
  const after = supposed?.whole.numbers ?? before;
  const row = (label: string, from: bigint, to: bigint, rounding?: "up") => (
    <>
      <dt>{label}</dt>
      <dd className={to < 0n ? "bad" : ""}>
        <Change before={dollars(from, { rounding: rounding ?? "down" })} after={dollars(to, { rounding: rounding ?? "down" })} />
      </dd>
    </>
  );
  return (
    <div className="stack">
      <Panel
        title="What if"
        end={
          <button className="quiet small" disabled={isNothing(what)} onClick={() => onChange(NOTHING)}>
            Reset
          </button>
        }
      >
        <div className="form">
          {sheets.map(sheet => {
            const move = what.spot[sheet.address] ?? 0;
            const moved = (sheet.data.oracle.price * BigInt(100 + move)) / 100n;
            return (
              <Slider
                key={sheet.address}
                label={`${symbolOf(sheet)} price`}
                end={`${percentOf(BigInt(move) * 10_000n)} · ${price(moved)}`}
                min={-90}
                max={200}
                value={move}
                onChange={value => onChange({ ...what, spot: { ...what.spot, [sheet.address]: value } })}
              />
            );
          })}
          <Slider
            label="Volatility"
            end={`${percentOf(BigInt(what.volatility) * 10_000n)} of itself`}
            min={-60}
            max={100}
            value={what.volatility}
            onChange={volatility => onChange({ ...what, volatility })}
          />
          <Slider
            label="Time"
            end={`${what.days} days on`}
            min={0}
            max={90}
            value={what.days}
            onChange={days => onChange({ ...what, days })}
          />
          <dl className="facts" data-testid="what-if">
            {row("Equity", before.equity, after.equity)}
            {row("Initial margin", before.initialMargin, after.initialMargin, "up")}
            {row("Maintenance margin", before.maintenanceMargin, after.maintenanceMargin, "up")}
            {row("Free collateral", before.equity - before.initialMargin, after.equity - after.initialMargin)}
            {row("Health", before.equity - before.maintenanceMargin, after.equity - after.maintenanceMargin)}
          </dl>
          <p className="muted">Scan ranges, carries and funding stay as they are. A real move would also raise the scan range.</p>
        </div>
      </Panel>
      <SavedScenarios what={what} onChange={onChange} account={account.address} />
      <Panel title="Hypothetical legs" note="at their marks, with fees">
        <div className="stack">
          <LegList legs={what.legs} onChange={legs => onChange({ ...what, legs })} />
          <LegEditor legs={what.legs} onChange={legs => onChange({ ...what, legs })} />
        </div>
      </Panel>
    </div>
  );
}

/** What-ifs of this account that the browser keeps. */
function SavedScenarios({ account, what, onChange }: { account: Address; what: WhatIf; onChange: (what: WhatIf) => void }) {
  const world = useWorld();
  const [kept, setKept] = useState(() => loadScenarios(account));
  const [name, setName] = useState("");
  const { scenarios, ignored } = kept;
  const trimmed = name.trim();
  const others = scenarios.filter(each => each.name !== trimmed);
  const isFull = others.length >= MOST_SCENARIOS;
  const save = () => {
    if (trimmed === "" || isNothing(what) || isFull) return;
    setKept(keepScenarios(account, [...others, { name: trimmed, what }]));
    setName("");
  };
  // A market that is no longer listed cannot be supposed to move or trade.
  const isListed = ({ what }: (typeof scenarios)[number]) =>
    [...Object.keys(what.spot), ...what.legs.map(leg => leg.underlying)].every(key => underlyingOf(world, key as Address)) &&
    what.legs.every(({ underlying, instrument }) => {
      const expiry = underlyingOf(world, underlying)!.data.expiries[instrument.expiry];
      return instrument.kind === 0 || expiry?.series === instrument.series;
    });
  return (
    <Panel title="Saved scenarios" note="in this browser">
      <div className="stack">
        {ignored > 0 && (
          <div className="notice warn" role="status">
            <div>
              <strong>Some could not be read</strong>
              <p>What was saved by another version, or is damaged, is left out. Saving the next one removes it.</p>
            </div>
          </div>
        )}
        {scenarios.length === 0 && <p className="muted">None for this account yet: suppose something and give it a name.</p>}
        {scenarios.length > 0 && (
          <ul className="stack" aria-label="Saved scenarios">
            {scenarios.map(each => (
              <li key={each.name} className="row" style={{ flexWrap: "nowrap" }}>
                <button
                  className="small"
                  style={{ flex: 1, minWidth: 0, overflowWrap: "anywhere" }}
                  disabled={!isListed(each)}
                  title={isListed(each) ? undefined : "It has an instrument that is no longer listed"}
                  onClick={() => onChange(each.what)}
                >
                  {each.name}
                </button>
                <button
                  className="small quiet"
                  aria-label={`Delete ${each.name}`}
                  onClick={() =>
                    setKept(
                      keepScenarios(
                        account,
                        scenarios.filter(other => other !== each),
                      ),
                    )
                  }
                >
                  ✕
                </button>
              </li>
            ))}
          </ul>
        )}
        <form
          className="row"
          style={{ flexWrap: "nowrap" }}
          onSubmit={event => {
            event.preventDefault();
            save();
          }}
        >
          <input
            aria-label="Name of the scenario"
            placeholder="Name"
            maxLength={40}
            value={name}
            onChange={event => setName(event.target.value)}
          />
          <button disabled={trimmed === "" || isNothing(what) || isFull}>
            {others.length < scenarios.length ? "Replace" : "Save"}
          </button>
        </form>
        {isFull && <p className="muted">{MOST_SCENARIOS} are kept at most: delete one first.</p>}
      </div>
    </Panel>
  );
}

function Slider(props: {
  label: string;
  end: string;
  min: number;
  max: number;
  value: number;
  onChange: (value: number) => void;
}) {
  return (
    <Field label={props.label} end={props.end}>
      {id => (
        <input
          id={id}
          type="range"
          min={props.min}
          max={props.max}
          value={props.value}
          aria-valuetext={props.end}
          onChange={event => props.onChange(Number(event.target.value))}
        />
      )}
    </Field>
  );
}
