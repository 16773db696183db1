/** What pages share: settings, the group's accounts kept live, the account being looked at, and what was sent. */
import { isAddress, type Address, type Instruction, type Signature } from "@solana/kit";
import { keepPreviousData, useQuery, useQueryClient, type UseQueryResult } from "@tanstack/react-query";
import type { EngineClient, MarginAccount } from "@margrave/client";
import {
  createContext,
  useCallback,
  useContext,
  useEffect,
  useMemo,
  useRef,
  useState,
  useSyncExternalStore,
  type ReactNode,
} from "react";
import { abandonTrapped, theDesk } from "./desk";
import { failureOf, type Failure } from "./failures";
import {
  connect,
  follow,
  loadHeads,
  loadMargins,
  loadMarginsAt,
  loadWorld,
  nowOf,
  riskiest,
  withMargins,
  withUpdates,
  type Connection,
  type MarginHead,
  type Stored,
  type World,
} from "./market";
import { endpointOf, loadSettings, saveSettings, type Endpoint, type Settings } from "./settings";
import { loadTables, send, type Outcome, type Phase } from "./transactions";
import { useWallet } from "./wallet";

type SettingsState = {
  settings: Settings;
  change: (part: Partial<Settings>) => void;
  endpoint: Endpoint;
  connection: Connection;
};
const SettingsContext = createContext<SettingsState | undefined>(undefined);

export function useSettings(): SettingsState {
  return useRequired(SettingsContext);
}

function useRequired<T>(context: React.Context<T | undefined>): T {
  const value = useContext(context);
  if (value === undefined) throw new Error("A provider is missing");
  return value;
}

export function SettingsProvider({ children }: { children: ReactNode }) {
  const [settings, setSettings] = useState(loadSettings);
  const endpoint = useMemo(() => endpointOf(settings), [settings]);
  const connection = useMemo(() => connect({ rpc: endpoint.rpc, ws: endpoint.ws }), [endpoint.rpc, endpoint.ws]);
  const change = useCallback((part: Partial<Settings>) => {
    setSettings(known => {
      const next = { ...known, ...part };
      saveSettings(next);
      return next;
    });
  }, []);
  useEffect(() => {
    const root = document.documentElement;
    if (settings.theme === "system") delete root.dataset["theme"];
    else root.dataset["theme"] = settings.theme;
  }, [settings.theme]);
  const value = useMemo(() => ({ settings, change, endpoint, connection }), [settings, change, endpoint, connection]);
  return <SettingsContext.Provider value={value}>{children}</SettingsContext.Provider>;
}

export type LiveState = "connecting" | "live" | "polling";
type WorldState = {
  world: World | undefined;
  failure: Failure | undefined;
  /** Milliseconds of this machine's clock when the node last answered. */
  updatedAt: number;
  live: LiveState;
  refresh: () => void;
};
const WorldContext = createContext<WorldState | undefined>(undefined);

const POLL_LIVE_MS = 20_000;
const POLL_MS = 4_000;

function worldKey(endpoint: Endpoint) {
  return ["world", endpoint.rpc, endpoint.group ?? "", endpoint.services] as const;
}

export function WorldProvider({ children }: { children: ReactNode }) {
  const { endpoint, connection } = useSettings();
  const client = useQueryClient();
  const [live, setLive] = useState<LiveState>("connecting");
  const key = useMemo(() => worldKey(endpoint), [endpoint]);
  const query = useQuery({
    queryKey: key,
    queryFn: () => loadWorld(connection, endpoint, client.getQueryData<World>(key)),
    refetchInterval: live === "live" ? POLL_LIVE_MS : POLL_MS,
    retry: 1,
    structuralSharing: false,
  });
  const group = query.data?.group.address;

  useEffect(() => {
    if (!group) return;
    const ended = new AbortController();
    const report = (updates: Parameters<typeof withUpdates>[1]) => {
      performance.mark("margrave:report");
      client.setQueryData<World>(key, world => world && withUpdates(world, updates));
    };
    void (async () => {
      while (!ended.signal.aborted) {
        setLive("live");
        const since = Date.now();
        await follow(connection, group, ended.signal, report).catch(() => undefined);
        if (ended.signal.aborted) return;
        setLive("polling");
        await client.invalidateQueries({ queryKey: key });
        // One that ends at once is not asked again and again.
        await new Promise(resolve => setTimeout(resolve, Date.now() - since < 5_000 ? 5_000 : 500));
      }
    })();
    return () => ended.abort();
  }, [group, connection, client, key]);

  const refresh = useCallback(() => void client.invalidateQueries(), [client]);
  const value = useMemo(
    () => ({
      world: query.data,
      failure: query.error ? failureOf(query.error) : undefined,
      updatedAt: query.dataUpdatedAt,
      live,
      refresh,
    }),
    [query.data, query.error, query.dataUpdatedAt, live, refresh],
  );
  return <WorldContext.Provider value={value}>{children}</WorldContext.Provider>;
}

