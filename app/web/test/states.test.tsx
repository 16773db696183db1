/** What stands in the way, shown by the whole app on a node of fixtures, and by the code that meets it. */
import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { cleanup, fireEvent, render, screen, waitFor, within } from "@testing-library/react";
import { address, generateKeyPairSigner, type Instruction, type TransactionSigner } from "@solana/kit";
import { afterEach, describe, expect, test } from "vitest";
import { EngineRefusal } from "@margrave/client";
import { App } from "../src/App";
import {
  failureOf,
  MakerRefusal,
  ServiceUnreachable,
  TransactionExpired,
  TransactionFailed,
  WrongCluster,
} from "../src/lib/failures";
import { connect, loadWorld } from "../src/lib/market";
import { checkedOffer } from "../src/lib/quotes";
import { endpointOf, readSettings } from "../src/lib/settings";
import { send } from "../src/lib/transactions";
import { Notice } from "../src/components/ui";
import { fixtureNode, storyAccounts } from "./fixture-rpc.mjs";
import { story, storyWorld } from "./world";

type Node = ReturnType<typeof fixtureNode>;
const nodes: Node[] = [];

async function start(options?: Parameters<typeof fixtureNode>[0]): Promise<{ node: Node; url: string }> {
  const node = fixtureNode(options);
  nodes.push(node);
  return { node, url: `http://127.0.0.1:${await node.listen(0)}` };
}

afterEach(async () => {
  cleanup();
  await Promise.all(nodes.splice(0).map(node => node.close()));
});

function show(url: string, page = "portfolio", query = ""): void {
  history.replaceState(null, "", `/?cluster=custom&rpc=${url}&ws=${url.replace("http", "ws")}&services=${url}${query}#/${page}`);
  const client = new QueryClient({ defaultOptions: { queries: { retry: false } } });
  render(
    <QueryClientProvider client={client}>
      <App />
    </QueryClientProvider>,
  );
}

const patience = { timeout: 15_000 };
const alert = () => screen.findByRole("alert", {}, patience);
const endpoint = (url: string) =>
  endpointOf(readSettings(null, `?cluster=custom&rpc=${url}&ws=${url.replace("http", "ws")}&services=${url}`));
const alice = story.accounts["alice"]!.address;

describe("the node", () => {
  test("that does not answer: said, with another try and another node to choose", async () => {
    const { node, url } = await start();
    node.state.isDown = true;
    show(url);
    const notice = await alert();
    expect(notice.dataset["failure"]).toBe("unreachable");
    within(notice).getByRole("button", { name: "Choose a node" });
    node.state.isDown = false;
    fireEvent.click(within(notice).getByRole("button", { name: "Try again" }));
    await screen.findByText("No wallet is connected", {}, patience);
  });

  test("that stops answering: what is shown stays, with its age", async () => {
    const { node, url } = await start();
    show(url, "portfolio", `&account=${alice}`);
    await waitFor(() => expect(screen.getByTestId("equity").textContent).toBe("$5,818.58"), patience);
    node.state.isDown = true;
    for (const socket of [node]) socket.server.closeAllConnections();
    // Whatever else is asked for fails too, each in its place.
    const said = () => screen.getAllByRole("alert").map(each => each.textContent);
    await waitFor(() => expect(said().join()).toMatch(/does not answer.*What is shown is \d+ seconds old/), patience);
    expect(screen.getByTestId("equity").textContent).toBe("$5,818.58");
  });

  test("of another cluster, without the program", async () => {
    const { url } = await start({ accounts: new Map(), hasProgram: false });
    show(url, "portfolio", `&group=${story.accounts["group"]!.address}`);
    const notice = await alert();
    expect(notice.dataset["failure"]).toBe("wrong-cluster");
    expect(notice.textContent).toContain("not deployed there");
    within(notice).getByRole("button", { name: "Choose a node" });
  });

  test("with the program and not the group", async () => {
    const accounts = storyAccounts();
    const { url } = await start({ accounts });
    await expect(loadWorld(connect(endpoint(url)), { ...endpoint(url), group: address(alice) }, undefined)).rejects.toThrow();
    const other = address("SysvarRent111111111111111111111111111111111");
    const error: unknown = await loadWorld(connect(endpoint(url)), { ...endpoint(url), group: other }, undefined).catch(
      (error: unknown) => error,
    );
    expect(error).toBeInstanceOf(WrongCluster);
    expect(failureOf(error)).toMatchObject({ kind: "wrong-cluster", title: "No such group", way: "settings" });
  });
});

