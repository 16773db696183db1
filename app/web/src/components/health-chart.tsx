/** Health over prices of one underlying. Loaded by itself: the chart library comes with it. */
import { AxisBottom, AxisLeft } from "@visx/axis";
import { scaleLinear } from "@visx/scale";
import { AreaClosed, LinePath } from "@visx/shape";
import { useState } from "react";
import { sentenceOf, type Curve } from "../lib/desk";
import { dollars, price, shortDollars } from "../lib/format";

type Point = { x: number; health: number; free: number; price: bigint; healthMicros: bigint; freeMicros: bigint };

const HEIGHT = 270;
const MARGIN = { top: 14, right: 14, bottom: 32, left: 62 };

export default function HealthChart({ curve, now, symbol, width }: { curve: Curve; now: bigint; symbol: string; width: number }) {
  const [at, setAt] = useState<number>();
  // Pixels only: what is written is made of the integers.
  const points = curve.points.flatMap(({ price, numbers }): Point[] => {
    if (!numbers) return [];
    const healthMicros = numbers.equity - numbers.maintenanceMargin;
    const freeMicros = numbers.equity - numbers.initialMargin;
    return [{ x: Number(price), health: Number(healthMicros), free: Number(freeMicros), price, healthMicros, freeMicros }];
  });
  if (points.length < 2) return <p className="muted">The account cannot be valued at these prices.</p>;
  const values = points.flatMap(({ health, free }) => [health, free]);
  const x = scaleLinear({ domain: [points[0]!.x, points.at(-1)!.x], range: [MARGIN.left, width - MARGIN.right] });
  const y = scaleLinear({
    domain: [Math.min(0, ...values), Math.max(0, ...values)],
    range: [HEIGHT - MARGIN.bottom, MARGIN.top],
    nice: true,
  });
  const chosen = at === undefined ? undefined : points[at];
  const axis = { stroke: "var(--strong-line)", tickStroke: "var(--strong-line)" };

  const nearest = (clientX: number, box: DOMRect) => {
    const wanted = x.invert(((clientX - box.left) / box.width) * width);
    return points.reduce(
      (best, point, index) => (Math.abs(point.x - wanted) < Math.abs(points[best]!.x - wanted) ? index : best),
      0,
    );
  };
  const onKey = (event: React.KeyboardEvent) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const from = at ?? points.findIndex(point => point.price >= now);
    setAt(Math.min(points.length - 1, Math.max(0, from + step)));
  };
  return (
    <div className="chart">
      <svg
        viewBox={`0 0 ${width} ${HEIGHT}`}
        role="img"
        tabIndex={0}
        aria-label={`Health against the price of ${symbol}. ${sentenceOf(curve)} Use the arrow keys to read it.`}
        onKeyDown={onKey}
        onPointerMove={event => setAt(nearest(event.clientX, event.currentTarget.getBoundingClientRect()))}
        onPointerLeave={() => setAt(undefined)}
      >
        <clipPath id="below">
          <rect
            x={MARGIN.left}
            width={width - MARGIN.left - MARGIN.right}
            y={y(0)}
            height={Math.max(0, HEIGHT - MARGIN.bottom - y(0))}
          />
        </clipPath>
        <g clipPath="url(#below)">
          <AreaClosed
            data={points}
            x={point => x(point.x)}
            y={point => y(point.health)}
            y0={y(0)}
            yScale={y}
            fill="rgb(var(--bad-bg) / 0.35)"
          />
        </g>
        <line x1={MARGIN.left} x2={width - MARGIN.right} y1={y(0)} y2={y(0)} stroke="var(--strong-line)" />
        <line
          x1={x(Number(now))}
          x2={x(Number(now))}
          y1={MARGIN.top}
          y2={HEIGHT - MARGIN.bottom}
          stroke="var(--muted)"
          strokeDasharray="3 3"
        />
        <LinePath
          data={points}
          x={point => x(point.x)}
          y={point => y(point.free)}
          stroke="var(--accent)"
          strokeWidth={1.5}
          strokeDasharray="5 3"
          fill="none"
        />
        <LinePath
          data={points}
          x={point => x(point.x)}
          y={point => y(point.health)}
          stroke="var(--good)"
          strokeWidth={2}
          fill="none"
        />
        {curve.liquidations.map(({ price }) => (
          <circle
            key={price.toString()}
            cx={x(Number(price))}
            cy={y(0)}
            r={5}
            fill="var(--panel)"
            stroke="var(--bad)"
            strokeWidth={2.5}
          />
        ))}
        {chosen && (
          <g>
            <line x1={x(chosen.x)} x2={x(chosen.x)} y1={MARGIN.top} y2={HEIGHT - MARGIN.bottom} stroke="var(--accent)" />
            <circle cx={x(chosen.x)} cy={y(chosen.health)} r={4} fill="var(--good)" />
            <circle cx={x(chosen.x)} cy={y(chosen.free)} r={3.5} fill="var(--accent)" />
          </g>
        )}
        <AxisBottom
          {...axis}
          top={HEIGHT - MARGIN.bottom}
          scale={x}
          numTicks={width < 500 ? 4 : 8}
          tickFormat={value => price(BigInt(Math.round(Number(value))), 0)}
          tickLabelProps={{ fill: "var(--muted)", fontSize: 11, fontFamily: "inherit", textAnchor: "middle" }}
        />
        <AxisLeft
          {...axis}
          left={MARGIN.left}
          scale={y}
          numTicks={5}
          tickFormat={value => shortDollars(BigInt(Math.round(Number(value))))}
          tickLabelProps={{ fill: "var(--muted)", fontSize: 11, fontFamily: "inherit", textAnchor: "end", dx: -4, dy: 3 }}
        />
      </svg>
      <p className="muted" aria-live="polite" style={{ minHeight: 20 }}>
        {chosen
          ? `At ${price(chosen.price)}: health ${dollars(chosen.healthMicros)}, free collateral ${dollars(chosen.freeMicros)}`
          : `Dashed upright line: ${price(now)}. Solid: health, equity less maintenance margin. Dashed: free collateral. Dollars.`}
      </p>
    </div>
  );
}
