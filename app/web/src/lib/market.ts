/** A group as its accounts say: loaded once, then kept up to date by what the node reports. */
import {
  getBase58Decoder,
  getBase64Encoder,
  fixDecoderSize,
  getAddressDecoder,
  getBytesDecoder,
  getI64Decoder,
  getStructDecoder,
  getU16Decoder,
  getU64Decoder,
  getU8Decoder,
  address,
  createSolanaRpc,
  createSolanaRpcSubscriptions,
  type Address,
  type Base64EncodedBytes,
  type Base58EncodedBytes,
  type ReadonlyUint8Array,
  type Rpc,
  type RpcSubscriptions,
  type SolanaRpcApi,
  type SolanaRpcSubscriptionsApi,
} from "@solana/kit";
import {
  BANK_DISCRIMINATOR,
  decodeMargraveAccount,
  GROUP_DISCRIMINATOR,
  MARGIN_ACCOUNT_DISCRIMINATOR,
  MARGRAVE_PROGRAM_ADDRESS,
  OUTFLOW_LIMIT_DISCRIMINATOR,
  PROPOSAL_DISCRIMINATOR,
  symbolText,
  UNDERLYING_DISCRIMINATOR,
  type Bank,
  type DecodedAccount,
  type Group,
  type MarginAccount,
  type OutflowLimit,
  type Proposal,
  type Underlying,
} from "@margrave/client";
import { GroupNotNamed, ServiceUnreachable, WrongCluster } from "./failures";
import { partPpm } from "./format";
import type { Endpoint } from "./settings";

/** An account with its bytes, which the engine wants, and the slot they were seen at. */
export type Stored<T> = { address: Address; raw: Uint8Array; slot: bigint; data: T };

export type World = {
  group: Stored<Group>;
  banks: Stored<Bank>[];
  underlyings: Stored<Underlying>[];
  proposals: Stored<Proposal>[];
  outflow: Stored<OutflowLimit> | undefined;
  /** Those that somebody has asked for. */
  margins: ReadonlyMap<Address, Stored<MarginAccount>>;
  slot: bigint;
  /** The chain's unix time, and this machine's in milliseconds when it was read. */
  clock: { unix: bigint; readAt: number };
  info: LocalInfo | undefined;
  /** Grows with each change. */
  version: number;
};

/** What the local services say of themselves. */
export type LocalInfo = {
  rpc: string;
  ws: string;
  program: string;
  group: string;
  quoteMint: string;
  banks: { symbol: string; mint: string; bank: string; decimals: number; tokenProgram: string }[];
  underlyings: { symbol: string; address: string; feed: string; decimals: number; priceAccount: string }[];
  maker: string;
  lookupTable: string | null;
  keeperMetrics: string;
};

export type Connection = { rpc: Rpc<SolanaRpcApi>; subscriptions: RpcSubscriptions<SolanaRpcSubscriptionsApi> };

export function connect(endpoint: Pick<Endpoint, "rpc" | "ws">): Connection {
  return { rpc: createSolanaRpc(endpoint.rpc), subscriptions: createSolanaRpcSubscriptions(endpoint.ws) };
}

const CLOCK = address("SysvarC1ock11111111111111111111111111111111");
/** Where accounts of a group keep its address: proposals, and all others. */
const GROUP_OFFSET = 16n;
const PROPOSAL_GROUP_OFFSET = 10n;
const OWNER_OFFSET = 48n;
const PATIENCE_MS = 15_000;

const base58 = (bytes: ReadonlyUint8Array) => getBase58Decoder().decode(bytes) as string as Base58EncodedBytes;
const bytesOf = ([text]: readonly [Base64EncodedBytes, "base64"]) => new Uint8Array(getBase64Encoder().encode(text));

const matches = (offset: bigint, bytes: string) => ({
  memcmp: { offset, bytes: bytes as Base58EncodedBytes, encoding: "base58" as const },
});

