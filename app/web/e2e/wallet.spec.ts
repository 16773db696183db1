/** A Wallet Standard wallet on the local network: found, connected, asked to sign, declining, switched and left. */
import { expect, test } from "@playwright/test";
import { accessible, done, open, picture } from "./help";
import { putWallet, wallet } from "./standard-wallet";

const NAME = "Test Wallet";

test("a wallet of the browser signs, declines, switches its account and leaves", async ({ page }) => {
  const errors: string[] = [];
  page.on("pageerror", error => errors.push(error.message));
  const shown = page.getByRole("button", { name: /^Wallet / });
  const dialog = page.getByRole("dialog", { name: "Connect a wallet" });
  await putWallet(page, { name: NAME });
  await putWallet(page, { name: "Elsewhere", chains: ["solana:mainnet"], lacks: ["standard:disconnect", "standard:events"] });

  await test.step("it appears by itself, whenever it comes", async () => {
    await page.goto("/?cluster=localnet");
    await page.getByRole("button", { name: "Connect a wallet" }).click();
    await expect(dialog.getByRole("button", { name: "Use a burner wallet" })).toBeVisible();
    await expect(dialog.getByRole("button", { name: NAME })).toHaveCount(0);
    await wallet(page, NAME, remote => remote.register());
    await wallet(page, "Elsewhere", remote => remote.register());
    await expect(dialog.getByRole("button", { name: NAME })).toBeEnabled();
    // One that does not know the cluster cannot be chosen, and says why.
    await expect(dialog.getByRole("button", { name: /^Elsewhere does not sign for Localnet/ })).toBeDisabled();
    await page.waitForTimeout(300);
    await picture(page, "wallets");
    await accessible(page, "the connect menu");
  });

  await test.step("a connection that it declines is said, and can be asked for again", async () => {
    await wallet(page, NAME, remote => void (remote.declines = true));
    await dialog.getByRole("button", { name: NAME }).click();
    const entry = page.locator(`.activity[data-title="Connect ${NAME}"]`);
    await expect(entry).toHaveAttribute("data-failure", "rejected");
    await wallet(page, NAME, remote => void (remote.declines = false));
    await dialog.getByRole("button", { name: NAME }).click();
    await expect(shown).toBeVisible();
    await entry.getByRole("button", { name: /^Dismiss/ }).click();
  });

  await test.step("it signs for test tokens' use: an account, a deposit, a trade", async () => {
    await shown.click();
    const mine = page.getByRole("dialog", { name: "Wallet" });
    await mine.getByRole("button", { name: "Get test tokens" }).click();
    await expect(mine).toBeHidden({ timeout: 60_000 });
    await page.getByRole("button", { name: "Open a margin account" }).click();
    await done(page, "Open");
    await page.getByRole("button", { name: "Deposit" }).click();
    await page.getByLabel("Amount").fill("1000");
    await expect(page.getByTestId("move-preview")).toContainText("$1,000.00");
    await page.getByRole("dialog").getByRole("button", { name: "Deposit" }).last().click();
    await done(page, "Deposit");
    await expect(page.getByTestId("equity")).toHaveText("$1,000.00");
    await open(page, "trade");
    await page.getByLabel("Underlying", { exact: true }).selectOption({ label: "SOL" });
    await page.getByLabel("Size").fill("1");
    await page.getByRole("button", { name: "Add leg" }).click();
  });

  await test.step("a signature that it declines: nothing was sent, and the trade can be signed again", async () => {
    const ask = async () => {
      await page
        .getByRole("button", { name: /Ask the maker for a quote|Ask again/ })
        .first()
        .click();
      await expect(page.getByTestId("simulated")).toBeVisible();
      await page.getByRole("button", { name: "Sign and trade" }).click();
    };
    await wallet(page, NAME, remote => void (remote.declines = true));
    await ask();
    const entry = page.locator('.activity[data-title^="Trade"]');
    await expect(entry).toHaveAttribute("data-failure", "rejected");
    await expect(entry.getByRole("alert")).toContainText(
      "Signature declined. Nothing was signed and nothing was sent. Sign again when you are ready.",
    );
    await picture(page, "signature-declined");
    await entry.getByRole("button", { name: /^Dismiss/ }).click();
    await wallet(page, NAME, remote => void (remote.declines = false));
    await ask();
    await done(page, "Trade");
    await expect(page.getByTestId("receipt")).toBeVisible();
  });

  await test.step("the page's next visit connects without asking, when the wallet is there", async () => {
    const before = await shown.innerText();
    await page.reload();
    await page.waitForTimeout(500);
    await wallet(page, NAME, remote => remote.register());
    await expect(shown).toHaveText(before);
    expect(await wallet(page, NAME, remote => remote.told)).toEqual(["connect silently"]);
    await open(page, "portfolio");
    await expect(page.getByRole("region", { name: "Positions, table" })).toContainText("SOL perp");
  });

  await test.step("another account chosen in the wallet is the page's too; one that leaves is gone", async () => {
    const before = await shown.innerText();
    await wallet(page, NAME, remote => remote.switchAccount());
    await expect(shown).not.toHaveText(before);
    await expect(page.getByText("This wallet has no margin account here")).toBeVisible();
    await wallet(page, NAME, remote => remote.switchAccount());
    await expect(shown).toHaveText(before);
    await wallet(page, NAME, remote => remote.leave());
    await expect(page.getByText("No wallet is connected")).toBeVisible();
  });

  await test.step("disconnected by the page: the wallet is told, and is not asked at the next visit", async () => {
    await page.getByRole("button", { name: "Connect a wallet" }).click();
    await dialog.getByRole("button", { name: NAME }).click();
    await shown.click();
    await page.getByRole("button", { name: "Disconnect" }).click();
    await expect(page.getByText("No wallet is connected")).toBeVisible();
    expect(await wallet(page, NAME, remote => remote.told.at(-1))).toBe("disconnect");
    await page.reload();
    await wallet(page, NAME, remote => remote.register());
    await page.waitForTimeout(1_000);
    await expect(page.getByText("No wallet is connected")).toBeVisible();
    expect(await wallet(page, NAME, remote => remote.told)).toEqual([]);
  });
  expect(errors).toEqual([]);
});
