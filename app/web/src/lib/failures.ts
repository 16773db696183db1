/** Whatever went wrong, as a sentence and a way on. */
import {
  isSolanaError,
  SOLANA_ERROR__BLOCK_HEIGHT_EXCEEDED,
  SOLANA_ERROR__JSON_RPC__SERVER_ERROR_SEND_TRANSACTION_PREFLIGHT_FAILURE,
  SOLANA_ERROR__RPC__TRANSPORT_HTTP_ERROR,
  SOLANA_ERROR__TRANSACTION_ERROR__ACCOUNT_NOT_FOUND,
  SOLANA_ERROR__TRANSACTION_ERROR__BLOCKHASH_NOT_FOUND,
  SOLANA_ERROR__TRANSACTION_ERROR__INSUFFICIENT_FUNDS_FOR_FEE,
  SOLANA_ERROR__TRANSACTION_ERROR__INSUFFICIENT_FUNDS_FOR_RENT,
} from "@solana/kit";
import { EngineRefusal, refusalIn, refusalOf, type MargraveRefusal } from "@margrave/client";

export type FailureKind =
  | "unreachable"
  | "wrong-cluster"
  | "no-group"
  | "rejected"
  | "expired"
  | "outrun"
  | "stale"
  | "refused"
  | "maker"
  | "no-funds"
  | "unexpected";

/** What the page offers: try the same again, choose another node or group, ask for a new quote, get test tokens, or nothing. */
export type WayOn = "retry" | "settings" | "quote" | "faucet" | "none";

export type Failure = {
  kind: FailureKind;
  title: string;
  text: string;
  way: WayOn;
  /** The program's refusal, if it was one. */
  refusal?: MargraveRefusal;
  /** What was caught, for whoever wants to see it. */
  detail?: string;
};

/** The node holds no program, or no group, of ours. */
export class WrongCluster extends Error {
  override readonly name = "WrongCluster";
  constructor(
    readonly what: "program" | "group",
    readonly address: string,
    readonly rpc: string,
  ) {
    super(`${rpc} has no ${what} ${address}`);
  }
}

/** The program serves several groups and nobody has said which. */
export class GroupNotNamed extends Error {
  override readonly name = "GroupNotNamed";
  constructor(readonly groups: readonly string[]) {
    super(`${groups.length} groups`);
  }
}

/** The transaction's blockhash ran out before it was confirmed. */
export class TransactionExpired extends Error {
  override readonly name = "TransactionExpired";
  constructor(readonly signature: string) {
    super(`${signature} was not confirmed before its blockhash expired`);
  }
}

/** A simulated or confirmed transaction failed. */
export class TransactionFailed extends Error {
  override readonly name = "TransactionFailed";
  constructor(
    readonly error: unknown,
    readonly log: readonly string[],
  ) {
    super("The transaction failed");
  }
}

/** The quote server's own sentence. */
export class MakerRefusal extends Error {
  override readonly name = "MakerRefusal";
}

/** A service of ours that is not there. */
export class ServiceUnreachable extends Error {
  override readonly name = "ServiceUnreachable";
  constructor(
    readonly service: "quote server" | "faucet" | "local services",
    readonly url: string,
    options?: ErrorOptions,
  ) {
    super(`${service} ${url}`, options);
  }
}

const STALE = new Set(["PriceTooOld", "PriceNotInitialized"]);

export function failureOf(error: unknown): Failure {
  const detail = detailOf(error);
  if (error instanceof WrongCluster) return { ...wrongCluster(error), detail };
  if (error instanceof GroupNotNamed) {
    const text = `The program serves ${error.groups.length} groups here. Name one in the settings.`;
    return { kind: "no-group", title: "Which group?", text, way: "settings", detail: error.groups.join(", ") };
  }
  if (error instanceof MakerRefusal) {
    return { kind: "maker", title: "The maker declines", text: sentence(error.message), way: "quote" };
  }
  if (error instanceof ServiceUnreachable) {
    const text = `Nothing answers at ${error.url}. Start it, or name another one in the settings.`;
    return { kind: "unreachable", title: `The ${error.service} does not answer`, text, way: "settings", detail };
  }
  if (isRejection(error)) {
    const text = "Nothing was signed and nothing was sent. Sign again when you are ready.";
    return { kind: "rejected", title: "Signature declined", text, way: "retry", detail };
  }
  if (isExpired(error)) {
    const text = "The network did not take the transaction in time, so it can no longer happen. It is safe to sign again.";
    return { kind: "expired", title: "The transaction expired", text, way: "retry", detail };
  }
  const refusal = refusalFrom(error);
  if (refusal) {
    if (STALE.has(refusal.name)) {
      const text = `${refusal.sentence}. Nothing can be opened or taken out until a newer price is accepted; deposits and repayments work.`;
      return { kind: "stale", title: "The price is stale", text, way: "retry", refusal, detail };
    }
    const text = `${refusal.sentence}. ${refusal.remedy}`;
    return { kind: "refused", title: refusal.name, text, way: "retry", refusal, detail };
  }
  if (hasRunOut(error)) {
    const text =
      "Somebody else's transaction came first, and this one then had more to do than it had asked for. Nothing has happened; sign again.";
    return { kind: "outrun", title: "Outrun by another transaction", text, way: "retry", detail };
  }
  if (isWithoutFunds(error)) {
    const text = "This wallet has no SOL to pay the network's fee with.";
    return { kind: "no-funds", title: "No SOL for fees", text, way: "faucet", detail };
  }
  if (isUnreachable(error)) {
    const text = "The node does not answer. Check that it runs and that this browser may reach it, or choose another one.";
    return { kind: "unreachable", title: "The node does not answer", text, way: "settings", detail };
  }
  return { kind: "unexpected", title: "This did not work", text: sentence(messageOf(error)), way: "retry", detail };
}

