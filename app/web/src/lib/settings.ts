/** Where the page looks: a cluster, its addresses, and what the user has chosen. Kept in the browser; the address bar overrides it. */
import { isAddress, type Address } from "@solana/kit";

export type ClusterName = "localnet" | "devnet" | "testnet" | "mainnet" | "custom";
/** The chain's name in the Wallet Standard. */
export type Chain = `solana:${"localnet" | "devnet" | "testnet" | "mainnet"}`;

export type Settings = {
  cluster: ClusterName;
  /** Of the custom cluster, or in place of a named one's. */
  rpc: string;
  /** Web socket; empty: made from `rpc`. */
  ws: string;
  /** Empty: the local services name it, or the only one of the program. */
  group: string;
  /** Of the local services; empty: none. */
  services: string;
  /** Of the quote server; empty: the local services'. */
  quotes: string;
  theme: "system" | "dark" | "light";
};

type Cluster = { label: string; rpc: string; ws: string; services: string; chain: Chain };

export const CLUSTERS: Record<Exclude<ClusterName, "custom">, Cluster> = {
  localnet: {
    label: "Localnet",
    rpc: "http://127.0.0.1:8899",
    ws: "ws://127.0.0.1:8900",
    services: "http://127.0.0.1:8787",
    chain: "solana:localnet",
  },
  devnet: { label: "Devnet", rpc: "https://api.devnet.solana.com", ws: "", services: "", chain: "solana:devnet" },
  testnet: { label: "Testnet", rpc: "https://api.testnet.solana.com", ws: "", services: "", chain: "solana:testnet" },
  mainnet: { label: "Mainnet", rpc: "https://api.mainnet-beta.solana.com", ws: "", services: "", chain: "solana:mainnet" },
};

export const DEFAULTS: Settings = { cluster: "localnet", rpc: "", ws: "", group: "", services: "", quotes: "", theme: "system" };

/** What is in use. */
export type Endpoint = {
  cluster: ClusterName;
  label: string;
  chain: Chain;
  rpc: string;
  ws: string;
  services: string;
  quotes: string;
  group: Address | undefined;
};

/** Whether a node of this address is a local one: test money only. */
export function isLocal(url: string): boolean {
  const host = URL.canParse(url) ? new URL(url).hostname : "";
  return host === "localhost" || host === "127.0.0.1" || host === "[::1]";
}

/** The web socket that a node of Solana offers beside `rpc`: one port up where a port is named. */
export function webSocketOf(rpc: string): string {
  if (!URL.canParse(rpc)) return "";
  const url = new URL(rpc);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  if (url.port !== "") url.port = String(Number(url.port) + 1);
  return url.toString().replace(/\/$/, "");
}

export function endpointOf(settings: Settings): Endpoint {
  const local = settings.cluster === "localnet" || (settings.cluster === "custom" && isLocal(settings.rpc));
  const base = settings.cluster === "custom" ? CLUSTERS[local ? "localnet" : "mainnet"] : CLUSTERS[settings.cluster];
  const rpc = settings.rpc || base.rpc;
  const ws = settings.ws || (settings.rpc ? webSocketOf(rpc) : base.ws || webSocketOf(rpc));
  const services = settings.services || (local ? base.services : "");
  return {
    cluster: settings.cluster,
    label: settings.cluster === "custom" ? "Custom" : base.label,
    chain: base.chain,
    rpc,
    ws,
    services,
    quotes: settings.quotes || services,
    group: isAddress(settings.group) ? settings.group : undefined,
  };
}

const KEY = "margrave.settings";
const PARAMETERS = ["cluster", "rpc", "ws", "group", "services", "quotes", "theme"] as const;

/** What was stored, with what the address bar says on top. Text that is no setting is left out. */
export function readSettings(stored: string | null, search: string): Settings {
  let kept: unknown = {};
  try {
    kept = JSON.parse(stored ?? "{}");
  } catch {
    // Whatever was there is of no use.
  }
  const named = new URLSearchParams(search);
  const settings: Record<string, string> = { ...DEFAULTS };
  for (const name of PARAMETERS) {
    const value =
      named.get(name) ?? (typeof kept === "object" && kept !== null ? (kept as Record<string, unknown>)[name] : undefined);
    if (typeof value === "string") settings[name] = value;
  }
  if (!(settings["cluster"]! in CLUSTERS) && settings["cluster"] !== "custom") settings["cluster"] = DEFAULTS.cluster;
  if (!["system", "dark", "light"].includes(settings["theme"]!)) settings["theme"] = DEFAULTS.theme;
  return settings as Settings;
}

export function loadSettings(): Settings {
  return readSettings(localStorage.getItem(KEY), location.search);
}

export function saveSettings(settings: Settings): void {
  localStorage.setItem(KEY, JSON.stringify(settings));
}

/** Where an explorer shows a transaction or an account of this cluster. */
export function explorerLink(endpoint: Pick<Endpoint, "cluster" | "rpc">, what: "tx" | "address", key: string): string {
  const base = `https://explorer.solana.com/${what}/${key}`;
  if (endpoint.cluster === "mainnet") return base;
  if (endpoint.cluster === "devnet" || endpoint.cluster === "testnet") return `${base}?cluster=${endpoint.cluster}`;
  return `${base}?cluster=custom&customUrl=${encodeURIComponent(endpoint.rpc)}`;
}
