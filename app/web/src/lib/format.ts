/** Integers to text. Nothing here makes a number of an amount. */
import { DOLLAR_DECIMALS, formatAmount, PRICE_DECIMALS, type Rounding } from "@margrave/client";

const MINUS = "−";

/** Thousands apart, a real minus, the sign in front: `-1234.5` is `−1,234.5`. */
export function grouped(text: string): string {
  const negative = text.startsWith("-");
  const [whole = "", fraction] = text.replace(/^-/, "").split(".");
  const parted = whole.replace(/\B(?=(\d{3})+$)/g, ",");
  const shown = fraction === undefined ? parted : `${parted}.${fraction}`;
  return negative && /[1-9]/.test(shown) ? MINUS + shown : shown;
}

type Options = { digits?: number; sign?: boolean; rounding?: Exclude<Rounding, "exact"> };

/** Micro-dollars: `$1,234.56`. What is owned rounds down, as the program does. */
export function dollars(micros: bigint, { digits = 2, sign = false, rounding = "down" }: Options = {}): string {
  const text = grouped(formatAmount(micros, DOLLAR_DECIMALS, { digits, rounding }));
  const dollar = text.startsWith(MINUS) ? `${MINUS}$${text.slice(1)}` : `$${text}`;
  return sign && micros > 0n && /[1-9]/.test(text) ? `+${dollar}` : dollar;
}

/** The same in few characters for a cell: `−1.2k`, `35`, `2.40m`. */
export function shortDollars(micros: bigint): string {
  const size = micros < 0n ? -micros : micros;
  const sign = micros < 0n ? MINUS : "";
  if (size < 500_000n) return "0";
  if (size < 10_000_000_000n) return sign + grouped(formatAmount(size, 6, { digits: 0, rounding: "nearest" }));
  if (size < 1_000_000_000_000n) return `${sign}${formatAmount(size, 9, { digits: 1, rounding: "nearest" })}k`;
  return `${sign}${formatAmount(size, 12, { digits: 2, rounding: "nearest" })}m`;
}

/** 10^-10 dollars per whole unit. As many digits as say something at this size. */
export function price(value: bigint, digits = value >= 10_000_000_000_000n ? 2 : value >= 10_000_000_000n ? 3 : 6): string {
  const text = grouped(formatAmount(value, PRICE_DECIMALS, { digits, rounding: "nearest" }));
  return text.startsWith(MINUS) ? `${MINUS}$${text.slice(1)}` : `$${text}`;
}

/** Smallest units: `1,234.5`. */
export function quantity(value: bigint, decimals: number, { digits, sign = false }: Options = {}): string {
  const text = grouped(formatAmount(value, decimals, { digits, rounding: "down" }));
  return sign && value > 0n ? `+${text}` : text;
}

/** Millionths: `18.00 %`. */
export function ppm(value: bigint | number, digits = 2): string {
  return `${grouped(formatAmount(BigInt(value), 4, { digits, rounding: "nearest" }))} %`;
}

/** Steps of 2^-30 as a percentage. */
export function ratio(bits: bigint, digits = 2): string {
  return ppm(ppmOfBits(bits), digits);
}

/** Steps of 2^-30 in millionths, to the nearest. */
export function ppmOfBits(bits: bigint): bigint {
  return (bits * 1_000_000n + (1n << 29n)) >> 30n;
}

/** Part of whole in millionths; undefined without a whole. */
export function partPpm(part: bigint, whole: bigint): bigint | undefined {
  return whole > 0n ? (part * 1_000_000n) / whole : undefined;
}

/** Seconds: `4 s`, `3 min`, `2 h 05 min`, `6 d 4 h`. */
export function duration(seconds: bigint | number): string {
  const total = Math.max(0, Number(seconds));
  const [days, hours, minutes] = [Math.floor(total / 86_400), Math.floor(total / 3_600) % 24, Math.floor(total / 60) % 60];
  if (days > 0) return hours > 0 ? `${days} d ${hours} h` : `${days} d`;
  if (hours > 0) return minutes > 0 ? `${hours} h ${String(minutes).padStart(2, "0")} min` : `${hours} h`;
  if (minutes > 0) return total % 60 && minutes < 10 ? `${minutes} min ${total % 60} s` : `${minutes} min`;
  return `${total} s`;
}

const DAY = new Intl.DateTimeFormat("en-GB", { day: "2-digit", month: "short", year: "2-digit", timeZone: "UTC" });
const MOMENT = new Intl.DateTimeFormat("en-GB", {
  day: "2-digit",
  month: "short",
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
  timeZone: "UTC",
});

/** Unix seconds: `27 Mar 26`. */
export function day(seconds: bigint): string {
  return DAY.format(new Date(Number(seconds) * 1_000));
}

/** Unix seconds: `27 Mar, 08:00:00 UTC`. */
export function moment(seconds: bigint): string {
  return `${MOMENT.format(new Date(Number(seconds) * 1_000))} UTC`;
}

/** Unix seconds as a time of day: `08:00:00`. */
export function clock(seconds: bigint): string {
  return new Date(Number(seconds) * 1_000).toISOString().slice(11, 19);
}

/** `DJHx…JefA`. */
export function short(key: string): string {
  return `${key.slice(0, 4)}…${key.slice(-4)}`;
}
