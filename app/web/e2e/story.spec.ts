/** A trader's day on the real local network: a validator, the compiled program, moving prices, a maker and a keeper. */
import { expect, test, type Page } from "@playwright/test";
import { accessible, done, micros, open, PAGES, picture, SERVICES, shock } from "./help";

const LEVELS = ["equity", "initialMargin", "liquidationEnd", "maintenanceMargin"] as const;

async function addLeg(
  page: Page,
  leg: { underlying?: string; kind?: string; side: "Buy" | "Sell"; size: string },
): Promise<void> {
  if (leg.underlying) await page.getByLabel("Underlying", { exact: true }).selectOption({ label: leg.underlying });
  if (leg.kind) await page.getByLabel("Kind").selectOption({ label: leg.kind });
  await page.getByRole("group", { name: "Side" }).getByRole("button", { name: leg.side }).click();
  await page.getByLabel("Size").fill(leg.size);
  await page.getByRole("button", { name: "Add leg" }).click();
}

/** Asks, looks at the firm numbers, signs; returns whether the chain's numbers were those shown. Where not, the page must say that prices moved. */
async function tradeTicket(page: Page): Promise<boolean> {
  await page
    .getByRole("button", { name: /Ask the maker for a quote|Ask again/ })
    .first()
    .click();
  await expect(page.getByTestId("outlook")).toHaveAttribute("data-firm", "true");
  await expect(page.getByTestId("simulated")).toBeVisible();
  await page.getByRole("button", { name: "Sign and trade" }).click();
  await done(page, "Trade");
  const receipt = page.getByTestId("receipt");
  await expect(receipt).toBeVisible();
  const [equal, moved] = [await receipt.getAttribute("data-equal"), await receipt.getAttribute("data-moved")];
  for (const level of LEVELS) {
    const [shown, chain] = [await micros(page, `shown-${level}`), await micros(page, `chain-${level}`)];
    if (equal === "true") expect(chain, level).toBe(shown);
  }
  if (equal !== "true") expect(moved, "numbers differ and no price has moved").toBe("true");
  return equal === "true";
}

test.describe.configure({ mode: "serial" });

