import type { Explanation } from "@margrave/client";
import { dollars } from "../lib/format";
import { chargesOf, type ChargeName } from "../lib/report";
import { ExportButtons, Panel } from "./ui";

const PARTS: readonly { name: Exclude<ChargeName, "basis">; label: string; why: string }[] = [
  { name: "delta", label: "Delta", why: "on net and hedged value: what the grid's steps leave out" },
  { name: "naked", label: "Short options", why: "options that no long one of their expiry covers" },
  { name: "vega", label: "Vega", why: "volatilities of expiries moving apart" },
  { name: "size", label: "Size", why: "beyond what the market takes without moving" },
  { name: "nakedInitial", label: "Short options, initial", why: "the same once more where risk is added" },
  { name: "confidence", label: "Price confidence", why: "uncertainty of the oracle; never liquidates" },
  { name: "collateral", label: "Collateral haircut", why: "initial haircuts beyond the maintenance ones" },
  { name: "depeg", label: "Quote token's peg", why: "while it trades below a dollar" },
  { name: "stable", label: "Stable price", why: "while the price is away from the one that follows slowly" },
];

export type Step = { label: string; why: string; from: bigint; to: bigint; kind: "part" | "total" | "less" };

/** The parts of initial margin, which add up to it exactly, and what of it maintenance margin does not ask for. */
export function stepsOf(explanation: Explanation): Step[] {
  const { scan, numbers } = explanation;
  const charges = chargesOf(explanation);
  const steps: Step[] = [{ label: "Scan", why: "loss in the worst scenarios, after offsets", from: 0n, to: scan, kind: "part" }];
  let sum = scan;
  for (const { name, label, why } of PARTS) {
    const charge = charges[name];
    if (charge !== 0n) steps.push({ label, why, from: sum, to: sum + charge, kind: "part" });
    sum += charge;
  }
  const { initialMargin, maintenanceMargin } = numbers;
  if (sum !== initialMargin) steps.push({ label: "Rounding", why: "", from: sum, to: initialMargin, kind: "part" });
  steps.push({ label: "Initial margin", why: "needed to add risk", from: 0n, to: initialMargin, kind: "total" });
  steps.push({
    label: "Not in maintenance",
    why: "a fifth of the scan, and the charges that only bind when risk is added",
    from: maintenanceMargin,
    to: initialMargin,
    kind: "less",
  });
  steps.push({ label: "Maintenance margin", why: "below it liquidation begins", from: 0n, to: maintenanceMargin, kind: "total" });
  return steps;
}

export function Waterfall({ explanation, note }: { explanation: Explanation; note?: string }) {
  const steps = stepsOf(explanation);
  const end = steps.reduce((most, step) => (step.to > most ? step.to : most), 1n);
  const share = (value: bigint) => Number((value * 10_000n) / end) / 100;
  const rows = () =>
    steps.map(({ label, from, to, kind }) => ({ component: label, kind, micros: kind === "less" ? from - to : to - from }));
  return (
    <Panel
      title="What the margin is made of"
      note={note}
      end={<ExportButtons name="margin" rows={rows} json={() => explanation} />}
    >
      <ol className="waterfall" data-testid="waterfall">
        {steps.map(({ label, why, from, to, kind }) => (
          <li key={label} className={kind === "total" ? "sum" : ""} title={why}>
            <span>{label}</span>
            <span className="bar" aria-hidden="true">
              <i className={kind} style={{ left: `${share(from)}%`, width: `${share(to - from)}%` }} />
            </span>
            <span className="value">
              {dollars(kind === "less" ? from - to : to - from, { rounding: "up", sign: kind === "part" && from > 0n })}
            </span>
          </li>
        ))}
      </ol>
    </Panel>
  );
}