export function useWorldState(): WorldState {
  return useRequired(WorldContext);
}

/** The loaded group. Only below a page that is shown when there is one. */
export function useWorld(): World {
  const { world } = useWorldState();
  if (!world) throw new Error("The group is not loaded yet");
  return world;
}

/** Loads margin accounts into the world: an owner's, or those of some addresses. */
export function useMargins(wanted: Address | readonly Address[] | undefined): UseQueryResult<Address[]> {
  const { endpoint, connection } = useSettings();
  const client = useQueryClient();
  const { world, live } = useWorldState();
  const group = world?.group.address;
  return useQuery({
    queryKey: ["margins", endpoint.rpc, group, wanted],
    enabled: group !== undefined && wanted !== undefined && wanted.length > 0,
    refetchInterval: live === "live" ? POLL_LIVE_MS : POLL_MS,
    // Another owner has other accounts; a longer list has those of the shorter one.
    placeholderData: typeof wanted === "string" ? undefined : keepPreviousData,
    queryFn: async () => {
      const load = typeof wanted === "string" ? loadMargins : loadMarginsAt;
      const loaded = await load(connection, group!, wanted as Address & readonly Address[]);
      client.setQueryData<World>(worldKey(endpoint), known => known && withMargins(known, loaded));
      return loaded.map(({ address }) => address);
    },
  });
}

/** Every margin account of the group by its head. Not followed: an account that is looked at is loaded as a whole. */
export function useHeads(): UseQueryResult<MarginHead[]> {
  const { endpoint, connection } = useSettings();
  const group = useWorldState().world?.group.address;
  return useQuery({
    queryKey: ["heads", endpoint.rpc, group],
    enabled: group !== undefined,
    refetchInterval: POLL_LIVE_MS,
    structuralSharing: false,
    queryFn: async () => riskiest(await loadHeads(connection, group!)),
  });
}

/** The address of the account to look at: chosen, or the connected wallet's first. */
export type Viewed = {
  account: Stored<MarginAccount> | undefined;
  /** Whether the connected wallet owns it. */
  isOwn: boolean;
  own: Stored<MarginAccount>[];
  view: (key: Address | undefined) => void;
  isLoading: boolean;
  error: Error | null;
};
const ViewContext = createContext<{ key: Address | undefined; view: Viewed["view"] } | undefined>(undefined);

export function ViewProvider({ children }: { children: ReactNode }) {
  const [key, setKey] = useState<Address | undefined>(() => {
    const named = new URLSearchParams(location.search).get("account") ?? "";
    return isAddress(named) ? named : undefined;
  });
  const value = useMemo(() => ({ key, view: setKey }), [key]);
  return <ViewContext.Provider value={value}>{children}</ViewContext.Provider>;
}

export function useViewed(): Viewed {
  const { key, view } = useRequired(ViewContext);
  const { world } = useWorldState();
  const { wallet } = useWallet();
  const mine = useMargins(wallet?.address);
  // A chosen account may be anybody's.
  const others = useMargins(useMemo(() => (key ? [key] : undefined), [key]));
  const own = useMemo(
    () =>
      [...(world?.margins.values() ?? [])]
        .filter(each => each.data.owner === wallet?.address)
        .sort((a, b) => a.data.number - b.data.number),
    [world?.margins, wallet?.address],
  );
  const account = key ? world?.margins.get(key) : own[0];
  return {
    account,
    isOwn: account !== undefined && account.data.owner === wallet?.address,
    own,
    view,
    isLoading: (wallet !== undefined && mine.isPending) || (key !== undefined && !account && others.isFetching),
    error: mine.error ?? others.error,
  };
}

/**
 * An answer of the engine about the world as it is now. While a newer one is worked out the last one stays. One that takes many
 * questions is asked again four times a minute and not with every tick.
 */
