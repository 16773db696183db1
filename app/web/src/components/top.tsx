import type { UiWallet } from "@wallet-standard/react";
import { useState } from "react";
import { short } from "../lib/format";
import { useActivities, useSettings, useWorldState } from "../lib/state";
import { useWallet, useWalletConnection } from "../lib/wallet";
import { AddressLink, Dialog, FaucetButton, openSettings } from "./ui";

/** Cluster, slot and whether numbers are live. */
export function Status() {
  const { endpoint } = useSettings();
  const { world, failure, live } = useWorldState();
  const [tone, text] = failure
    ? ["bad", "offline"]
    : !world
      ? ["", "connecting"]
      : live === "live"
        ? ["good", `slot ${world.slot}`]
        : ["warn", `polling, slot ${world.slot}`];
  return (
    <button className="quiet" onClick={openSettings}>
      <span className={`dot ${tone}`} />
      {endpoint.label}
      <span className="wide-only muted">{text}</span>
      <span className="visually-hidden">, settings</span>
    </button>
  );
}

export function WalletButton() {
  const { wallet } = useWallet();
  const [open, setOpen] = useState(false);
  return (
    <>
      <button className={wallet ? "" : "primary"} onClick={() => setOpen(true)}>
        {wallet && <span className="visually-hidden">Wallet </span>}
        {wallet ? short(wallet.address) : "Connect"}
        {!wallet && <span className="visually-hidden"> a wallet</span>}
      </button>
      <Dialog title={wallet ? "Wallet" : "Connect a wallet"} open={open} onClose={() => setOpen(false)}>
        {open && (wallet ? <Connected onClose={() => setOpen(false)} /> : <Choose onClose={() => setOpen(false)} />)}
      </Dialog>
    </>
  );
}

function Connected({ onClose }: { onClose: () => void }) {
  const { wallet, disconnect } = useWallet();
  if (!wallet) return null;
  return (
    <>
      <p>
        {wallet.name}: <AddressLink address={wallet.address} full />
      </p>
      {wallet.isBurner && (
        <p className="muted">A key of this page, kept unprotected in this browser. For test money on a local node only.</p>
      )}
      <div className="row end">
        <FaucetButton onDone={onClose} />
        <button onClick={() => (disconnect(), onClose())}>Disconnect</button>
      </div>
    </>
  );
}

function Choose({ onClose }: { onClose: () => void }) {
  const { available, canBurn, connectBurner } = useWallet();
  return (
    <>
      {available.length > 0 && (
        <ul className="stack" aria-label="Wallets in this browser">
          {available.map(wallet => (
            <li key={wallet.name}>
              <WalletOption wallet={wallet} onClose={onClose} />
            </li>
          ))}
        </ul>
      )}
      {available.length === 0 && !canBurn && (
        <p>
          No wallet was found in this browser. Install one that supports the Wallet Standard, such as{" "}
          <a href="https://phantom.com" target="_blank" rel="noreferrer">
            Phantom
          </a>
          ,{" "}
          <a href="https://solflare.com" target="_blank" rel="noreferrer">
            Solflare
          </a>{" "}
          or{" "}
          <a href="https://backpack.app" target="_blank" rel="noreferrer">
            Backpack
          </a>
          ; it then appears here by itself. Everything but signing works without.
        </p>
      )}
      {canBurn && (
        <>
          <button className="primary wide" onClick={() => void connectBurner().then(onClose)}>
            Use a burner wallet
          </button>
          <p className="muted">A throw-away key of this page. Offered on local nodes only, where money is play money.</p>
        </>
      )}
    </>
  );
}

function WalletOption({ wallet, onClose }: { wallet: UiWallet; onClose: () => void }) {
  const { choose, knows } = useWallet();
  const { endpoint } = useSettings();
  const { tell } = useActivities();
  const { connect, isConnecting } = useWalletConnection(wallet, choose);
  const start = () => {
    connect().then(onClose, (error: unknown) => tell(`Connect ${wallet.name}`, error));
  };
  return (
    <button className="wide" disabled={isConnecting || !knows(wallet)} onClick={start}>
      <img src={wallet.icon} width="18" height="18" alt="" />
      {wallet.name}
      {!knows(wallet) && <span className="muted">does not sign for {endpoint.label}</span>}
      {isConnecting && <span className="spinner" aria-label="connecting" />}
    </button>
  );
}