/** The local services' description; undefined when none are configured or none answer. */
export async function fetchInfo(services: string): Promise<LocalInfo | undefined> {
  if (services === "") return undefined;
  try {
    const answer = await fetch(`${services}/info`, { signal: AbortSignal.timeout(3_000) });
    return answer.ok ? ((await answer.json()) as LocalInfo) : undefined;
  } catch {
    // The group may still be named by hand, or be the only one.
    return undefined;
  }
}

/** Loads the group of an endpoint. Fails with a {@link WrongCluster} or {@link GroupNotNamed} where there is none to load. */
export async function loadWorld({ rpc }: Connection, endpoint: Endpoint, before: World | undefined): Promise<World> {
  const abortSignal = AbortSignal.timeout(PATIENCE_MS);
  const info = before?.info ?? (await fetchInfo(endpoint.services));
  const named = endpoint.group ?? before?.group.address ?? (info ? address(info.group) : await onlyGroup(rpc, endpoint));
  const config = { encoding: "base64", commitment: "confirmed" } as const;
  const ofType = async (discriminator: ReadonlyUint8Array, offset: bigint) => {
    const filters = [matches(0n, base58(discriminator)), matches(offset, named)];
    const { context, value } = await rpc
      .getProgramAccounts(MARGRAVE_PROGRAM_ADDRESS, { ...config, filters, withContext: true })
      .send({ abortSignal });
    return value.map(({ pubkey, account }) => ({ address: pubkey, raw: bytesOf(account.data), slot: context.slot }));
  };
  const [heads, banks, underlyings, proposals, outflows] = await Promise.all([
    rpc.getMultipleAccounts([named, CLOCK, MARGRAVE_PROGRAM_ADDRESS], config).send({ abortSignal }),
    ofType(BANK_DISCRIMINATOR, GROUP_OFFSET),
    ofType(UNDERLYING_DISCRIMINATOR, GROUP_OFFSET),
    ofType(PROPOSAL_DISCRIMINATOR, PROPOSAL_GROUP_OFFSET),
    ofType(OUTFLOW_LIMIT_DISCRIMINATOR, GROUP_OFFSET),
  ]);
  const [group, clock, program] = heads.value;
  if (!program) throw new WrongCluster("program", MARGRAVE_PROGRAM_ADDRESS, endpoint.rpc);
  if (!group || group.owner !== MARGRAVE_PROGRAM_ADDRESS) throw new WrongCluster("group", named, endpoint.rpc);
  const slot = heads.context.slot;
  const sorted = <T extends { data: { index: number } }>(list: T[]) => list.sort((a, b) => a.data.index - b.data.index);
  const clockData = clock ? bytesOf(clock.data) : undefined;
  return {
    group: decoded("Group", { address: named, raw: bytesOf(group.data), slot }),
    banks: sorted(banks.map(each => decoded("Bank", each))),
    underlyings: sorted(underlyings.map(each => decoded("Underlying", each))),
    proposals: proposals.map(each => decoded("Proposal", each)).sort((a, b) => Number(a.data.id - b.data.id)),
    outflow: outflows[0] && decoded("OutflowLimit", outflows[0]),
    margins: before?.margins ?? new Map(),
    slot: clockData ? getU64Decoder().decode(clockData) : slot,
    clock: {
      unix: clockData ? getI64Decoder().decode(clockData, 32) : BigInt(Math.floor(Date.now() / 1_000)),
      readAt: Date.now(),
    },
    info,
    version: (before?.version ?? 0) + 1,
  };
}

/** The group when the program has only one. */
async function onlyGroup(rpc: Connection["rpc"], endpoint: Endpoint): Promise<Address> {
  const abortSignal = AbortSignal.timeout(PATIENCE_MS);
  const found = await rpc
    .getProgramAccounts(MARGRAVE_PROGRAM_ADDRESS, {
      encoding: "base64",
      commitment: "confirmed",
      dataSlice: { offset: 0, length: 0 },
      filters: [matches(0n, base58(GROUP_DISCRIMINATOR))],
    })
    .send({ abortSignal });
  const [first, ...others] = found.map(({ pubkey }) => pubkey);
  if (!first) throw new WrongCluster("program", MARGRAVE_PROGRAM_ADDRESS, endpoint.rpc);
  if (others.length > 0) throw new GroupNotNamed([first, ...others]);
  return first;
}