test("connect, deposit, preview, trade, crash, liquidation, withdraw", async ({ page }) => {
  const errors: string[] = [];
  page.on("pageerror", error => errors.push(error.message));
  await test.step("the network is up, and the app finds its group", async () => {
    expect((await fetch(`${SERVICES}/info`)).ok).toBe(true);
    await page.goto("/?cluster=localnet");
    await expect(page.getByText("No wallet is connected")).toBeVisible();
    await picture(page, "portfolio-empty");
  });

  await test.step("liquidations and markets need no wallet", async () => {
    await open(page, "liquidations");
    await expect(page.getByRole("region", { name: "Accounts by health, table" })).toBeVisible();
    await open(page, "markets");
    await expect(page.getByTestId("solvency")).toContainText("covered");
    await expect(page.getByTestId("solvency")).not.toContainText("short");
  });

  await test.step("a burner wallet gets test tokens and opens an account", async () => {
    await open(page, "portfolio");
    await page.getByRole("button", { name: "Connect a wallet" }).click();
    await page.getByRole("button", { name: "Use a burner wallet" }).click();
    await page.getByRole("button", { name: /^Wallet / }).click();
    const dialog = page.getByRole("dialog", { name: "Wallet" });
    await dialog.getByRole("button", { name: "Get test tokens" }).click();
    await expect(dialog).toBeHidden({ timeout: 60_000 });
    await page.getByRole("button", { name: "Open a margin account" }).click();
    await done(page, "Open");
  });

  await test.step("deposit, as previewed", async () => {
    await page.getByRole("button", { name: "Deposit" }).click();
    await page.getByLabel("Amount").fill("5000");
    await expect(page.getByTestId("move-preview")).toContainText("$5,000.00");
    await page.getByRole("dialog").getByRole("button", { name: "Deposit" }).last().click();
    await done(page, "Deposit");
    await expect(page.getByTestId("equity")).toHaveText("$5,000.00");
  });

  await test.step("trade three legs: the chain's numbers are those that were shown", async () => {
    await open(page, "trade");
    let equal = 0;
    for (let turn = 0; turn < 8 && equal < 2; turn++) {
      const size = String(2 + turn);
      await addLeg(page, { underlying: "SOL", kind: "Perp", side: turn % 2 ? "Sell" : "Buy", size });
      await addLeg(page, { kind: "Put", side: "Buy", size });
      await addLeg(page, { kind: "Call", side: turn % 2 ? "Buy" : "Sell", size: "1" });
      equal += Number(await tradeTicket(page));
    }
    expect(equal, "in none of eight trades did prices stand still").toBeGreaterThanOrEqual(1);
    await picture(page, "trade-receipt");
  });

  await test.step("its history is that of its events, and a scenario is kept", async () => {
    await open(page, "portfolio");
    const history = page.getByTestId("history");
    await expect
      .poll(async () => Number(await history.getAttribute("data-points")), { timeout: 30_000 })
      .toBeGreaterThanOrEqual(1);
    await open(page, "risk");
    await expect(page.getByTestId("break-even")).toContainText(/SOL: (even|no break-even)/);
    const saved = page.getByRole("region", { name: "Saved scenarios" });
    await page.getByLabel("Volatility", { exact: false }).first().fill("40");
    await expect(page.getByText("Supposed, not real")).toBeVisible();
    await saved.getByLabel("Name of the scenario").fill("Calm is over");
    await saved.getByRole("button", { name: "Save" }).click();
    await page.getByRole("button", { name: "Reset" }).click();
    await expect(page.getByText("Supposed, not real")).toHaveCount(0);
    await page.reload();
    await saved.getByRole("button", { name: "Calm is over", exact: true }).click();
    await expect(page.getByText("Supposed, not real")).toBeVisible();
    await page.getByRole("button", { name: "Reset" }).click();
  });

  await test.step("pages are finished, at both widths, and accessible", async () => {
    for (const name of PAGES) {
      await open(page, name);
      if (name === "trade") {
        await addLeg(page, { underlying: "BTC", kind: "Perp", side: "Sell", size: "0.01" });
        await page.getByRole("button", { name: "Ask the maker for a quote" }).click();
        await expect(page.getByTestId("simulated")).toBeVisible();
      }
      if (name === "risk") await expect(page.getByTestId("liquidation-points")).toBeVisible();
      if (name === "risk" || name === "trade") await expect(page.getByTestId("break-even")).toBeVisible();
      await page.waitForTimeout(1_500);
      await picture(page, name);
      await accessible(page, name);
      if (name === "trade") await page.getByRole("button", { name: "Remove BTC perp" }).click();
    }
    await page.emulateMedia({ colorScheme: "light" });
    for (const name of PAGES) {
      await open(page, name);
      await page.waitForTimeout(1_000);
      await picture(page, `${name}-light`);
      await accessible(page, `${name}, light`);
    }
    await page.emulateMedia({ colorScheme: "dark" });
  });

  await test.step("as large as margin carries", async () => {
    await open(page, "trade");
    await addLeg(page, { underlying: "SOL", kind: "Perp", side: "Buy", size: "1" });
    await page.getByRole("button", { name: "Use that size" }).click();
    // Prices move while it is asked: a little less than the most.
    const legs = page.getByRole("list", { name: "Legs" });
    const most = Number(((await legs.innerText()).match(/\+([\d,.]+)/)?.[1] ?? "0").replaceAll(",", ""));
    expect(most).toBeGreaterThan(10);
    await legs.getByRole("button", { name: /^Remove/ }).click();
    await addLeg(page, { underlying: "SOL", kind: "Perp", side: "Buy", size: (Math.floor(most * 97) / 100).toFixed(2) });
    await tradeTicket(page);
  });

  const account = await test.step("the account", async () => {
    await open(page, "portfolio");
    const link = page.locator(".page-head a").first();
    return (await link.getAttribute("title"))!;
  });

  await test.step("the price falls, and the keeper liquidates", async () => {
    await open(page, "liquidations");
    await shock("SOL", -80_000);
    const short = `${account.slice(0, 4)}…${account.slice(-4)}`;
    const told = page.locator('[data-event="PositionsLiquidated"], [data-event="SliceLiquidated"]').filter({ hasText: short });
    await expect(told.first()).toBeVisible({ timeout: 90_000 });
    await picture(page, "liquidations-after");
  });

  await test.step("what is left is closed, settled and withdrawn", async () => {
    // A price gap stops new risk for a while; what reduces goes on.
    await page.waitForTimeout(25_000);
    await open(page, "portfolio");
    await picture(page, "portfolio-after");
    for (let turn = 0; turn < 12; turn++) {
      await open(page, "portfolio");
      await page.waitForTimeout(1_500);
      const rows = page.getByRole("region", { name: "Positions, table" }).locator("tbody tr");
      if ((await rows.count()) === 0) break;
      const name = await rows.first().getByRole("rowheader").innerText();
      const size = (await rows.first().getByRole("cell").first().innerText()).trim();
      await page.getByRole("button", { name: `Close ${name}` }).click();
      await expect(page.getByRole("heading", { level: 1 })).toContainText("Trade");
      await expect(page.getByRole("list", { name: "Legs" })).toContainText(size.replace(/^[+−]/, ""));
      await tradeTicket(page);
    }
    await open(page, "portfolio");
    await expect(page.getByText("No open positions")).toBeVisible();
    const settle = page.getByRole("button", { name: "Settle" });
    if ((await settle.count()) > 0) {
      await settle.first().click();
      await done(page, "Settle");
    }
    const before = await page.getByTestId("equity").innerText();
    await page.getByRole("button", { name: "Withdraw" }).click();
    await page.getByLabel("Amount").fill("100");
    await expect(page.getByTestId("move-preview")).toBeVisible();
    await page.getByRole("dialog").getByRole("button", { name: "Withdraw" }).last().click();
    await done(page, "Withdraw");
    await expect(page.getByTestId("equity")).not.toHaveText(before);
  });
  expect(errors).toEqual([]);
});
