/** A Wallet Standard wallet as an extension puts one into a page: it signs with a real key, and does as the test says. */
import { generateKeyPairSync } from "node:crypto";
import type { Page } from "@playwright/test";

export type Options = {
  name: string;
  chains?: string[];
  /** Features that some wallets have and others lack. */
  lacks?: ("standard:disconnect" | "standard:events")[];
};

/** What the test tells the wallet, and what the page has told it. */
export type Remote = {
  register(): void;
  declines: boolean;
  /** Another key, chosen in the wallet. */
  switchAccount(): Promise<void>;
  /** Leaves the page, as by the wallet's own settings. */
  leave(): void;
  told: string[];
};

/** Puts a wallet into the page's next loads. It is registered by `register`, or with `atOnce` like an extension that was there first. */
export async function putWallet(page: Page, options: Options, atOnce = false): Promise<void> {
  const keys = [0, 1].map(() =>
    generateKeyPairSync("ed25519").privateKey.export({ format: "der", type: "pkcs8" }).toString("base64"),
  );
  await page.addInitScript(inPage, { ...options, keys, atOnce });
}

/** Asks the wallet of that name in the page. */
export async function wallet<T>(page: Page, name: string, ask: (remote: Remote) => T | Promise<T>): Promise<T> {
  return page.evaluate(
    ([name, ask]) =>
      (0, eval)(`(${ask})`)((window as unknown as { testWallets: Record<string, Remote> }).testWallets[name!]) as T,
    [name, ask.toString()] as const,
  );
}

/** Runs in the page, by itself. */
function inPage({ name, chains = ["solana:localnet"], lacks = [], keys, atOnce }: Options & { keys: string[]; atOnce: boolean }) {
  type Account = { address: string; publicKey: Uint8Array; chains: string[]; features: string[]; key: CryptoKey };
  const ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
  const base58 = (bytes: Uint8Array) => {
    let [number, text] = [bytes.reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n), ""];
    for (; number > 0n; number /= 58n) text = ALPHABET[Number(number % 58n)] + text;
    return "1".repeat(bytes.findIndex(byte => byte !== 0)) + text;
  };
  const load = async (text: string): Promise<Account> => {
    const key = await crypto.subtle.importKey(
      "pkcs8",
      Uint8Array.from(atob(text), each => each.charCodeAt(0)),
      "Ed25519",
      true,
      ["sign"],
    );
    const { x } = await crypto.subtle.exportKey("jwk", key);
    const publicKey = Uint8Array.from(atob(x!.replaceAll("-", "+").replaceAll("_", "/")), each => each.charCodeAt(0));
    return { address: base58(publicKey), publicKey, chains, features: ["solana:signTransaction"], key };
  };
  const listeners = new Set<(change: object) => void>();
  const allowed = `test-wallet.${name}`;
  let accounts: Account[] = [];
  let chosen = 0;
  const show = (next: Account[]) => {
    accounts = next;
    for (const listener of listeners) listener({ accounts });
  };
  const refuse = () => {
    throw Object.assign(new Error("User rejected the request."), { code: 4001 });
  };
  /** Fills in the signature where the message's signers name this key: after a length, before the message. */
  const sign = async ({ transaction, account }: { transaction: Uint8Array; account: Account }) => {
    remote.told.push("signTransaction");
    if (remote.declines) refuse();
    const signed = transaction.slice();
    const count = signed[0]!;
    const message = signed.subarray(1 + 64 * count);
    const keysAt = (message[0]! & 0x80 ? 1 : 0) + 4;
    const place = Array.from({ length: count }, (_, index) => message.subarray(keysAt + 32 * index, keysAt + 32 * (index + 1)));
    const index = place.findIndex(bytes => bytes.every((byte, at) => byte === account.publicKey[at]));
    if (index < 0) throw new Error("This transaction is not for this key");
    signed.set(new Uint8Array(await crypto.subtle.sign("Ed25519", account.key, message)), 1 + 64 * index);
    return { signedTransaction: signed };
  };
  const features: Record<string, object> = {
    "standard:connect": {
      version: "1.0.0",
      connect: async ({ silent = false } = {}) => {
        remote.told.push(silent ? "connect silently" : "connect");
        if (!silent && remote.declines) refuse();
        if (!silent) localStorage.setItem(allowed, "yes");
        if (localStorage.getItem(allowed)) show([await load(keys[chosen]!)]);
        return { accounts };
      },
    },
    "standard:disconnect": {
      version: "1.0.0",
      disconnect: async () => {
        remote.told.push("disconnect");
        localStorage.removeItem(allowed);
        show([]);
      },
    },
    "standard:events": {
      version: "1.0.0",
      on: (_: string, listener: (change: object) => void) => {
        listeners.add(listener);
        return () => void listeners.delete(listener);
      },
    },
    "solana:signTransaction": {
      version: "1.0.0",
      supportedTransactionVersions: ["legacy", 0],
      signTransaction: (...inputs: Parameters<typeof sign>[0][]) => Promise.all(inputs.map(sign)),
    },
  };
  for (const each of lacks) delete features[each];
  const icon =
    "data:image/svg+xml;base64," +
    btoa('<svg xmlns="http://www.w3.org/2000/svg"><rect width="100%" height="100%" fill="#7a5cff"/></svg>');
  const standard = {
    version: "1.0.0",
    name,
    icon,
    chains,
    features,
    get accounts() {
      return accounts;
    },
  };
  const offer = (api: { register: (wallet: object) => void }) => api.register(standard);
  const remote: Remote = {
    declines: false,
    told: [],
    register: () => {
      dispatchEvent(new CustomEvent("wallet-standard:register-wallet", { detail: offer }));
      addEventListener("wallet-standard:app-ready", event => offer((event as CustomEvent).detail));
    },
    switchAccount: async () => {
      chosen = 1 - chosen;
      show([await load(keys[chosen]!)]);
    },
    leave: () => (localStorage.removeItem(allowed), show([])),
  };
  const all = ((window as unknown as { testWallets?: Record<string, Remote> }).testWallets ??= {});
  all[name] = remote;
  if (atOnce) remote.register();
}
