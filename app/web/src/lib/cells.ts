/** The scenario grid (docs/margin-model.md, section 1): what each of the 31 cells stands for, and where it is drawn. */

export type Volatility = "down" | "same" | "up" | "rotated" | "wings";

export type Cell = {
  index: number;
  /** Price move in millionths. */
  movePpm: bigint;
  volatility: Volatility;
  /** `weight` of a tail in millionths; 1,000,000 elsewhere. */
  weightPpm: bigint;
  /** In words: `−2/3 R (−12.0 %), volatility up`. */
  name: string;
};

export const CELLS = 31;
/** Names the basis charge where a worst cell is named, and nothing. */
export const BASIS_CELL = 31;
export const NO_CELL = 255;

const CORE: readonly (readonly [string, bigint])[] = [
  ["−R", -3n],
  ["−⅔ R", -2n],
  ["−⅓ R", -1n],
  ["unchanged", 0n],
  ["+⅓ R", 1n],
  ["+⅔ R", 2n],
  ["+R", 3n],
];
const TAILS = [-660_000n, -330_000n, 500_000n, 1_000_000n, 2_000_000n, 4_000_000n];
const VOLATILITIES = ["down", "same", "up"] as const;

const IN_WORDS: Record<Volatility, string> = {
  down: "volatility down",
  same: "volatility unchanged",
  up: "volatility up",
  rotated: "smile rotated",
  wings: "wings lifted",
};

/** The cells of a scan range, in the program's order. `rangePpm` is R in millionths. */
export function cellsOf(rangePpm: bigint): Cell[] {
  const cells: Cell[] = [];
  const add = (label: string, movePpm: bigint, volatility: Volatility, weightPpm = 1_000_000n) => {
    const percent = movePpm === 0n ? "" : ` (${percentOf(movePpm)})`;
    const name = `price ${label}${label.includes("%") ? "" : percent}, ${IN_WORDS[volatility]}`;
    cells.push({ index: cells.length, movePpm, volatility, weightPpm, name });
  };
  for (const [label, thirds] of CORE) {
    for (const volatility of VOLATILITIES) add(label, (rangePpm * thirds) / 3n, volatility);
  }
  add("−4/3 R", (-rangePpm * 4n) / 3n, "up");
  add("+4/3 R", (rangePpm * 4n) / 3n, "up");
  for (const tail of TAILS) {
    const size = tail < 0n ? -tail : tail;
    const weight = (rangePpm * 4_000_000n) / 3n / size;
    add(percentOf(tail), tail, "up", weight < 1_000_000n ? weight : 1_000_000n);
  }
  add("unchanged", 0n, "rotated");
  add("unchanged", 0n, "wings");
  return cells;
}

/** A worst cell in words. */
export function cellName(index: number, rangePpm: bigint): string {
  if (index === BASIS_CELL) return "expiries moving apart (basis)";
  return cellsOf(rangePpm)[index]?.name ?? "no exposure";
}

/** Where cells are drawn: price moves from left to right; the smile's two cells by themselves. */
export type Layout = {
  columns: { movePpm: bigint; label: string }[];
  rows: { volatility: Volatility; cells: (Cell | undefined)[] }[];
  smile: Cell[];
};

export function layoutOf(rangePpm: bigint): Layout {
  const cells = cellsOf(rangePpm);
  const grid = cells.filter(cell => cell.volatility !== "rotated" && cell.volatility !== "wings");
  const moves = [...new Set(grid.map(cell => cell.movePpm))].sort((a, b) => (a < b ? -1 : 1));
  const rows = (["up", "same", "down"] as const).map(volatility => ({
    volatility,
    cells: moves.map(move => grid.find(cell => cell.movePpm === move && cell.volatility === volatility)),
  }));
  return {
    columns: moves.map(movePpm => ({ movePpm, label: percentOf(movePpm) })),
    rows,
    smile: cells.filter(cell => !grid.includes(cell)),
  };
}

/** Millionths as a short percentage with its sign: `−12 %`, `+7.3 %`. */
export function percentOf(ppm: bigint): string {
  if (ppm === 0n) return "0 %";
  const size = ppm < 0n ? -ppm : ppm;
  const tenths = (size + 500n) / 1_000n;
  const text = tenths % 10n === 0n ? `${tenths / 10n}` : `${tenths / 10n}.${tenths % 10n}`;
  return `${ppm < 0n ? "−" : "+"}${text} %`;
}