describe("prices", () => {
  test("that are stale: marked, and what cannot be done then is said", async () => {
    const { url } = await start({ age: 3_600 });
    show(url, "trade", `&account=${alice}`);
    await screen.findByText("stale: reduce only", {}, patience);
    fireEvent.change(await screen.findByLabelText("Size"), { target: { value: "1" } });
    fireEvent.click(screen.getByRole("button", { name: "Add leg" }));
    const notice = await alert();
    expect(notice.dataset["failure"]).toBe("stale");
    expect(notice.textContent).toContain("deposits and repayments work");
  });

  test("that are fresh: the preview is there", async () => {
    const { url } = await start();
    show(url, "trade", `&account=${alice}`);
    fireEvent.change(await screen.findByLabelText("Size", {}, patience), { target: { value: "1" } });
    fireEvent.click(screen.getByRole("button", { name: "Add leg" }));
    await waitFor(() => expect(screen.getByTestId("after-initialMargin").dataset["micros"]).toMatch(/^\d+$/), patience);
  });
});

/** A node as far as sending needs one: simulates well, and then does as it is told. */
function sender({
  height = 1n,
  statuses = () => null as unknown,
  simulation = { err: null as unknown, logs: [] as string[] },
} = {}) {
  const answer = <T,>(value: T) => ({ send: async () => value });
  const blockhash = "4uQeVj5tqViQh7yWWGStvkEG1Zmhx6uasJtWCJziofM8";
  const rpc = {
    getLatestBlockhash: () => answer({ value: { blockhash, lastValidBlockHeight: 100n } }),
    simulateTransaction: () =>
      answer({ value: { ...simulation, unitsConsumed: 1_000n, innerInstructions: null, returnData: null } }),
    sendTransaction: () => answer("signature"),
    getSignatureStatuses: () => answer({ value: [statuses()] }),
    getBlockHeight: () => answer(height),
    getTransaction: () => answer(null),
  };
  return { rpc, subscriptions: {} } as unknown as Parameters<typeof send>[0];
}

const nothing: Instruction = { programAddress: address(story.program), accounts: [], data: new Uint8Array() };
const failureOfSending = async (connection: Parameters<typeof send>[0], signer: TransactionSigner) =>
  failureOf(await send(connection, signer, [nothing]).catch((error: unknown) => error));

describe("a transaction", () => {
  test("that the wallet declines to sign: nothing was sent", async () => {
    const { address: key } = await generateKeyPairSigner();
    const declining: TransactionSigner = {
      address: key,
      modifyAndSignTransactions: () => Promise.reject(Object.assign(new Error("User rejected the request."), { code: 4001 })),
    };
    const failure = await failureOfSending(sender(), declining);
    expect(failure).toMatchObject({ kind: "rejected", way: "retry" });
    expect(failure.text).toContain("nothing was sent");
  });

  test("that had more to do than when it was simulated: nothing has happened", () => {
    const log = [`Program ${story.program} failed: exceeded CUs meter at BPF instruction`];
    const failure = failureOf(new TransactionFailed({ InstructionError: [3, "ProgramFailedToComplete"] }, log));
    expect(failure).toMatchObject({ kind: "outrun", way: "retry" });
    expect(failure.text).toContain("Nothing has happened");
  });

  test("whose blockhash runs out: it can no longer happen", async () => {
    const failure = await failureOfSending(sender({ height: 101n }), await generateKeyPairSigner());
    expect(failure).toMatchObject({ kind: "expired", way: "retry" });
    expect(failure.text).toContain("safe to sign again");
    expect(failureOf(new TransactionFailed("BlockhashNotFound", []))).toMatchObject({ kind: "expired" });
    expect(failureOf(new TransactionExpired("x"))).toMatchObject({ kind: "expired" });
  });

  test("that the program refuses, in simulation and on the chain: its name, sentence and remedy", async () => {
    const log = [story.refused.line];
    const err = { InstructionError: [1, { Custom: 6400 }] };
    const simulated = await failureOfSending(sender({ simulation: { err, logs: log } }), await generateKeyPairSigner());
    const landed = await failureOfSending(sender({ statuses: () => ({ err }) }), await generateKeyPairSigner());
    for (const failure of [simulated, landed]) {
      expect(failure).toMatchObject({ kind: "refused", title: "AccountIsHealthy", refusal: { number: 6400 } });
      expect(failure.text).toContain("Nothing to liquidate");
    }
  });

  test("without SOL for fees: the faucet is the way on", () => {
    expect(failureOf(new TransactionFailed("AccountNotFound", []))).toMatchObject({ kind: "no-funds", way: "faucet" });
  });
});