export function useEngine<T>(
  name: readonly unknown[],
  ask: ((engine: EngineClient, world: World, now: bigint) => Promise<T>) | undefined,
  isDear = false,
): UseQueryResult<T> {
  const { world } = useWorldState();
  const latest = useRef(ask);
  latest.current = ask;
  const text = JSON.stringify(name, (_, part: unknown) => (typeof part === "bigint" ? `${part}n` : part));
  const quarter = useQuarterMinute();
  return useQuery({
    queryKey: ["engine", text, isDear ? undefined : world?.version, quarter],
    enabled: ask !== undefined && world !== undefined,
    placeholderData: keepPreviousData,
    gcTime: 5_000,
    staleTime: Infinity,
    retry: false,
    structuralSharing: false,
    queryFn: async () => {
      try {
        return await latest.current!(await theDesk().of(world!), world!, nowOf(world!));
      } catch (error) {
        abandonTrapped(error);
        throw error;
      }
    },
  });
}

const listeners = new Set<() => void>();
let seconds = 0;
setInterval(() => {
  seconds += 1;
  for (const listener of listeners) listener();
}, 1_000);
const subscribe = (listener: () => void) => {
  listeners.add(listener);
  return () => void listeners.delete(listener);
};

/** The chain's time, every second. */
export function useNow(): bigint {
  useSyncExternalStore(subscribe, () => seconds);
  const { world } = useWorldState();
  return world ? nowOf(world) : BigInt(Math.floor(Date.now() / 1_000));
}

/** Changes four times a minute: prices grow old without any account changing. */
function useQuarterMinute(): number {
  return useSyncExternalStore(subscribe, () => Math.floor(seconds / 15));
}

/** Something that was sent, or is about to be. */
export type Activity = {
  id: number;
  title: string;
  phase: Phase | "done" | "failed";
  signature?: Signature;
  failure?: Failure;
};
type Activities = {
  list: readonly Activity[];
  /** Sends instructions in one transaction; undefined when it failed, which is shown. */
  run: (title: string, build: () => Promise<readonly Instruction[]> | readonly Instruction[]) => Promise<Outcome | undefined>;
  /** Shows a failure that is no transaction's. */
  tell: (title: string, error: unknown) => void;
  dismiss: (id: number) => void;
  isBusy: boolean;
};
const ActivityContext = createContext<Activities | undefined>(undefined);

export function useActivities(): Activities {
  return useRequired(ActivityContext);
}

export function ActivityProvider({ children }: { children: ReactNode }) {
  const { connection } = useSettings();
  const { world, refresh } = useWorldState();
  const { wallet } = useWallet();
  const [list, setList] = useState<readonly Activity[]>([]);
  const last = useRef(0);
  const table = world?.info?.lookupTable;

  const change = useCallback((id: number, part: Partial<Activity>) => {
    setList(known => known.map(each => (each.id === id ? { ...each, ...part } : each)));
  }, []);
  const add = useCallback((entry: Omit<Activity, "id">) => {
    const id = ++last.current;
    setList(known => [...known.slice(-4), { ...entry, id }]);
    return id;
  }, []);
  const run = useCallback<Activities["run"]>(
    async (title, build) => {
      const id = add({ title, phase: "simulating" });
      try {
        if (!wallet) throw new Error("Connect a wallet first");
        const [instructions, tables] = await Promise.all([build(), loadTables(connection, table)]);
        const outcome = await send(connection, wallet.signer, instructions, {
          tables,
          onPhase: phase => change(id, { phase }),
          onSignature: signature => change(id, { signature }),
        });
        change(id, { phase: "done" });
        refresh();
        return outcome;
      } catch (error) {
        change(id, { phase: "failed", failure: failureOf(error) });
        return undefined;
      }
    },
    [add, change, connection, refresh, table, wallet],
  );
  const tell = useCallback<Activities["tell"]>(
    (title, error) => void add({ title, phase: "failed", failure: failureOf(error) }),
    [add],
  );
  const dismiss = useCallback((id: number) => setList(known => known.filter(each => each.id !== id)), []);
  const isBusy = list.some(each => each.phase !== "done" && each.phase !== "failed");
  const value = useMemo(() => ({ list, run, tell, dismiss, isBusy }), [list, run, tell, dismiss, isBusy]);
  return <ActivityContext.Provider value={value}>{children}</ActivityContext.Provider>;
}
