/** Parameters in words: the unit of each is in its name, as in the program. */
import type { Change } from "@margrave/client";
import { formatAmount, NO_ADDRESS } from "@margrave/client";
import { dollars, duration, grouped, ppm, short } from "./format";
import { bankOf, symbolOf, tokenOf, underlyingOf, type World } from "./market";

/** Fields that say nothing to a reader. */
const HIDDEN = new Set(["version", "padding", "reserved", "kind"]);
/** Micro-dollars, where the name has no unit. */
const DOLLARS = new Set([
  "outflowCapGroup",
  "sizeDepth",
  "profitCap",
  "liquidationVolumeCap",
  "fundingDepth",
  "firstLossTarget",
  "insuranceCap",
  "exposureCap",
]);
/** Smallest units of the token or the underlying. */
const UNITS = new Set([
  "depositCap",
  "borrowCap",
  "outflowCap",
  "weightScaleStart",
  "insuranceTarget",
  "lot",
  "perpInterestCap",
  "futureInterestCap",
  "optionInterestCap",
  "positionAllowance",
]);
const UNLIMITED = 1n << 61n;

export type Term = { name: string; label: string; value: string };

/** `haircutInitialPpm` is `Haircut initial`. */
export function labelOf(name: string): string {
  const words = name.replace(/(Ppm|Secs)$/, "").replace(/([A-Z])/g, letter => ` ${letter.toLowerCase()}`);
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/** One value with its unit. `decimals` are those of the token or underlying; undefined for a group. */
export function valueText(name: string, value: unknown, decimals: number | undefined): string {
  if (typeof value === "bigint" || typeof value === "number") {
    if (name.endsWith("Ppm")) return ppm(value, 3).replace(/\.?0+ %$/, " %");
    if (name.endsWith("Secs")) return duration(value);
    const integer = BigInt(value);
    if (integer >= UNLIMITED) return "no limit";
    if (DOLLARS.has(name) || (name === "outflowCap" && decimals === undefined)) return dollars(integer, { digits: 0 });
    if (UNITS.has(name) && decimals !== undefined) return grouped(formatAmount(integer, decimals));
    return grouped(integer.toString());
  }
  if (value instanceof Uint8Array) return Array.from(value, byte => byte.toString(16).padStart(2, "0")).join("");
  if (Array.isArray(value))
    return value
      .filter(each => each !== NO_ADDRESS)
      .map(String)
      .map(short)
      .join(", ");
  if (value === NO_ADDRESS) return "none";
  return String(value);
}

export function termsOf(terms: object, decimals: number | undefined): Term[] {
  return Object.entries(terms)
    .filter(([name]) => !HIDDEN.has(name))
    .map(([name, value]) => ({ name, label: labelOf(name), value: valueText(name, value, decimals) }));
}

/** What a queued change would change: the terms that differ from today's. */
export type Difference = { label: string; before: string; after: string };

export function differencesOf(world: World, change: Change): { title: string; differences: Difference[] } {
  const compare = (before: object, after: object, decimals: number | undefined): Difference[] => {
    const old = new Map(termsOf(before, decimals).map(term => [term.name, term.value]));
    return termsOf(after, decimals)
      .filter(term => old.get(term.name) !== term.value)
      .map(term => ({ label: term.label, before: old.get(term.name) ?? "", after: term.value }));
  };
  const group = world.group.data;
  switch (change.__kind) {
    case "Roles":
      return { title: "Roles", differences: compare(group.roles, change.fields[0], undefined) };
    case "Group":
      return { title: "Terms of the group", differences: compare(group.terms, change.fields[0], undefined) };
    case "Options":
      return { title: "Terms of options", differences: compare(group.options, change.fields[0], undefined) };
    case "Receivers":
      return {
        title: "Price programs",
        differences: compare({ receivers: group.receivers }, { receivers: change.fields[0] }, undefined),
      };
    case "Unpause":
      return { title: "End pauses", differences: [{ label: "Bits", before: "paused", after: change.fields[0].toString(2) }] };
    case "Bank": {
      const bank = bankOf(world, change.bank);
      if (!bank) return { title: `Bank ${short(change.bank)}`, differences: [] };
      return { title: `Bank ${tokenOf(world, bank)}`, differences: compare(bank.data.terms, change.terms, bank.data.decimals) };
    }
    case "Underlying": {
      const sheet = underlyingOf(world, change.underlying);
      if (!sheet) return { title: `Underlying ${short(change.underlying)}`, differences: [] };
      const { decimals, oracle, risk, market } = sheet.data;
      const differences = [
        ...compare(oracle.terms, change.oracle, decimals),
        ...compare(risk, change.risk, decimals),
        ...compare(market, change.market, decimals),
      ];
      return { title: `Underlying ${symbolOf(sheet)}`, differences };
    }
    case "Resume": {
      const sheet = underlyingOf(world, change.underlying);
      return { title: `Resume ${sheet ? symbolOf(sheet) : short(change.underlying)}`, differences: [] };
    }
    // What a venue may do today is not among the accounts that are read: all of what it will be is shown.
    case "Venue": {
      const { exposureCap, enabled, markets } = change.terms;
      const named = markets.filter(market => market.kinds !== 0);
      const texts = named.map(({ underlying, fillCap }) => {
        const sheet = world.underlyings.find(each => each.data.index === underlying);
        return `${sheet ? symbolOf(sheet) : `#${underlying}`} up to ${valueText("exposureCap", fillCap, undefined)}`;
      });
      const differences = [
        { label: "Enabled", before: "", after: enabled === 0 ? "no" : "yes" },
        { label: "Exposure cap", before: "", after: valueText("exposureCap", exposureCap, undefined) },
        { label: "Markets", before: "", after: texts.join(", ") || "none" },
      ];
      return { title: `Venue ${short(change.venue)}`, differences };
    }
    case "ResumeVenue":
      return { title: `Resume venue ${short(change.venue)}`, differences: [] };
  }
}