const marginFilters = (group: Address) => [matches(0n, base58(MARGIN_ACCOUNT_DISCRIMINATOR)), matches(GROUP_OFFSET, group)];

/** An owner's margin accounts in the group. */
export async function loadMargins({ rpc }: Connection, group: Address, owner: Address): Promise<Stored<MarginAccount>[]> {
  const filters = [...marginFilters(group), matches(OWNER_OFFSET, owner)];
  const { context, value } = await rpc
    .getProgramAccounts(MARGRAVE_PROGRAM_ADDRESS, { encoding: "base64", commitment: "confirmed", filters, withContext: true })
    .send({ abortSignal: AbortSignal.timeout(PATIENCE_MS) });
  return value.map(({ pubkey, account }) =>
    decoded("MarginAccount", { address: pubkey, raw: bytesOf(account.data), slot: context.slot }),
  );
}

/** As many as a node answers in one request. */
export const TOGETHER = 100;

/** Margin accounts by address; those that do not exist, or are no margin accounts of the group, are left out. */
export async function loadMarginsAt(
  { rpc }: Connection,
  group: Address,
  keys: readonly Address[],
): Promise<Stored<MarginAccount>[]> {
  const parts = Array.from({ length: Math.ceil(keys.length / TOGETHER) }, (_, part) =>
    keys.slice(part * TOGETHER, (part + 1) * TOGETHER),
  );
  const answers = await Promise.all(
    parts.map(async part => {
      const { context, value } = await rpc
        .getMultipleAccounts(part, { encoding: "base64", commitment: "confirmed" })
        .send({ abortSignal: AbortSignal.timeout(PATIENCE_MS) });
      return part.map((key, index) => ({ key, account: value[index], slot: context.slot }));
    }),
  );
  return answers.flat().flatMap(({ key, account, slot }) => {
    if (account?.owner !== MARGRAVE_PROGRAM_ADDRESS) return [];
    const raw = bytesOf(account.data);
    const known = decodeMargraveAccount(raw);
    return known.type === "MarginAccount" && known.data.group === group ? [{ address: key, raw, slot, data: known.data }] : [];
  });
}

/** What a margin account begins with: whose it is, and what its last valuation said. */
const headDecoder = getStructDecoder([
  ["discriminator", fixDecoderSize(getBytesDecoder(), 8)],
  ["version", getU8Decoder()],
  ["bump", getU8Decoder()],
  ["status", getU8Decoder()],
  ["mode", getU8Decoder()],
  ["number", getU16Decoder()],
  ["padding", fixDecoderSize(getBytesDecoder(), 2)],
  ["group", getAddressDecoder()],
  ["owner", getAddressDecoder()],
  ["sequence", getU64Decoder()],
  ["equity", getI64Decoder()],
  ["initialMargin", getI64Decoder()],
  ["liquidationEnd", getI64Decoder()],
  ["maintenanceMargin", getI64Decoder()],
  ["valuedSequence", getU64Decoder()],
  ["valuedAt", getI64Decoder()],
]);
export type MarginHead = { address: Address } & Pick<
  ReturnType<typeof headDecoder.decode>,
  "status" | "sequence" | "equity" | "maintenanceMargin"
>;

/** Every margin account of the group by its first 136 bytes of 4,920: thousands in one answer. */
export async function loadHeads({ rpc }: Connection, group: Address): Promise<MarginHead[]> {
  const found = await rpc
    .getProgramAccounts(MARGRAVE_PROGRAM_ADDRESS, {
      encoding: "base64",
      commitment: "confirmed",
      dataSlice: { offset: 0, length: headDecoder.fixedSize },
      filters: marginFilters(group),
    })
    .send({ abortSignal: AbortSignal.timeout(2 * PATIENCE_MS) });
  return found.map(({ pubkey, account }) => {
    const { status, sequence, equity, maintenanceMargin } = headDecoder.decode(bytesOf(account.data));
    return { address: pubkey, status, sequence, equity, maintenanceMargin };
  });
}