describe("the maker", () => {
  test("declines in its own words; one that is not there is named", () => {
    expect(failureOf(new MakerRefusal("The size is above 1,000 SOL"))).toMatchObject({
      kind: "maker",
      text: "The size is above 1,000 SOL.",
      way: "quote",
    });
    const gone = failureOf(new ServiceUnreachable("quote server", "http://127.0.0.1:1"));
    expect(gone).toMatchObject({ kind: "unreachable", way: "settings" });
    expect(gone.text).toContain("http://127.0.0.1:1");
  });

  test("whose answer is not what was asked for is not believed", async () => {
    const world = storyWorld();
    const { quote } = JSON.parse(JSON.stringify(story)) as {
      quote: { message: string; signer: string; signature: string; fields: { taker: string } };
    };
    const { getBase58Decoder } = await import("@solana/kit");
    const answer = {
      signer: quote.signer,
      signature: getBase58Decoder().decode(Buffer.from(quote.signature, "hex")),
      message: Buffer.from(quote.message, "hex").toString("base64"),
    };
    const sheet = world.underlyings[0]!.address;
    const { quoteFromMessage } = await import("@margrave/client");
    const { legs } = quoteFromMessage(Buffer.from(quote.message, "hex"));
    const wanted = legs.map(leg => ({ underlying: sheet, instrument: leg.instrument, quantity: leg.quantity * 2n }));
    const offer = await checkedOffer(answer, world, address(quote.fields.taker), wanted);
    expect(offer.units).toBe(2n);
    expect(offer.legs.map(leg => leg.quantity)).toEqual(wanted.map(each => each.quantity));
    const refused = async (change: Partial<typeof answer>, legs = wanted, taker = quote.fields.taker) =>
      String(await checkedOffer({ ...answer, ...change }, world, address(taker), legs).catch((error: unknown) => error));
    expect(await refused({ signer: alice })).toContain("signature");
    expect(await refused({}, wanted, story.accounts["maker"]!.address)).toContain("another account");
    expect(
      await refused(
        {},
        wanted.map(each => ({ ...each, quantity: -each.quantity })),
      ),
    ).toContain("something else");
    expect(await refused({}, wanted.slice(1))).toContain("something else");
    expect(await refused({ signature: 7 as never })).toContain("no signed quote");
  });
});

describe("failures", () => {
  test("are shown with their sentence and a button", () => {
    const failure = failureOf(new EngineRefusal(6204, "The price is too old"));
    let asked = 0;
    const client = new QueryClient();
    render(
      <QueryClientProvider client={client}>
        <Notice failure={failure} onRetry={() => (asked += 1)} />
      </QueryClientProvider>,
    );
    expect(screen.getByRole("alert").dataset["failure"]).toBe("stale");
    fireEvent.click(screen.getByRole("button", { name: "Try again" }));
    expect(asked).toBe(1);
  });

  test("nobody knows are shown as they are", () => {
    expect(failureOf(new Error("Boom"))).toMatchObject({ kind: "unexpected", text: "Boom." });
    expect(failureOf("odd")).toMatchObject({ kind: "unexpected", text: "odd." });
  });
});
