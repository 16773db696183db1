/** Who signs: any Wallet Standard wallet that the browser has, or on a local node a key of this page's own. */
import { createKeyPairSignerFromPrivateKeyBytes, type Address, type TransactionSigner } from "@solana/kit";
import { useWalletAccountTransactionSigner } from "@solana/react";
import { getWalletFeature, useConnect, useWallets, type UiWallet, type UiWalletAccount } from "@wallet-standard/react";
import { createContext, useCallback, useContext, useEffect, useMemo, useState, type ReactNode } from "react";
import { isLocal, type Chain, type Endpoint } from "./settings";

export type Wallet = { name: string; address: Address; signer: TransactionSigner; isBurner: boolean };

type Wallets = {
  wallet: Wallet | undefined;
  /** Wallets that can sign transactions of Solana. */
  available: readonly UiWallet[];
  /** Whether a wallet signs for the cluster that is looked at. */
  knows: (wallet: UiWallet) => boolean;
  canBurn: boolean;
  connectBurner: () => Promise<void>;
  choose: (account: UiWalletAccount, name: string) => void;
  disconnect: () => void;
};

const Context = createContext<Wallets | undefined>(undefined);
const BURNER = "margrave.burner";
const LAST = "margrave.wallet";

export function useWallet(): Wallets {
  const value = useContext(Context);
  if (!value) throw new Error("useWallet is used outside of WalletProvider");
  return value;
}

/** The page's own key, made once. Only ever used on a local node: it is kept in the clear. */
async function burnerSigner(): Promise<TransactionSigner> {
  const kept = localStorage.getItem(BURNER);
  const seed = kept ? Uint8Array.from(JSON.parse(kept) as number[]) : crypto.getRandomValues(new Uint8Array(32));
  if (!kept) localStorage.setItem(BURNER, JSON.stringify(Array.from(seed)));
  return createKeyPairSignerFromPrivateKeyBytes(seed);
}

export function WalletProvider({ endpoint, children }: { endpoint: Endpoint; children: ReactNode }) {
  const [wallet, setWallet] = useState<Wallet>();
  const [chosen, setChosen] = useState<{ account: UiWalletAccount; name: string }>();
  const all = useWallets();
  const available = useMemo(
    () => all.filter(each => each.features.includes("solana:signTransaction") && each.features.includes("standard:connect")),
    [all],
  );
  const canBurn = isLocal(endpoint.rpc);
  const knows = useCallback((each: UiWallet) => each.chains.includes(endpoint.chain), [endpoint.chain]);
  // As the wallet has it now: it may have been told to show another account, or to leave this page.
  const from = chosen && available.find(each => each.name === chosen.name);
  const listed = from?.accounts.find(each => each.address === chosen?.account.address) ?? from?.accounts[0];
  const account = from?.features.includes("standard:events") ? listed : chosen?.account;
  const signs = account?.chains.includes(endpoint.chain) && account.features.includes("solana:signTransaction");

  const connectBurner = useCallback(async () => {
    const signer = await burnerSigner();
    localStorage.setItem(LAST, "burner");
    setChosen(undefined);
    setWallet({ name: "Burner", address: signer.address, signer, isBurner: true });
  }, []);
  const choose = useCallback((account: UiWalletAccount, name: string) => {
    localStorage.setItem(LAST, name);
    setChosen({ account, name });
  }, []);
  const disconnect = useCallback(() => {
    localStorage.removeItem(LAST);
    setChosen(undefined);
    setWallet(undefined);
    if (from) leave(from);
  }, [from]);
  useEffect(() => {
    if (!signs) setWallet(known => (known?.isBurner ? known : undefined));
  }, [signs]);
  const onSigner = useCallback(
    (name: string, signer: TransactionSigner) => setWallet({ name, address: signer.address, signer, isBurner: false }),
    [],
  );

  useEffect(() => {
    if (canBurn && localStorage.getItem(LAST) === "burner") void connectBurner();
    if (!canBurn) setWallet(known => (known?.isBurner ? undefined : known));
  }, [canBurn, connectBurner]);

  const value = useMemo(
    () => ({ wallet, available, knows, canBurn, connectBurner, choose, disconnect }),
    [wallet, available, knows, canBurn, connectBurner, choose, disconnect],
  );
  return (
    <Context.Provider value={value}>
      {from && account && signs && (
        <SignerOf
          key={account.address + endpoint.chain}
          account={account}
          name={from.name}
          chain={endpoint.chain}
          onSigner={onSigner}
        />
      )}
      {!chosen && !wallet && <LastWallet available={available} onAccount={choose} />}
      {children}
    </Context.Provider>
  );
}

/** The signer of a wallet's account comes from a hook. */
function SignerOf(props: {
  account: UiWalletAccount;
  name: string;
  chain: Chain;
  onSigner: (name: string, signer: TransactionSigner) => void;
}) {
  const { account, name, chain, onSigner } = props;
  const signer = useWalletAccountTransactionSigner(account, chain);
  useEffect(() => onSigner(name, signer), [name, signer, onSigner]);
  return null;
}

/** Connects the wallet that was used last without asking, where it allows that. */
function LastWallet({ available, onAccount }: { available: readonly UiWallet[]; onAccount: Wallets["choose"] }) {
  const last = available.find(each => each.name === localStorage.getItem(LAST));
  return last ? <SilentConnect wallet={last} onAccount={onAccount} /> : null;
}

function SilentConnect({ wallet, onAccount }: { wallet: UiWallet; onAccount: Wallets["choose"] }) {
  const [, connect] = useConnect(wallet);
  useEffect(() => {
    connect({ silent: true })
      .then(([account]) => account && onAccount(account, wallet.name))
      .catch(() => undefined);
  }, [wallet.name]);
  return null;
}

/** Tells the wallet that this page is done with it, where it wants to know. */
function leave(wallet: UiWallet): void {
  if (!wallet.features.includes("standard:disconnect")) return;
  const feature = getWalletFeature(wallet, "standard:disconnect") as { disconnect(): Promise<void> };
  feature.disconnect().catch(() => undefined);
}

/** A button's doings for one wallet. */
export function useWalletConnection(wallet: UiWallet, onAccount: Wallets["choose"]) {
  const [isConnecting, connect] = useConnect(wallet);
  return {
    isConnecting,
    connect: async () => {
      const [account] = await connect();
      if (account) onAccount(account, wallet.name);
    },
  };
}
