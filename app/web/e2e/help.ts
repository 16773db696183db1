/** What the tests in a real browser share. */
import { mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { resolve } from "node:path";
import { expect, type Page } from "@playwright/test";
import type { fixtureNode } from "../test/fixture-rpc.mjs";

const here = import.meta.dirname;
/** Screenshots are kept here, beside everything else that is built. */
export const SHOTS = process.env["MARGRAVE_SHOTS"] ?? resolve(here, "../../../target/screenshots");
export const SERVICES = "http://127.0.0.1:8787";
const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

export const PAGES = ["portfolio", "risk", "trade", "liquidations", "markets"] as const;

export async function open(page: Page, name: (typeof PAGES)[number]): Promise<void> {
  await page
    .getByRole("navigation", { name: "Pages" })
    .getByRole("link", { name: new RegExp(name, "i") })
    .click();
  await expect(page.getByRole("heading", { level: 1 })).toContainText(new RegExp(name, "i"));
}

/** A page over a node of fixtures, which starts to listen. */
export async function onNode(page: Page, node: ReturnType<typeof fixtureNode>, name: string, query = ""): Promise<void> {
  const url = `http://127.0.0.1:${await node.listen(0)}`;
  await page.goto(`/?cluster=custom&rpc=${url}&ws=${url.replace("http", "ws")}&services=${url}${query}#/${name}`);
}

/** Pictures at a desk's and a phone's width. Nothing may be wider than the phone. */
export async function picture(page: Page, name: string): Promise<void> {
  mkdirSync(SHOTS, { recursive: true });
  for (const width of [1440, 390]) {
    await page.setViewportSize({ width, height: 900 });
    await page.waitForTimeout(400);
    // As tall as the page, so that what sticks to an edge is at the edge.
    const height = await page.evaluate(() => document.documentElement.scrollHeight);
    await page.setViewportSize({ width, height: Math.max(900, height) });
    await page.waitForTimeout(400);
    await page.screenshot({ path: resolve(SHOTS, `${name}-${width}.png`) });
    const excess = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    expect(excess, `${name} at ${width} px is too wide`).toBeLessThanOrEqual(0);
  }
  await page.setViewportSize({ width: 1440, height: 900 });
}

type Violation = { id: string; impact: string; nodes: { target: unknown[]; failureSummary: string }[] };

/** No serious violation of accessibility rules. */
export async function accessible(page: Page, name: string): Promise<void> {
  await page.evaluate(AXE);
  const violations = await page.evaluate(async () => {
    const { axe } = window as unknown as { axe: { run: (options: unknown) => Promise<{ violations: Violation[] }> } };
    return (await axe.run({ resultTypes: ["violations"] })).violations;
  });
  const serious = violations.filter(each => each.impact === "serious" || each.impact === "critical");
  const told = serious.map(
    each => `${each.id}: ${each.nodes.map(node => `${node.target.join(" ")} ${node.failureSummary}`).join("; ")}`,
  );
  expect(told, `serious violations on ${name}`).toEqual([]);
}

/** Waits for a transaction whose title begins so; fails with what the page says when it failed. */
export async function done(page: Page, title: string): Promise<void> {
  const entry = page.locator(`.activity[data-title^="${title}"]`).last();
  await expect(entry).toHaveAttribute("data-phase", /done|failed/, { timeout: 60_000 });
  if ((await entry.getAttribute("data-phase")) === "failed") throw new Error(await entry.innerText());
  await entry.getByRole("button", { name: /^Dismiss/ }).click();
}

export async function shock(symbol: string, changePpm: number): Promise<void> {
  const answer = await fetch(`${SERVICES}/price`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ symbol, changePpm }),
  });
  expect(answer.ok, await answer.text()).toBe(true);
}

/** The micro-dollars behind a number. */
export async function micros(page: Page, id: string): Promise<bigint> {
  const text = await page.getByTestId(id).getAttribute("data-micros");
  if (text === null) throw new Error(`${id} has no number`);
  return BigInt(text);
}