/** Riskiest first as far as accounts say so themselves: the worst status, then the most margin for the least equity when last valued. */
export function riskiest(heads: readonly MarginHead[]): MarginHead[] {
  const used = ({ equity, maintenanceMargin }: MarginHead) =>
    maintenanceMargin === 0n && equity >= 0n ? 0n : (partPpm(maintenanceMargin, equity) ?? 1n << 62n);
  return heads
    .filter(each => each.sequence > 0n)
    .map(head => ({ head, used: used(head) }))
    .sort((a, b) => b.head.status - a.head.status || Number(b.used - a.used) || (a.head.address < b.head.address ? -1 : 1))
    .map(({ head }) => head);
}

type Named<N extends DecodedAccount["type"]> = Extract<DecodedAccount, { type: N }>["data"];

function decoded<N extends DecodedAccount["type"]>(type: N, stored: Omit<Stored<never>, "data">): Stored<Named<N>> {
  const account = decodeMargraveAccount(stored.raw);
  if (account.type !== type) throw new WrongCluster("group", stored.address, `an account of type ${account.type}`);
  return { ...stored, data: account.data as Named<N> };
}

/** One account as the node reports it. */
export type Update = { address: Address; raw: Uint8Array; slot: bigint };

/** The world with margin accounts in it that were loaded apart. */
export function withMargins(world: World, loaded: readonly Stored<MarginAccount>[]): World {
  const margins = new Map(world.margins);
  for (const each of loaded) {
    const known = margins.get(each.address);
    if (!known || known.slot <= each.slot) margins.set(each.address, each);
  }
  return { ...world, margins, version: world.version + 1 };
}

/** The world after updates; those older than what is known change nothing. An account that was closed has no bytes. */
export function withUpdates(world: World, updates: readonly Update[]): World {
  const next = { ...world, version: world.version + 1 };
  const replaced = <T>(list: Stored<T>[], fresh: Stored<T>) => {
    const known = list.some(each => each.address === fresh.address);
    return known
      ? list.map(each => (each.address === fresh.address && each.slot <= fresh.slot ? fresh : each))
      : [...list, fresh];
  };
  let margins: Map<Address, Stored<MarginAccount>> | undefined;
  for (const update of updates) {
    if (update.slot > next.slot) next.slot = update.slot;
    if (update.raw.length === 0) {
      margins ??= new Map(world.margins);
      margins.delete(update.address);
      next.proposals = next.proposals.filter(each => each.address !== update.address);
      continue;
    }
    const account = decodeMargraveAccount(update.raw);
    switch (account.type) {
      case "Group":
        if (update.slot >= next.group.slot) next.group = { ...update, data: account.data };
        break;
      case "Bank":
        next.banks = replaced(next.banks, { ...update, data: account.data });
        break;
      case "Underlying":
        next.underlyings = replaced(next.underlyings, { ...update, data: account.data });
        break;
      case "Proposal":
        next.proposals = replaced(next.proposals, { ...update, data: account.data });
        break;
      case "OutflowLimit":
        next.outflow = { ...update, data: account.data };
        break;
      case "MarginAccount": {
        margins ??= new Map(world.margins);
        const known = margins.get(update.address);
        if (!known || known.slot <= update.slot) margins.set(update.address, { ...update, data: account.data });
      }
    }
  }
  if (margins) next.margins = margins;
  return next;
}

