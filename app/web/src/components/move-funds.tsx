import { parseAmount, formatAmount, type MarginAccount } from "@margrave/client";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { depositInstructions, refreshInstructions, walletBalances, withdrawInstructions } from "../lib/actions";
import { dollars, quantity } from "../lib/format";
import { atomsOf, nowOf, tokenOf, type Stored } from "../lib/market";
import { useActivities, useEngine, useSettings, useWorld } from "../lib/state";
import { useWallet } from "../lib/wallet";
import { Change, Dialog, ErrorNotice, Field, Segments } from "./ui";

type Direction = "deposit" | "withdraw";

/** Deposits and withdrawals, with what they do to margin before anything is signed. */
export function MoveFunds({
  account,
  direction: first,
  onClose,
}: {
  account: Stored<MarginAccount>;
  direction: Direction;
  onClose: () => void;
}) {
  const world = useWorld();
  const { connection } = useSettings();
  const { wallet } = useWallet();
  const { run, isBusy } = useActivities();
  const [direction, setDirection] = useState<Direction>(first);
  const [token, setToken] = useState(world.group.data.quoteBank as string);
  const [text, setText] = useState("");
  const [borrow, setBorrow] = useState(false);
  const bank = world.banks.find(each => each.address === token) ?? world.banks[0];
  const wallets = useQuery({
    queryKey: ["wallet-balances", wallet?.address, world.version],
    enabled: wallet !== undefined,
    queryFn: () => walletBalances(connection, wallet!.address, world.banks),
    placeholderData: known => known,
  });
  const amount = bank && amountOf(text, bank.data.decimals);
  const isDeposit = direction === "deposit";
  const preview = useEngine(
    ["move", account.address, bank?.address, direction, amount],
    bank && amount
      ? (engine, _, now) =>
          engine.preview(account.address, { balances: [{ bank: bank.address, amount: isDeposit ? amount : -amount }] }, now)
      : undefined,
  );
  if (!bank) return null;
  const held = wallets.data?.get(bank.data.mint) ?? 0n;
  const shares = account.data.collateral.find(slot => slot.bank === bank.address)?.shares ?? 0n;
  const balance = atomsOf(bank.data, shares);
  const most = isDeposit ? held : balance > 0n ? balance : 0n;
  const tooMuch = amount !== undefined && amount > most && (isDeposit || !borrow);
  const numbers = amount ? preview.data : undefined;
  const lacks = numbers && !isDeposit && numbers.after.equity < numbers.after.initialMargin;

  const submit = async () => {
    if (!wallet || !amount) return;
    const movement = { world, connection, owner: wallet.signer, account: account.address, bank, amount };
    const title = `${isDeposit ? "Deposit" : "Withdraw"} ${quantity(amount, bank.data.decimals)} ${tokenOf(world, bank)}`;
    onClose();
    await run(title, async () => {
      if (isDeposit) return depositInstructions(movement);
      const used = account.data.risk.filter(slot => slot.used).map(slot => slot.underlying);
      const instructions = await withdrawInstructions({ ...movement, borrow, margin: account.data });
      return [...refreshInstructions(world, used, nowOf(world)), ...instructions];
    });
  };
  return (
    <Dialog title="Move funds" open onClose={onClose}>
      <form
        className="form"
        onSubmit={event => {
          event.preventDefault();
          void submit();
        }}
      >
        <Segments
          label="Direction"
          value={direction}
          onChange={setDirection}
          options={[
            { value: "deposit", label: "Deposit" },
            { value: "withdraw", label: "Withdraw" },
          ]}
        />
        <div className="grid2">
          <Field label="Token">
            {id => (
              <select id={id} value={bank.address} onChange={event => setToken(event.target.value)}>
                {world.banks.map(each => (
                  <option key={each.address} value={each.address}>
                    {tokenOf(world, each)}
                  </option>
                ))}
              </select>
            )}
          </Field>
          <Field
            label="Amount"
            end={
              <button type="button" className="link" onClick={() => setText(formatAmount(most, bank.data.decimals))}>
                {isDeposit ? "Wallet" : "Balance"} {quantity(most, bank.data.decimals, { digits: 2 })}
              </button>
            }
            hint={
              text !== "" && amount === undefined
                ? `A number with at most ${bank.data.decimals} decimals.`
                : tooMuch
                  ? isDeposit
                    ? "More than the wallet holds."
                    : "More than the balance: allow borrowing to take it as a loan."
                  : ""
            }
            bad
          >
            {(id, described) => (
              <input
                id={id}
                aria-describedby={described}
                inputMode="decimal"
                autoComplete="off"
                placeholder="0.00"
                value={text}
                aria-invalid={text !== "" && (amount === undefined || tooMuch)}
                onChange={event => setText(event.target.value)}
              />
            )}
          </Field>
        </div>
        {!isDeposit && (
          <label className="row">
            <input type="checkbox" checked={borrow} onChange={event => setBorrow(event.target.checked)} />
            Borrow what exceeds the balance
          </label>
        )}
        {amount !== undefined && preview.error && <ErrorNotice error={preview.error} />}
        {numbers && (
          <dl className="facts" data-testid="move-preview">
            <dt>Equity</dt>
            <dd>
              <Change before={dollars(numbers.before.equity)} after={dollars(numbers.after.equity)} />
            </dd>
            <dt>Initial margin</dt>
            <dd>
              <Change
                before={dollars(numbers.before.initialMargin, { rounding: "up" })}
                after={dollars(numbers.after.initialMargin, { rounding: "up" })}
              />
            </dd>
            <dt>Free collateral</dt>
            <dd className={lacks ? "bad" : ""}>
              <Change
                before={dollars(numbers.before.equity - numbers.before.initialMargin)}
                after={dollars(numbers.after.equity - numbers.after.initialMargin)}
              />
            </dd>
          </dl>
        )}
        {lacks && (
          <p className="bad">The account would be below its initial margin, so the chain would refuse this. Withdraw less.</p>
        )}
        <button className="primary wide" type="submit" disabled={!amount || tooMuch || isBusy || !wallet || Boolean(lacks)}>
          {isDeposit ? "Deposit" : "Withdraw"}
        </button>
      </form>
    </Dialog>
  );
}

function amountOf(text: string, decimals: number): bigint | undefined {
  try {
    const amount = parseAmount(text.replaceAll(",", ""), decimals);
    return amount > 0n ? amount : undefined;
  } catch {
    return undefined;
  }
}
