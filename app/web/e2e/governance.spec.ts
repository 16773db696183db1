/** A change that waits for its time: queued on the local network, seen counting down, cancelled; and one whose time has come. */
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { expect, test } from "@playwright/test";
import { address, createKeyPairSignerFromBytes } from "@solana/kit";
import {
  findProposalPda,
  getCancelChangeInstruction,
  getChangeExecutedEncoder,
  getProposalDecoder,
  getQueueChangeInstruction,
} from "@margrave/client";
import { connect, loadWorld } from "../src/lib/market";
import { endpointOf, readSettings } from "../src/lib/settings";
import { send } from "../src/lib/transactions";
import { fixtureNode, storyAccounts, world as story } from "../test/fixture-rpc.mjs";
import { accessible, onNode, picture } from "./help";

/** Where the local network keeps its keys. */
const NETWORK = process.env["MARGRAVE_NETWORK"] ?? resolve(import.meta.dirname, "../../../target/localnet");

test("a change is queued, counts down and is cancelled", async ({ page }) => {
  const endpoint = endpointOf(readSettings(null, "?cluster=localnet"));
  const connection = connect(endpoint);
  const admin = await createKeyPairSignerFromBytes(
    Uint8Array.from(JSON.parse(readFileSync(resolve(NETWORK, "keys/admin.json"), "utf8")) as number[]),
  );
  const world = await loadWorld(connection, endpoint, undefined);
  const group = world.group.address;
  const id = world.group.data.proposals;
  await page.goto("/?cluster=localnet#/markets");
  await expect(page.getByRole("heading", { level: 1 })).toContainText("Markets");

  const bank = world.banks.find(each => each.data.underlying === world.underlyings[0]!.address)!;
  const [proposal] = await findProposalPda(group, id);
  const terms = { ...bank.data.terms, haircutInitialPpm: 80_000 };
  await send(connection, admin, [
    getQueueChangeInstruction({ proposer: admin, group, proposal, change: { __kind: "Bank", bank: bank.address, terms } }),
  ]);
  const waiting = page.getByRole("region", { name: `Change ${id}`, exact: true });
  await expect(waiting).toContainText("Bank SOL");
  const row = waiting.getByRole("row", { name: "Haircut initial" });
  await expect(row).toContainText("10 %");
  await expect(row).toContainText("8 %");
  // The local network's delay is an hour: `1 h`, `59 min`, `9 min 30 s`.
  const left = async () => {
    const [, hours = "0", minutes = "0"] = (await waiting.innerText()).match(/executable in (?:(\d+) h)?(?:(\d+) min)?/) ?? [];
    return Number(hours) * 60 + Number(minutes);
  };
  await expect.poll(left).toBeGreaterThan(55);
  const before = await left();
  await expect.poll(left, { timeout: 150_000 }).toBeLessThan(before);
  await picture(page, "markets-waiting");
  await accessible(page, "a waiting change");
  await page.emulateMedia({ colorScheme: "light" });
  await picture(page, "markets-waiting-light");
  await page.emulateMedia({ colorScheme: "dark" });

  await send(connection, admin, [getCancelChangeInstruction({ guardian: admin, group, proposal, proposer: admin.address })]);
  await expect(waiting).toHaveCount(0);
  const decided = page.locator(`tr[data-change="${id}"]`);
  await expect(decided).toContainText("cancelled");
  await expect(decided).toContainText("Bank SOL");
});

type Idl = { events: { name: string; discriminator: number[] }[] };

test("a change whose time has come says so; executed, it is among the decided ones", async ({ page }) => {
  const accounts = storyAccounts();
  const [group, key] = [address(story.accounts["group"]!.address), address(story.accounts["proposal"]!.address)];
  const { id, executableAt, change } = getProposalDecoder().decode(accounts.get(key)!);
  const node = fixtureNode({ accounts, age: Number(executableAt) - story.now - 4 });
  await onNode(page, node, "markets");
  const waiting = page.getByRole("region", { name: `Change ${id}`, exact: true });
  await expect(waiting).toContainText(/executable in \d s/);
  await expect(waiting).toContainText(/executable for 6 d/, { timeout: 15_000 });

  const idl = JSON.parse(readFileSync(resolve(import.meta.dirname, "../../../idl/margrave.json"), "utf8")) as Idl;
  const { discriminator } = idl.events.find(each => each.name === "ChangeExecuted")!;
  const event = Buffer.from([...discriminator, ...getChangeExecutedEncoder().encode({ group, proposal: key, id, change })]);
  const log = [`Program data: ${event.toString("base64")}`];
  node.state.transactions.set(key, [{ signature: "1".repeat(64), slot: 1_001, blockTime: Number(executableAt), log }]);
  node.tick(key, Buffer.alloc(0));
  await expect(waiting).toHaveCount(0);
  await expect(page.locator(`tr[data-change="${id}"]`)).toContainText("executed");
  await node.close();
});