function wrongCluster({ what, address, rpc }: WrongCluster): Failure {
  const where = URL.canParse(rpc) ? new URL(rpc).host : rpc;
  const text =
    what === "program"
      ? `${where} answers, and Margrave (${address}) is not deployed there. Choose the cluster you meant.`
      : `${where} has Margrave, and no group at ${address}. Check the group's address, or choose another cluster.`;
  return { kind: "wrong-cluster", title: what === "program" ? "Not on this cluster" : "No such group", text, way: "settings" };
}

function refusalFrom(error: unknown): MargraveRefusal | undefined {
  if (error instanceof EngineRefusal) return refusalOf(error.number);
  if (error instanceof TransactionFailed) return refusalIn(error.log) ?? refusalIn({ err: error.error });
  if (isSolanaError(error, SOLANA_ERROR__JSON_RPC__SERVER_ERROR_SEND_TRANSACTION_PREFLIGHT_FAILURE)) {
    const log = error.context.logs ?? [];
    return refusalIn(log) ?? refusalIn(error);
  }
  return refusalIn(error);
}

/** The error and what caused it, outermost first. */
function chain(error: unknown): unknown[] {
  const found: unknown[] = [];
  let next = error;
  while (next !== undefined && next !== null && found.length < 8) {
    found.push(next);
    if (next instanceof TransactionFailed) next = next.error;
    else next = typeof next === "object" && "cause" in next ? next.cause : undefined;
  }
  return found;
}

function isRejection(error: unknown): boolean {
  return chain(error).some(each => {
    if (typeof each !== "object" || each === null) return false;
    if ("code" in each && each.code === 4001) return true;
    return each instanceof Error && /user (has )?(rejected|declined|cancell?ed|denied)|rejected the request/i.test(each.message);
  });
}

function isExpired(error: unknown): boolean {
  return chain(error).some(
    each =>
      each instanceof TransactionExpired ||
      each === "BlockhashNotFound" ||
      isSolanaError(each, SOLANA_ERROR__TRANSACTION_ERROR__BLOCKHASH_NOT_FOUND) ||
      isSolanaError(each, SOLANA_ERROR__BLOCK_HEIGHT_EXCEEDED),
  );
}

/** Of compute units: the simulation had used fewer. */
function hasRunOut(error: unknown): boolean {
  return chain(error).some(
    each => each instanceof TransactionFailed && each.log.some(line => line.endsWith("exceeded CUs meter at BPF instruction")),
  );
}

function isWithoutFunds(error: unknown): boolean {
  return chain(error).some(
    each =>
      each === "AccountNotFound" ||
      each === "InsufficientFundsForFee" ||
      isSolanaError(each, SOLANA_ERROR__TRANSACTION_ERROR__ACCOUNT_NOT_FOUND) ||
      isSolanaError(each, SOLANA_ERROR__TRANSACTION_ERROR__INSUFFICIENT_FUNDS_FOR_FEE) ||
      isSolanaError(each, SOLANA_ERROR__TRANSACTION_ERROR__INSUFFICIENT_FUNDS_FOR_RENT),
  );
}

function isUnreachable(error: unknown): boolean {
  return chain(error).some(
    each =>
      isSolanaError(each, SOLANA_ERROR__RPC__TRANSPORT_HTTP_ERROR) ||
      (each instanceof Error && each.name === "TimeoutError") ||
      (each instanceof TypeError && /fetch|network|load failed/i.test(each.message)),
  );
}

function messageOf(error: unknown): string {
  if (error instanceof Error && error.message !== "") return error.message;
  return typeof error === "string" ? error : "Nobody said why";
}

function sentence(text: string): string {
  const trimmed = text.trim();
  return /[.!?]$/.test(trimmed) ? trimmed : `${trimmed}.`;
}

function detailOf(error: unknown): string {
  const lines = chain(error).map(each => {
    if (each instanceof TransactionFailed) return [each.message, ...each.log].join("\n");
    if (each instanceof Error) return `${each.name}: ${each.message}`;
    return JSON.stringify(each, (_, value: unknown) => (typeof value === "bigint" ? value.toString() : value)) ?? String(each);
  });
  return lines.join("\n");
}
