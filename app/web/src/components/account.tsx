/** Which account is looked at, and what a page shows when there is none. */
import { isAddress } from "@solana/kit";
import { useState, type ReactNode } from "react";
import type { MarginAccount } from "@margrave/client";
import { openInstruction } from "../lib/actions";
import { short } from "../lib/format";
import type { Stored } from "../lib/market";
import { useActivities, useViewed, useWorld } from "../lib/state";
import { useWallet } from "../lib/wallet";
import { AddressLink, Chip, Empty, ErrorNotice, FaucetButton, Loading } from "./ui";
import { MODES, STATUSES } from "../lib/report";

export function AccountHead({ title, end }: { title: string; end?: ReactNode }) {
  const { account, isOwn, own, view } = useViewed();
  return (
    <div className="page-head">
      <h1>{title}</h1>
      {account && (
        <>
          {own.length > 1 && isOwn ? (
            <select
              aria-label="Margin account"
              style={{ width: "auto" }}
              value={account.address}
              onChange={event => view(event.target.value as typeof account.address)}
            >
              {own.map(each => (
                <option key={each.address} value={each.address}>
                  #{each.data.number} · {short(each.address)}
                </option>
              ))}
            </select>
          ) : (
            <AddressLink address={account.address} />
          )}
          <Chip>{MODES[account.data.mode]}</Chip>
          {account.data.status !== 0 && (
            <Chip tone={account.data.status === 1 ? "warn" : "bad"}>{STATUSES[account.data.status]}</Chip>
          )}
          {!isOwn && (
            <>
              <Chip tone="warn">Read only</Chip>
              <button className="small quiet" onClick={() => view(undefined)}>
                Leave
              </button>
            </>
          )}
        </>
      )}
      {end && <div className="end">{end}</div>}
    </div>
  );
}

/** The account that is looked at, or what to do to have one. */
export function WithAccount({ title, children }: { title: string; children: (account: Stored<MarginAccount>) => ReactNode }) {
  const { account, isLoading, error } = useViewed();
  if (account) return <>{children(account)}</>;
  return (
    <>
      <AccountHead title={title} />
      {error ? <ErrorNotice error={error} /> : isLoading ? <Loading what="the margin account" /> : <NoAccount />}
    </>
  );
}

function NoAccount() {
  const { wallet } = useWallet();
  const { own, view } = useViewed();
  const { run, tell, isBusy } = useActivities();
  const world = useWorld();
  const [watched, setWatched] = useState("");
  const open = async () => {
    if (!wallet) return;
    try {
      await run("Open a margin account", async () => [(await openInstruction(world, wallet.signer, own.length)).instruction]);
    } catch (error) {
      tell("Open a margin account", error);
    }
  };
  return (
    <div className="panel">
      {wallet ? (
        <Empty title="This wallet has no margin account here">
          <p>
            One account holds collateral and positions in every market and is margined as a whole. Opening one costs rent, which
            comes back when it is closed.
          </p>
          <div className="row">
            <button className="primary" disabled={isBusy} onClick={() => void open()}>
              Open a margin account
            </button>
            <FaucetButton />
          </div>
        </Empty>
      ) : (
        <Empty title="No wallet is connected">
          <p>
            Connect one at the top to see your portfolio. Liquidations and markets are there without a wallet, and any account can
            be looked at:
          </p>
          <form
            className="row"
            onSubmit={event => {
              event.preventDefault();
              if (isAddress(watched)) view(watched);
            }}
          >
            <input
              aria-label="Address of a margin account"
              className="mono"
              placeholder="Margin account"
              style={{ width: 320, maxWidth: "100%" }}
              value={watched}
              onChange={event => setWatched(event.target.value.trim())}
            />
            <button disabled={!isAddress(watched)}>Look at it</button>
          </form>
        </Empty>
      )}
    </div>
  );
}
