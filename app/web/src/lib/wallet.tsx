/** Who signs: any Wallet Standard wallet that the browser has, or on a local node a key of this page's own. */
import { createKeyPairSignerFromPrivateKeyBytes, type Address, type TransactionSigner } from "@solana/kit";
import { useWalletAccountTransactionSigner } from "@solana/react";
import { useConnect, useDisconnect, useWallets, type UiWallet, type UiWalletAccount } from "@wallet-standard/react";
import { createContext, useCallback, useContext, useEffect, useMemo, useState, type ReactNode } from "react";
import { isLocal, type Chain, type Endpoint } from "./settings";

export type Wallet = { name: string; address: Address; signer: TransactionSigner; isBurner: boolean };

type Wallets = {
  wallet: Wallet | undefined;
  /** Wallets that can sign transactions of Solana. */
  available: readonly UiWallet[];
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
  }, []);
  const onSigner = useCallback(
    (name: string, signer: TransactionSigner) => setWallet({ name, address: signer.address, signer, isBurner: false }),
    [],
  );

  useEffect(() => {
    if (canBurn && localStorage.getItem(LAST) === "burner") void connectBurner();
    if (!canBurn) setWallet(known => (known?.isBurner ? undefined : known));
  }, [canBurn, connectBurner]);

  const value = useMemo(
    () => ({ wallet, available, canBurn, connectBurner, choose, disconnect }),
    [wallet, available, canBurn, connectBurner, choose, disconnect],
  );
  return (
    <Context.Provider value={value}>
      {chosen && (
        <SignerOf key={chosen.account.address + endpoint.chain} {...chosen} chain={endpoint.chain} onSigner={onSigner} />
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

/** A button's doings for one wallet. */
export function useWalletConnection(wallet: UiWallet, onAccount: Wallets["choose"]) {
  const [isConnecting, connect] = useConnect(wallet);
  const [, disconnect] = useDisconnect(wallet);
  return {
    isConnecting,
    disconnect,
    connect: async () => {
      const [account] = await connect();
      if (account) onAccount(account, wallet.name);
    },
  };
}
