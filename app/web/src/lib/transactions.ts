/** From instructions to a confirmed transaction: simulated first, signed by the wallet, sent and watched by us, its events read back. */
import {
  address,
  compileTransaction,
  fetchEncodedAccount,
  getBase58Encoder,
  getBase64EncodedWireTransaction,
  getSignatureFromTransaction,
  setTransactionMessageFeePayerSigner,
  signTransactionMessageWithSigners,
  type Address,
  type Blockhash,
  type Instruction,
  type Signature,
  type Transaction,
  type TransactionSigner,
} from "@solana/kit";
import { getSetComputeUnitLimitInstruction } from "@solana-program/compute-budget";
import {
  assembleMessage,
  decodeLookupTable,
  eventInInstruction,
  eventsInLog,
  MARGRAVE_PROGRAM_ADDRESS,
  type LookupTables,
  type MargraveEvent,
} from "@margrave/client";
import { TransactionExpired, TransactionFailed } from "./failures";
import type { Connection } from "./market";

const MOST_UNITS = 1_400_000;
/** Beyond a fifth of what the simulation used, as all senders of ours: another's transaction may land in between. */
const HEADROOM_UNITS = 30_000;
const POLL_MS = 400;
const RESEND_EVERY = 5;
/** Where the first of the caller's instructions ends up: the compute limit is in front. */
export const FIRST_INSTRUCTION = 1;

export type Simulation = { units: bigint; log: readonly string[]; events: MargraveEvent[]; returned: Uint8Array | undefined };
export type Outcome = { signature: Signature; slot: bigint; events: MargraveEvent[] };
export type Phase = "simulating" | "signing" | "confirming" | "reading";

type Inner = readonly { instructions: readonly unknown[] }[];

/** Events of our program in inner instructions as nodes write them. */
export function eventsInInner(inner: Inner | null | undefined): MargraveEvent[] {
  return (inner ?? []).flatMap(({ instructions }) =>
    instructions.flatMap(each => {
      const { programId, data } = each as { programId?: string; data?: string };
      if (programId !== MARGRAVE_PROGRAM_ADDRESS || data === undefined) return [];
      return eventInInstruction(getBase58Encoder().encode(data)) ?? [];
    }),
  );
}

/** The addresses in a lookup table, or none. */
export async function loadTables({ rpc }: Connection, table: string | null | undefined): Promise<LookupTables> {
  if (!table) return {};
  const key = address(table);
  const account = await fetchEncodedAccount(rpc, key);
  return account.exists ? { [key]: decodeLookupTable(account.data) } : {};
}

/** What the node says would happen now. Needs no signature: whoever is named as payer. Fails with {@link TransactionFailed}. */
export async function simulate(
  { rpc }: Connection,
  payer: Address,
  instructions: readonly Instruction[],
  tables: LookupTables = {},
): Promise<Simulation> {
  const { value: lifetime } = await rpc.getLatestBlockhash({ commitment: "confirmed" }).send();
  const message = assembleMessage({ payer, instructions: [unitLimit(MOST_UNITS), ...instructions], lifetime, tables });
  const wire = getBase64EncodedWireTransaction(compileTransaction(message));
  const { value } = await rpc
    .simulateTransaction(wire, {
      encoding: "base64",
      commitment: "confirmed",
      sigVerify: false,
      replaceRecentBlockhash: true,
      innerInstructions: true,
    })
    .send();
  const log = value.logs ?? [];
  if (value.err) throw new TransactionFailed(value.err, log);
  return {
    units: value.unitsConsumed ?? 0n,
    log,
    events: [...eventsInInner(value.innerInstructions as Inner | null), ...eventsInLog(log)],
    returned: value.returnData ? Uint8Array.from(atob(value.returnData.data[0]), byte => byte.charCodeAt(0)) : undefined,
  };
}

/** Simulates, has the wallet sign, sends and waits until the transaction is confirmed. */
export async function send(
  connection: Connection,
  payer: TransactionSigner,
  instructions: readonly Instruction[],
  {
    tables = {},
    onPhase,
    onSignature,
  }: { tables?: LookupTables; onPhase?: (phase: Phase) => void; onSignature?: (signature: Signature) => void } = {},
): Promise<Outcome> {
  const { rpc } = connection;
  onPhase?.("simulating");
  const { units } = await simulate(connection, payer.address, instructions, tables);
  const limit = Math.min(MOST_UNITS, Math.ceil(Number(units) * 1.2) + HEADROOM_UNITS);
  const { value: lifetime } = await rpc.getLatestBlockhash({ commitment: "confirmed" }).send();
  onPhase?.("signing");
  const unsigned = assembleMessage({ payer: payer.address, instructions: [unitLimit(limit), ...instructions], lifetime, tables });
  // Not every instruction needs the payer's signature; the transaction does.
  const message = setTransactionMessageFeePayerSigner(payer, unsigned);
  const signed = await signTransactionMessageWithSigners(message);
  const signature = getSignatureFromTransaction(signed);
  onSignature?.(signature);
  onPhase?.("confirming");
  await confirm(connection, signed, signature, lifetime);
  onPhase?.("reading");
  return { signature, ...(await eventsOf(connection, signature)) };
}

async function confirm(
  { rpc }: Connection,
  signed: Transaction,
  signature: Signature,
  { lastValidBlockHeight }: { blockhash: Blockhash; lastValidBlockHeight: bigint },
): Promise<void> {
  const wire = getBase64EncodedWireTransaction(signed);
  const push = () => rpc.sendTransaction(wire, { encoding: "base64", skipPreflight: true, maxRetries: 0n }).send();
  await push();
  for (let turn = 1; ; turn++) {
    await new Promise(resolve => setTimeout(resolve, POLL_MS));
    const { value } = await rpc.getSignatureStatuses([signature]).send();
    const status = value[0];
    if (status?.err) throw new TransactionFailed(status.err, (await logOf({ rpc }, signature)) ?? []);
    if (status?.confirmationStatus === "confirmed" || status?.confirmationStatus === "finalized") return;
    if (status || turn % RESEND_EVERY !== 0) continue;
    const height = await rpc.getBlockHeight({ commitment: "confirmed" }).send();
    if (height > lastValidBlockHeight) throw new TransactionExpired(signature);
    await push().catch(() => undefined);
  }
}

async function logOf({ rpc }: Pick<Connection, "rpc">, signature: Signature): Promise<readonly string[] | undefined> {
  const found = await rpc
    .getTransaction(signature, { commitment: "confirmed", encoding: "jsonParsed", maxSupportedTransactionVersion: 0 })
    .send();
  return found?.meta?.logMessages ?? undefined;
}

/** What a confirmed transaction reported. Nodes know of a status a moment before they know of the transaction. */
export async function eventsOf(
  { rpc }: Pick<Connection, "rpc">,
  signature: Signature,
): Promise<{ slot: bigint; events: MargraveEvent[] }> {
  for (let turn = 0; turn < 10; turn++) {
    const found = await rpc
      .getTransaction(signature, { commitment: "confirmed", encoding: "jsonParsed", maxSupportedTransactionVersion: 0 })
      .send();
    if (found) {
      const inner = eventsInInner(found.meta?.innerInstructions as Inner | null | undefined);
      return { slot: found.slot, events: [...inner, ...eventsInLog(found.meta?.logMessages ?? [])] };
    }
    await new Promise(resolve => setTimeout(resolve, POLL_MS));
  }
  return { slot: 0n, events: [] };
}

function unitLimit(units: number): Instruction {
  return getSetComputeUnitLimitInstruction({ units });
}
