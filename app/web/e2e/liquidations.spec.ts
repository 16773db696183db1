/** Liquidations over a node of fixtures: an auction as time goes on, and MARGRAVE_ACCOUNTS accounts. */
import { expect, test } from "@playwright/test";
import { getAddressDecoder } from "@solana/kit";
import { getGroupDecoder, getMarginAccountDecoder, getMarginAccountEncoder } from "@margrave/client";
import { fixtureNode, storyAccounts, world } from "../test/fixture-rpc.mjs";
import { accessible, onNode, picture } from "./help";

const MANY = Number(process.env["MARGRAVE_ACCOUNTS"] ?? 2_000);
const ALL = (MANY + 3).toLocaleString("en-GB");

test("an auction goes on with time, and is over with the flag", async ({ page }) => {
  const accounts = storyAccounts();
  const key = world.accounts["carol"]!.address;
  const { terms } = getGroupDecoder().decode(accounts.get(world.accounts["group"]!.address)!);
  const carol = getMarginAccountDecoder().decode(accounts.get(key)!);
  const at = (flaggedAt: bigint, status: number) =>
    Buffer.from(getMarginAccountEncoder().encode({ ...carol, sequence: carol.sequence + 1n, flaggedAt, status }));
  // A third of the ramp has gone by.
  const gone = BigInt(Math.floor(terms.liquidationRampSecs / 3));
  accounts.set(key, at(BigInt(world.now) - gone, 2));
  const node = fixtureNode({ accounts });
  await onNode(page, node, "liquidations");
  const table = page.getByRole("region", { name: "Accounts by health, table" });
  await expect(table.locator("tbody tr").first()).toContainText("In liquidation");
  const panel = page.getByRole("region", { name: "Auction", exact: true });
  await expect(page.getByRole("region", { name: "A keeper's next step" })).toContainText("The account pays");
  await expect(panel).toContainText(/flagged \d+ (s|min)/);
  const fee = panel.getByRole("progressbar", { name: "Liquidation fee" });
  const part = async () => Number(await fee.getAttribute("aria-valuenow"));
  await expect.poll(part).toBeGreaterThanOrEqual(32);
  const before = await part();
  expect(before).toBeLessThan(60);
  await picture(page, "auction");
  await accessible(page, "an auction");
  await page.emulateMedia({ colorScheme: "light" });
  await picture(page, "auction-light");
  await page.emulateMedia({ colorScheme: "dark" });
  node.state.age += Math.ceil(terms.liquidationRampSecs / 3);
  await expect.poll(part, { timeout: 60_000 }).toBeGreaterThan(before + 20);
  await expect(panel.getByRole("progressbar")).toHaveCount(3);
  node.tick(key, at(0n, 0));
  await expect(panel).toContainText("Not begun");
  await node.close();
});

test("thousands of accounts: the riskiest are loaded, the others counted", async ({ page }) => {
  const accounts = storyAccounts();
  const alice = getMarginAccountDecoder().decode(accounts.get(world.accounts["alice"]!.address)!);
  // Encoded once: number, equity and maintenance margin have their places.
  const template = Buffer.from(getMarginAccountEncoder().encode({ ...alice, equity: 10_000_000_000n, status: 0 }));
  for (let index = 0; index < MANY; index++) {
    const raw = Buffer.from(template);
    raw.writeUInt16LE(index, 12);
    raw.writeBigInt64LE((10_000_000_000n * BigInt(index + 1)) / BigInt(MANY + 1), 112);
    const key = Buffer.alloc(32, 7);
    key.writeUInt32LE(index, 4);
    accounts.set(getAddressDecoder().decode(key), raw);
  }
  const node = fixtureNode({ accounts });
  let answered = 0;
  page.on("response", response => {
    if (response.request().method() === "POST")
      void response
        .body()
        .then(body => (answered += body.length))
        .catch(() => undefined);
  });
  const since = Date.now();
  await onNode(page, node, "liquidations");
  const rows = page.getByRole("region", { name: "Accounts by health, table" }).locator("tbody tr");
  await expect(rows).toHaveCount(50);
  const took = Date.now() - since;
  await expect(page.getByText(`50 of ${ALL} accounts`)).toBeVisible();
  await expect(page.getByTestId("accounts")).toHaveText(ALL);
  console.log(`${MANY} accounts: the first 50 valued after ${took} ms and ${(answered / 1e6).toFixed(1)} MB of answers`);
  await picture(page, "liquidations-many");
  await accessible(page, "many accounts");
  await page.getByRole("button", { name: "Show 50 more" }).click();
  await expect(rows).toHaveCount(100);

  // One that was healthy when it was last valued is no longer: it is found when all are valued.
  const carol = world.accounts["carol"]!.address;
  const row = page.getByRole("row").filter({ has: page.getByTitle(carol) });
  await expect(row).toHaveCount(0);
  const begun = Date.now();
  await page.getByRole("button", { name: "Value all now" }).click();
  await expect(row).toContainText("liquidatable", { timeout: 180_000 });
  await expect(rows.first()).toContainText("liquidatable");
  console.log(`all of them valued after ${((Date.now() - begun) / 1_000).toFixed(1)} s`);
  await node.close();
});
