import type { Numbers } from "@margrave/client";
import { dollars } from "../lib/format";

/** Equity against the three levels, on one scale that begins at zero. */
export function HealthGauge({ numbers }: { numbers: Numbers }) {
  const { equity, initialMargin, liquidationEnd, maintenanceMargin } = numbers;
  const most = [equity, initialMargin, maintenanceMargin, 1n].reduce((a, b) => (a > b ? a : b));
  const end = (most * 108n) / 100n;
  // Thousandths of the bar's width.
  const at = (value: bigint) => Number(((value > 0n ? value : 0n) * 1_000n) / end);
  const tone = equity < maintenanceMargin ? "bad" : equity < initialMargin ? "warn" : "good";
  const levels = [
    { name: "Maintenance", value: maintenanceMargin, color: "var(--bad)" },
    { name: "Liquidation ends", value: liquidationEnd, color: "var(--warn)" },
    { name: "Initial", value: initialMargin, color: "var(--accent)" },
  ];
  const text =
    `Equity ${dollars(equity)}. ` +
    levels.map(({ name, value }) => `${name} ${dollars(value, { rounding: "up" })}`).join(", ") +
    ".";
  return (
    <div className="gauge">
      <svg viewBox="0 0 1000 44" preserveAspectRatio="none" height="44" style={{ height: 44 }} role="img" aria-label={text}>
        <rect x="0" y="10" width="1000" height="24" rx="4" fill="var(--raised)" />
        <rect x="0" y="10" width={at(equity)} height="24" rx="4" fill={`var(--${tone})`} opacity="0.75" />
        {levels.map(({ name, value, color }) => (
          <line
            key={name}
            x1={at(value)}
            x2={at(value)}
            y1="2"
            y2="42"
            stroke={color}
            strokeWidth="2.5"
            vectorEffect="non-scaling-stroke"
          />
        ))}
      </svg>
      <div className="legend">
        <span>
          <i className="key" style={{ background: `var(--${tone})` }} />
          Equity {dollars(equity)}
        </span>
        {levels.map(({ name, value, color }) => (
          <span key={name}>
            <i className="key" style={{ background: color, width: 3 }} />
            {name} {dollars(value, { rounding: "up" })}
          </span>
        ))}
      </div>
    </div>
  );
}