/** Reports of accounts of the group, gathered for a frame at a time; ends with the signal or the connection. */
export async function follow(
  { subscriptions }: Connection,
  group: Address,
  abortSignal: AbortSignal,
  report: (updates: Update[]) => void,
): Promise<void> {
  const ofProgram = (offset: bigint) =>
    subscriptions
      .programNotifications(MARGRAVE_PROGRAM_ADDRESS, {
        encoding: "base64",
        commitment: "confirmed",
        filters: [matches(offset, group)],
      })
      .subscribe({ abortSignal });
  const [accounts, proposals, head] = await Promise.all([
    ofProgram(GROUP_OFFSET),
    ofProgram(PROPOSAL_GROUP_OFFSET),
    subscriptions.accountNotifications(group, { encoding: "base64", commitment: "confirmed" }).subscribe({ abortSignal }),
  ]);
  let waiting: Update[] = [];
  const add = (update: Update) => {
    if (waiting.length === 0) queueMicrotask(() => report(waiting.splice(0)));
    waiting.push(update);
  };
  const ofAccounts = async (notifications: typeof accounts) => {
    for await (const { context, value } of notifications) {
      add({ address: value.pubkey, raw: bytesOf(value.account.data), slot: context.slot });
    }
  };
  const ofGroup = async () => {
    for await (const { context, value } of head) add({ address: group, raw: bytesOf(value.data), slot: context.slot });
  };
  waiting = [];
  await Promise.race([ofAccounts(accounts), ofAccounts(proposals), ofGroup()]);
}

/** The chain's unix time now. */
export function nowOf({ clock }: Pick<World, "clock">): bigint {
  return clock.unix + BigInt(Math.max(0, Math.floor((Date.now() - clock.readAt) / 1_000)));
}

export function underlyingOf(world: World, key: Address): Stored<Underlying> | undefined {
  return world.underlyings.find(each => each.address === key);
}

export function bankOf(world: World, key: Address): Stored<Bank> | undefined {
  return world.banks.find(each => each.address === key);
}

export function symbolOf(underlying: Pick<Stored<Underlying>, "data">): string {
  return symbolText(underlying.data.symbol);
}

/** A bank's token: what the local services call it, the asset that prices it, or the mint. */
export function tokenOf(world: World, bank: Stored<Bank>): string {
  const named = world.info?.banks.find(each => each.bank === bank.address)?.symbol;
  if (named) return named;
  if (bank.address === world.group.data.quoteBank) return "USD";
  const underlying = underlyingOf(world, bank.data.underlying);
  return underlying ? symbolOf(underlying) : bank.data.mint.slice(0, 4);
}

/** Atoms of a deposit, down; of a loan, up and negative: shares at the bank's index, I80F48. Interest since the last accrual is left out. */
export function atomsOf(bank: Bank, shares: bigint): bigint {
  const index = (bytes: ReadonlyUint8Array) => bytes.reduceRight((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
  if (shares >= 0n) return (shares * index(bank.depositIndex)) >> 48n;
  return -((-shares * index(bank.borrowIndex) + (1n << 48n) - 1n) >> 48n);
}

export type PriceQuality = "fresh" | "recent" | "stale" | "missing";

/** How good the last accepted price is: the program's own table (docs/prices.md). */
export function qualityOf({ oracle }: Pick<Underlying, "oracle">, now: bigint): PriceQuality {
  const age = now - oracle.publishTime;
  if (oracle.price === 0n) return "missing";
  if (age > BigInt(oracle.terms.maxAgeSecs)) return "stale";
  return age > BigInt(oracle.terms.liquidationMaxAgeSecs) ? "recent" : "fresh";
}

/** Test SOL and tokens for a wallet, from the local services. */
export async function askFaucet(services: string, owner: Address): Promise<string[]> {
  const answer = await post(services, "faucet", "faucet", { owner });
  return (answer as { signatures?: string[] }).signatures ?? [];
}

export async function post(base: string, path: string, service: ServiceUnreachable["service"], body: unknown): Promise<unknown> {
  let response: Response;
  try {
    response = await fetch(`${base}/${path}`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(30_000),
    });
  } catch (cause) {
    throw new ServiceUnreachable(service, base, { cause });
  }
  const answer = (await response.json().catch(() => ({}))) as { error?: string };
  if (!response.ok)
    throw Object.assign(new Error(answer.error ?? `The ${service} answered ${response.status}`), { status: response.status });
  return answer;
}
