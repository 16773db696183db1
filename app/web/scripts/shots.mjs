// Screenshots of every page over a running preview server: node scripts/shots.mjs OUT BASE_URL [QUERY]
import { mkdirSync } from "node:fs";
import { chromium } from "@playwright/test";
import { BROWSER } from "../e2e/browser.mjs";

const [out, base, query = "", only] = process.argv.slice(2);
mkdirSync(out, { recursive: true });
const browser = await chromium.launch(BROWSER);
const pages = ["portfolio", "risk", "trade", "liquidations", "markets"].filter(name => !only || only.split(",").includes(name));
for (const [width, height, theme] of [
  [1440, 900, "dark"],
  [390, 844, "dark"],
  [1440, 900, "light"],
]) {
  const page = await browser.newPage({ viewport: { width, height }, colorScheme: theme });
  page.on("pageerror", error => console.error("pageerror", error.message));
  page.on("console", message => message.type() === "error" && console.error("console", message.text()));
  for (const name of pages) {
    await page.goto(`${base}/?${query}#/${name}`);
    await page.reload();
    await page.waitForTimeout(2_500);
    await page.screenshot({ path: `${out}/${name}-${width}${theme === "light" ? "-light" : ""}.png`, fullPage: true });
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    if (wide > 0) console.error(`${name} at ${width} is ${wide} px too wide`);
  }
  await page.close();
}
await browser.close();
