/** Lines over prices or times. Loaded by itself: the chart library comes with it. */
import { AxisBottom, AxisLeft } from "@visx/axis";
import { scaleLinear } from "@visx/scale";
import { AreaClosed, LinePath } from "@visx/shape";
import { useId, useState } from "react";
import { shortDollars } from "../lib/format";

/** Micro-dollars for each place; undefined where there is nothing to draw. */
export type Series = { color: string; isDashed?: boolean; values: readonly (bigint | undefined)[] };

type Props = {
  /** Ascending. */
  places: readonly bigint[];
  /** The first one is the chart's subject. */
  series: readonly Series[];
  width: number;
  /** What is drawn, for whoever cannot see it. */
  label: string;
  /** What stands below until a place is pointed at, and then. */
  caption: string;
  describe: (index: number) => string;
  tick: (place: bigint) => string;
  /** Upright dashed line. */
  now?: bigint;
  /** Rings on the zero line. */
  rings?: readonly bigint[];
  hasDots?: boolean;
};

const HEIGHT = 270;
const MARGIN = { top: 14, right: 14, bottom: 32, left: 62 };

export default function LineChart({ places, series, width, label, caption, describe, tick, now, rings, hasDots }: Props) {
  const [at, setAt] = useState<number>();
  const clip = useId();
  // Pixels only: what is written is made of the integers.
  const lines = series.map(({ color, isDashed, values }) => ({
    color,
    isDashed,
    points: values.flatMap((value, index) => (value === undefined ? [] : [{ x: Number(places[index]), y: Number(value) }])),
  }));
  const heights = lines.flatMap(({ points }) => points.map(({ y }) => y));
  const x = scaleLinear({ domain: [Number(places[0]), Number(places.at(-1))], range: [MARGIN.left, width - MARGIN.right] });
  const y = scaleLinear({
    domain: [Math.min(0, ...heights), Math.max(0, ...heights)],
    range: [HEIGHT - MARGIN.bottom, MARGIN.top],
    nice: true,
  });
  const axis = { stroke: "var(--strong-line)", tickStroke: "var(--strong-line)" };
  const ticks = { fill: "var(--muted)", fontSize: 11, fontFamily: "inherit" };
  const nearest = (clientX: number, box: DOMRect) => {
    const wanted = x.invert(((clientX - box.left) / box.width) * width);
    const distance = (index: number) => Math.abs(Number(places[index]) - wanted);
    return places.reduce((best, _, index) => (distance(index) < distance(best) ? index : best), 0);
  };
  const onKey = (event: React.KeyboardEvent) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const from = at ?? (now === undefined ? places.length : places.findIndex(place => place >= now));
    setAt(Math.min(places.length - 1, Math.max(0, from + step)));
  };
  const upright = (place: bigint, stroke: string, dashes?: string) => (
    <line
      x1={x(Number(place))}
      x2={x(Number(place))}
      y1={MARGIN.top}
      y2={HEIGHT - MARGIN.bottom}
      stroke={stroke}
      strokeDasharray={dashes}
    />
  );
  return (
    <div className="chart">
      <svg
        viewBox={`0 0 ${width} ${HEIGHT}`}
        role="img"
        tabIndex={0}
        aria-label={`${label} Use the arrow keys to read it.`}
        onKeyDown={onKey}
        onPointerMove={event => setAt(nearest(event.clientX, event.currentTarget.getBoundingClientRect()))}
        onPointerLeave={() => setAt(undefined)}
      >
        <clipPath id={clip}>
          <rect x={0} width={width} y={y(0)} height={Math.max(0, HEIGHT - MARGIN.bottom - y(0))} />
        </clipPath>
        <g clipPath={`url(#${clip})`}>
          <AreaClosed
            data={lines[0]!.points}
            x={point => x(point.x)}
            y={point => y(point.y)}
            y0={y(0)}
            yScale={y}
            fill="rgb(var(--bad-bg) / 0.35)"
          />
        </g>
        <line x1={MARGIN.left} x2={width - MARGIN.right} y1={y(0)} y2={y(0)} stroke="var(--strong-line)" />
        {now !== undefined && upright(now, "var(--muted)", "3 3")}
        {lines.toReversed().map(({ color, isDashed, points }) => (
          <g key={color}>
            <LinePath
              data={points}
              x={point => x(point.x)}
              y={point => y(point.y)}
              stroke={color}
              strokeWidth={isDashed ? 1.5 : 2}
              strokeDasharray={isDashed ? "5 3" : undefined}
              fill="none"
            />
            {hasDots && points.map((point, index) => <circle key={index} cx={x(point.x)} cy={y(point.y)} r={2.5} fill={color} />)}
          </g>
        ))}
        {rings?.map(place => (
          <circle
            key={place.toString()}
            cx={x(Number(place))}
            cy={y(0)}
            r={5}
            fill="var(--panel)"
            stroke="var(--bad)"
            strokeWidth={2.5}
          />
        ))}
        {at !== undefined && places[at] !== undefined && (
          <g>
            {upright(places[at], "var(--accent)")}
            {series.map(({ color, values }) => {
              const value = values[at];
              return (
                value !== undefined && <circle key={color} cx={x(Number(places[at]))} cy={y(Number(value))} r={4} fill={color} />
              );
            })}
          </g>
        )}
        <AxisBottom
          {...axis}
          top={HEIGHT - MARGIN.bottom}
          scale={x}
          numTicks={width < 500 ? 4 : 8}
          tickFormat={value => tick(BigInt(Math.round(Number(value))))}
          tickLabelProps={{ ...ticks, textAnchor: "middle" }}
        />
        <AxisLeft
          {...axis}
          left={MARGIN.left}
          scale={y}
          numTicks={5}
          tickFormat={value => shortDollars(BigInt(Math.round(Number(value))))}
          tickLabelProps={{ ...ticks, textAnchor: "end", dx: -4, dy: 3 }}
        />
      </svg>
      <p className="muted" aria-live="polite" style={{ minHeight: 20 }}>
        {at === undefined || places[at] === undefined ? caption : describe(at)}
      </p>
    </div>
  );
}
