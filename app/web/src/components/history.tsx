/** Equity and margin over time, as the chain's events say. */
import type { MarginAccount, Numbers } from "@margrave/client";
import { lazy, Suspense } from "react";
import { reportedOf, useEvents } from "../lib/feed";
import { clock, dollars, moment } from "../lib/format";
import type { Stored } from "../lib/market";
import { useNow, useWorld } from "../lib/state";
import { Empty, ErrorNotice, ExportButtons, Panel, Skeleton, useWidth } from "./ui";

const LineChart = lazy(() => import("./line-chart"));
/** Transactions that it goes back. */
const LATEST = 50;

export function HistoryPanel({ account, numbers }: { account: Stored<MarginAccount>; numbers: Numbers }) {
  const world = useWorld();
  const now = useNow();
  const [box, width] = useWidth();
  const events = useEvents([account.address], LATEST);
  const reported = reportedOf(events.data ?? [], account.address, world);
  const points = [...reported, { time: now, numbers, title: "Now, by the engine" }];
  const rows = () =>
    reported.map(({ time, title, numbers }) => ({
      time,
      event: title,
      equity_micros: numbers.equity,
      initial_margin_micros: numbers.initialMargin,
      maintenance_margin_micros: numbers.maintenanceMargin,
    }));
  return (
    <Panel
      title="Equity and margin over time"
      note={`reported by the account's events on the chain, latest ${LATEST} transactions`}
      end={reported.length > 0 && <ExportButtons name="history" rows={rows} json={() => reported} />}
    >
      <div ref={box} data-testid="history" data-points={reported.length}>
        {events.error && !events.data && <ErrorNotice error={events.error} onRetry={() => void events.refetch()} />}
        {events.isPending && <Skeleton height={290} />}
        {events.data && reported.length === 0 && (
          <Empty title="No event has reported this account's margin yet">
            <p>
              Each trade and each step of a liquidation will. Between them nothing is drawn up: prices that moved in between are
              not seen.
            </p>
          </Empty>
        )}
        {reported.length > 0 && (
          <Suspense fallback={<Skeleton height={290} />}>
            <LineChart
              places={points.map(each => each.time)}
              series={[
                { color: "var(--accent)", values: points.map(each => each.numbers.equity) },
                { color: "var(--warn)", values: points.map(each => each.numbers.initialMargin), isDashed: true },
                { color: "var(--bad)", values: points.map(each => each.numbers.maintenanceMargin), isDashed: true },
              ]}
              hasDots
              width={width}
              tick={clock}
              label={`Equity, initial and maintenance margin at ${reported.length} events.`}
              caption="Blue: equity. Yellow: initial margin. Red: maintenance margin. Dots are events; the last one is now, by the engine."
              describe={index => {
                const { time, title, numbers } = points[index]!;
                return `${moment(time)}, ${title}: equity ${dollars(numbers.equity)}, initial margin ${dollars(numbers.initialMargin, { rounding: "up" })}, maintenance margin ${dollars(numbers.maintenanceMargin, { rounding: "up" })}`;
              }}
            />
          </Suspense>
        )}
      </div>
    </Panel>
  );
}
