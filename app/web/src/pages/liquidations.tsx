import { EngineRefusal, type Explanation, type MarginAccount, type StepPlan } from "@margrave/client";
import { isAddress, type Address } from "@solana/kit";
import { useEffect, useMemo, useRef, useState } from "react";
import { AddressLink, Chip, Empty, ErrorNotice, ExportButtons, Loading, Panel, Scroll, Stat, Stats } from "../components/ui";
import { valuedNow } from "../lib/desk";
import { tell, useEvents } from "../lib/feed";
import { dollars, duration, moment, partPpm, ppm, quantity, short } from "../lib/format";
import {
  loadMarginsAt,
  nowOf,
  riskiest,
  symbolOf,
  TOGETHER,
  tokenOf,
  type MarginHead,
  type Stored,
  type World,
} from "../lib/market";
import { STATUSES } from "../lib/report";
import { useActivities, useEngine, useHeads, useMargins, useNow, useSettings, useViewed, useWorld } from "../lib/state";
import { loadTables, simulate, type Simulation } from "../lib/transactions";
import { useWallet } from "../lib/wallet";

type Line = { account: Stored<MarginAccount>; explanation: Explanation | undefined; refusal: string | undefined };
type Order = "risk" | "equity" | "margin";

/** A risk slot that no account has. */
const NO_SLOT = 255;
/** As many accounts as are loaded as a whole and valued at every tick, and as many more each time that is asked for. */
const PAGE = 50;
/** Transactions that the feed goes back. */
const LATEST = 40;

export default function Liquidations() {
  const heads = useHeads();
  const world = useWorld();
  const [chosen, setChosen] = useState<Address>();
  const [count, setCount] = useState(PAGE);
  const sweep = useSweep(heads.data);
  const all = sweep.heads;
  const keys = useMemo(() => all.slice(0, count).map(each => each.address), [all, count]);
  const liquidator = liquidatorNamed(world, all);
  const margins = useMargins(useMemo(() => (liquidator ? [...new Set([...keys, liquidator])] : keys), [keys, liquidator]));
  const lines = useEngine(["lines", keys, margins.isSuccess], async (engine, fresh, now) => {
    const held = keys.flatMap(key => fresh.margins.get(key) ?? []).filter(each => !isEmpty(each.data));
    return Promise.all(
      held.map(async (account): Promise<Line> => {
        try {
          return { account, explanation: await engine.explain(account.address, NO_SLOT, now), refusal: undefined };
        } catch (error) {
          if (error instanceof EngineRefusal) return { account, explanation: undefined, refusal: error.message };
          throw error;
        }
      }),
    );
  });
  const sorted = lines.data?.toSorted(byRisk) ?? [];
  const selected = sorted.find(line => line.account.address === chosen) ?? sorted[0];
  const error = heads.error ?? margins.error;
  return (
    <>
      <div className="page-head">
        <h1>Liquidations</h1>
        <span className="muted">No wallet is needed to look.</span>
      </div>
      <Summary lines={sorted} rest={all.slice(count)} />
      {error && <ErrorNotice error={error} onRetry={() => (void heads.refetch(), void margins.refetch())} />}
      <div className="split">
        {lines.data && (margins.isSuccess || (heads.isSuccess && keys.length === 0)) ? (
          <Accounts
            lines={sorted}
            selected={selected}
            onSelect={setChosen}
            sweep={sweep}
            onMore={count < all.length ? () => setCount(count + PAGE) : undefined}
          />
        ) : (
          <Loading what="accounts" />
        )}
        <div className="outlook stack">
          {selected && <Detail key={selected.account.address} line={selected} liquidator={liquidator} />}
        </div>
        <Insurance />
        <Feed />
      </div>
    </>
  );
}

type Sweep = { heads: MarginHead[]; start: () => void; progress: number | undefined; at: bigint | undefined };

/** What accounts say of themselves grows old as prices move: on demand each of them is loaded and valued once, a hundred at a time. */
function useSweep(heads: MarginHead[] | undefined): Sweep {
  const world = useWorld();
  const { connection } = useSettings();
  const { tell } = useActivities();
  const [valued, setValued] = useState<{ found: ReadonlyMap<Address, MarginHead>; at: bigint }>();
  const [progress, setProgress] = useState<number>();
  const isGone = useRef(false);
  useEffect(() => {
    isGone.current = false;
    return () => void (isGone.current = true);
  }, []);
  const latest = useRef(world);
  latest.current = world;
  const start = async () => {
    const found = new Map<Address, MarginHead>();
    const keys = (heads ?? []).map(each => each.address);
    try {
      for (let from = 0; from < keys.length && !isGone.current; from += TOGETHER) {
        setProgress(from);
        const accounts = await loadMarginsAt(connection, world.group.address, keys.slice(from, from + TOGETHER));
        for (const head of await valuedNow(latest.current, accounts)) found.set(head.address, head);
      }
      setValued({ found, at: nowOf(latest.current) });
    } catch (error) {
      tell("Value all accounts", error);
    } finally {
      setProgress(undefined);
    }
  };
  const overlaid = useMemo(() => {
    if (!valued) return heads ?? [];
    const newer = (each: MarginHead) => {
      const other = valued.found.get(each.address);
      return other && other.sequence === each.sequence ? other : each;
    };
    return riskiest((heads ?? []).map(newer));
  }, [heads, valued]);
  return { heads: overlaid, start: () => void start(), progress, at: valued?.at };
}

function isEmpty(account: MarginAccount): boolean {
  return account.collateral.every(slot => slot.shares === 0n) && account.risk.every(slot => !slot.used);
}

function healthOf({ numbers }: Explanation): bigint {
  return numbers.equity - numbers.maintenanceMargin;
}

/** Maintenance margin as a part of equity, in millionths: from 100 % on an account is liquidated. */
function usedOf(line: Line): bigint {
  if (!line.explanation) return -1n;
  const { equity, maintenanceMargin } = line.explanation.numbers;
  if (maintenanceMargin === 0n && equity >= 0n) return 0n;
  return partPpm(maintenanceMargin, equity) ?? 1n << 62n;
}

function byRisk(a: Line, b: Line): number {
  const [left, right] = [usedOf(a), usedOf(b)];
  return left === right ? (a.account.address < b.account.address ? -1 : 1) : left > right ? -1 : 1;
}

/** Those that are not loaded count by what they say of themselves. */
function Summary({ lines, rest }: { lines: Line[]; rest: readonly MarginHead[] }) {
  const world = useWorld();
  const quote = world.banks.find(bank => bank.address === world.group.data.quoteBank);
  const statuses = [...lines.map(line => line.account.data.status), ...rest.map(each => each.status)];
  const bankrupt = statuses.filter(each => each === 3).length;
  const under =
    lines.filter(line => line.explanation && healthOf(line.explanation) < 0n).length +
    rest.filter(each => each.equity < each.maintenanceMargin).length;
  const unshared = world.underlyings.reduce((sum, each) => sum + each.data.losses.unshared, 0n);
  return (
    <Stats label="Liquidations">
      <Stat
        id="accounts"
        label="Accounts"
        value={(lines.length + rest.length).toLocaleString("en-GB")}
        note="with a balance or a position"
      />
      <Stat
        label="Below maintenance"
        value={under}
        tone={under > 0 ? "bad" : "good"}
        note={rest.length === 0 ? "may be liquidated now" : "now, or when last valued"}
      />
      <Stat label="In liquidation" value={statuses.filter(each => each >= 2).length} note={`${bankrupt} bankrupt`} />
      <Stat label="Insurance" value={quote ? dollars(quote.data.insurance) : "none"} note="of the quote bank" />
      <Stat
        label="Losses nobody has borne"
        value={dollars(unshared)}
        tone={unshared > 0n ? "bad" : undefined}
        note="to be shared by profit"
      />
    </Stats>
  );
}

function Accounts({
  lines,
  selected,
  onSelect,
  sweep,
  onMore,
}: {
  lines: Line[];
  selected: Line | undefined;
  onSelect: (key: Address) => void;
  sweep: Sweep;
  onMore: (() => void) | undefined;
}) {
  const [order, setOrder] = useState<Order>("risk");
  const { wallet } = useWallet();
  const number = (line: Line, name: "equity" | "maintenanceMargin") => line.explanation?.numbers[name] ?? 0n;
  const sorted = lines.toSorted((a, b) => {
    if (order === "risk") return byRisk(a, b);
    const name = order === "equity" ? "equity" : "maintenanceMargin";
    return number(a, name) > number(b, name) ? -1 : 1;
  });
  const rows = () =>
    sorted.map(({ account, explanation }) => ({
      account: account.address,
      owner: account.data.owner,
      status: STATUSES[account.data.status] ?? "",
      equity_micros: explanation?.numbers.equity ?? "",
      maintenance_margin_micros: explanation?.numbers.maintenanceMargin ?? "",
      initial_margin_micros: explanation?.numbers.initialMargin ?? "",
    }));
  const head = (name: Order, label: string) => (
    <th scope="col" aria-sort={order === name ? "descending" : "none"}>
      <button className="sort" onClick={() => setOrder(name)}>
        {label} {order === name ? "▾" : ""}
      </button>
    </th>
  );
  return (
    <Panel
      title="Accounts by health"
      note={
        onMore &&
        (sweep.at === undefined
          ? `the ${lines.length} that looked riskiest when last valued, valued now`
          : `the ${lines.length} riskiest at ${moment(sweep.at)}, valued now`)
      }
      end={<ExportButtons name="accounts" rows={rows} json={() => lines} />}
      foot={
        onMore && (
          <div className="row">
            <button onClick={onMore}>Show {PAGE} more</button>
            <button disabled={sweep.progress !== undefined} onClick={sweep.start}>
              {sweep.progress === undefined ? "Value all now" : `Valued ${sweep.progress.toLocaleString("en-GB")}`}
            </button>
            <span className="muted">{`${lines.length} of ${sweep.heads.length.toLocaleString("en-GB")} accounts`}</span>
          </div>
        )
      }
      bare
    >
      {sorted.length === 0 ? (
        <Empty title="No accounts yet" />
      ) : (
        <Scroll label="Accounts by health">
          <table>
            <thead>
              <tr>
                <th scope="col">Account</th>
                <th scope="col">Status</th>
                {head("equity", "Equity")}
                {head("margin", "Maintenance")}
                <th scope="col">Health</th>
                {head("risk", "Margin used")}
                <th scope="col">Positions</th>
                <th scope="col">Look</th>
              </tr>
            </thead>
            <tbody>
              {sorted.map(line => {
                const { account, explanation } = line;
                const health = explanation && healthOf(explanation);
                const used = usedOf(line);
                return (
                  <tr key={account.address} aria-selected={account.address === selected?.account.address}>
                    <th scope="row">
                      <AddressLink address={account.address} />{" "}
                      {account.data.owner === wallet?.address && <Chip tone="good">yours</Chip>}
                    </th>
                    <td>
                      <Chip tone={account.data.status >= 2 ? "bad" : account.data.status === 1 ? "warn" : undefined}>
                        {STATUSES[account.data.status]}
                      </Chip>{" "}
                      {health !== undefined && health < 0n && account.data.status < 2 && <Chip tone="bad">liquidatable</Chip>}
                    </td>
                    <td>{explanation ? dollars(explanation.numbers.equity) : <span className="muted">{line.refusal}</span>}</td>
                    <td>{explanation && dollars(explanation.numbers.maintenanceMargin, { rounding: "up" })}</td>
                    <td className={health !== undefined && health < 0n ? "bad" : ""}>
                      {health !== undefined && dollars(health)}
                    </td>
                    <td>{used < 0n ? "" : used > 99_000_000n ? "no equity" : ppm(used, 1)}</td>
                    <td>{account.data.positions.filter(each => each.kind !== 0).length}</td>
                    <td>
                      <button
                        className="small"
                        onClick={() => onSelect(account.address)}
                        aria-label={`Look at ${short(account.address)}`}
                      >
                        Look
                      </button>
                    </td>
                  </tr>
                );
              })}
            </tbody>
          </table>
        </Scroll>
      )}
    </Panel>
  );
}

/** Who would take over in a dry run where the wallet has no account: the local maker, or who has the means. */
function liquidatorNamed(world: World, heads: readonly MarginHead[]): Address | undefined {
  const named = world.info?.maker;
  if (named && isAddress(named)) return named;
  const healthy = heads.filter(each => each.status === 0);
  return healthy.reduce<MarginHead | undefined>((best, each) => (best && best.equity >= each.equity ? best : each), undefined)
    ?.address;
}

const STEPS: Record<StepPlan["kind"], string> = {
  Flag: "Write down its state, so that the fee begins to grow",
  Positions: "Take over positions at the mark less a fee",
  Collateral: "Buy its collateral for what it owes",
  Slice: "Buy a slice of the whole portfolio at auction",
  Settle: "Settle its profit and loss with the pool",
  CoverDeficit: "Cover its deficit from the first-loss floor and insurance",
  WriteOffDebt: "Write off its debt",
  Nominate: "Name a candidate to be deleveraged",
  Deleverage: "Close its position against profit",
  RegisterProfit: "Register profit to bear a loss",
  ShareLoss: "Share the loss",
};

function Detail({ line, liquidator: named }: { line: Line; liquidator: Address | undefined }) {
  const world = useWorld();
  const { connection } = useSettings();
  const { wallet } = useWallet();
  const { own, view } = useViewed();
  const { run, isBusy } = useActivities();
  const { account, explanation } = line;
  const liquidator = [own[0], named && world.margins.get(named)].find(each => each && each.address !== account.address);
  const isMine = liquidator !== undefined && liquidator.data.owner === wallet?.address;
  const plan = useEngine(
    ["plan", account.address, liquidator?.address],
    liquidator ? async (engine, _, now) => (await engine.plan(account.address, liquidator.address, now)) ?? null : undefined,
  );
  const [dry, setDry] = useState<{ data?: Simulation; error?: unknown; running?: boolean }>({});
  const dryRun = async () => {
    if (!plan.data || !liquidator) return;
    setDry({ running: true });
    try {
      const tables = await loadTables(connection, world.info?.lookupTable);
      setDry({ data: await simulate(connection, liquidator.data.owner, [plan.data.instruction], tables) });
    } catch (error) {
      setDry({ error });
    }
  };
  const numbers = explanation?.numbers;
  return (
    <>
      <Panel
        title="Account"
        note={<AddressLink address={account.address} />}
        end={
          <a className="button small" href="#/portfolio" onClick={() => view(account.address)}>
            Open
          </a>
        }
      >
        <dl className="facts">
          <dt>Owner</dt>
          <dd>
            <AddressLink address={account.data.owner} />
          </dd>
          {numbers && (
            <>
              <dt>Equity</dt>
              <dd>{dollars(numbers.equity)}</dd>
              <dt>Maintenance margin</dt>
              <dd>{dollars(numbers.maintenanceMargin, { rounding: "up" })}</dd>
              <dt>Liquidation ends at</dt>
              <dd>{dollars(numbers.liquidationEnd, { rounding: "up" })}</dd>
            </>
          )}
          <dt>Balances</dt>
          <dd>{account.data.collateral.filter(slot => slot.shares !== 0n).length} of 8</dd>
          <dt>Positions</dt>
          <dd>{account.data.positions.filter(slot => slot.kind !== 0).length} of 32</dd>
        </dl>
      </Panel>
      <Auction account={account} />
      <Panel
        title="A keeper's next step"
        note={liquidator && (isMine ? "with your account" : <>as if by {short(liquidator.address)}</>)}
      >
        <div className="stack">
          {plan.error && <ErrorNotice error={plan.error} />}
          {!plan.error && plan.data === null && (
            <p className="muted">Nothing to do: the account is at or above its maintenance margin.</p>
          )}
          {!liquidator && <p className="muted">There is no other account that could act.</p>}
          {plan.data && (
            <>
              <p>
                <strong>{STEPS[plan.data.kind]}</strong>
              </p>
              {plan.data.cost !== 0n || plan.data.relief !== 0n ? (
                <dl className="facts" data-testid="plan">
                  <dt>Expected profit</dt>
                  <dd className="good">{dollars(plan.data.cost - plan.data.insured)}</dd>
                  <dt>The account pays</dt>
                  <dd>{dollars(plan.data.cost)}</dd>
                  <dt>of it to insurance</dt>
                  <dd>{dollars(plan.data.insured, { rounding: "up" })}</dd>
                  <dt>Relieves</dt>
                  <dd>{dollars(plan.data.relief)}</dd>
                </dl>
              ) : (
                <p className="muted">A step that pays nothing by itself.</p>
              )}
              <div className="row">
                <button disabled={dry.running} onClick={() => void dryRun()}>
                  {dry.running ? <span className="spinner" aria-label="simulating" /> : "Dry run"}
                </button>
                {isMine && (
                  <button
                    className="primary"
                    disabled={isBusy}
                    onClick={() => void run("Liquidation step", () => [plan.data!.instruction])}
                  >
                    Sign and do it
                  </button>
                )}
              </div>
            </>
          )}
          {dry.error !== undefined && <ErrorNotice error={dry.error} />}
          {dry.data && (
            <div className="notice good" role="status">
              <div>
                <strong>It would pass</strong>
                <p>{dry.data.units.toLocaleString("en-GB")} compute units. Nothing was sent.</p>
                <ul>
                  {dry.data.events.map((event, index) => {
                    const told = tell(event, world);
                    return (
                      <li key={index}>
                        {told.title}. {told.text}
                      </li>
                    );
                  })}
                </ul>
              </div>
            </div>
          )}
        </div>
      </Panel>
    </>
  );
}

/** How far the fee and the price of a slice have come. */
function Auction({ account }: { account: Stored<MarginAccount> }) {
  const world = useWorld();
  const now = useNow();
  const { terms } = world.group.data;
  const { flaggedAt } = account.data;
  if (flaggedAt === 0n) {
    return (
      <Panel title="Auction">
        <p className="muted">
          Not begun. Once flagged, the fee grows from {ppm(terms.liquidationStartPpm, 0)} of it to all of it within{" "}
          {duration(terms.liquidationRampSecs)}; a slice costs {ppm(terms.auctionStartPpm, 0)} of its equity and less with time.
        </p>
      </Panel>
    );
  }
  const elapsed = now - flaggedAt;
  const bar = (label: string, seconds: number, text: string) => {
    const part = seconds === 0 ? 1_000n : (elapsed * 1_000n) / BigInt(seconds);
    const shown = Number(part > 1_000n ? 1_000n : part < 0n ? 0n : part) / 10;
    return (
      <div className="field">
        <span className="label">
          <span>{label}</span>
          <span>{text}</span>
        </span>
        <div
          className="progress"
          role="progressbar"
          aria-label={label}
          aria-valuemin={0}
          aria-valuemax={100}
          aria-valuenow={Math.round(shown)}
        >
          <i style={{ width: `${shown}%` }} />
        </div>
      </div>
    );
  };
  return (
    <Panel title="Auction" note={`flagged ${duration(elapsed)} ago`}>
      <div className="stack">
        {bar(
          "Liquidation fee",
          terms.liquidationRampSecs,
          `${ppm(terms.liquidationStartPpm, 0)} → 100 % in ${duration(terms.liquidationRampSecs)}`,
        )}
        {bar(
          "Slice price, fast part",
          terms.auctionFastSecs,
          `${ppm(terms.auctionStartPpm, 0)} → ${ppm(terms.auctionCutPpm, 0)} in ${duration(terms.auctionFastSecs)}`,
        )}
        {bar(
          "Slice price, slow part",
          terms.auctionFastSecs + terms.auctionSlowSecs,
          `→ 0 % in ${duration(terms.auctionFastSecs + terms.auctionSlowSecs)}`,
        )}
      </div>
    </Panel>
  );
}

/** Who bears losses, in order, and what is claimed of them. */
function Insurance() {
  const world = useWorld();
  const now = useNow();
  return (
    <Panel
      title="Insurance and claims"
      note="collateral, first-loss floor, insurance, deleveraging, shared profit: in this order"
      bare
    >
      <Scroll label="Insurance of banks">
        <table>
          <thead>
            <tr>
              <th scope="col">Bank</th>
              <th scope="col">Insurance</th>
              <th scope="col">Target</th>
              <th scope="col">Fees</th>
              <th scope="col">Bankrupt debtors</th>
              <th scope="col">Gate</th>
            </tr>
          </thead>
          <tbody>
            {world.banks.map(bank => {
              const { data } = bank;
              return (
                <tr key={bank.address}>
                  <th scope="row">{tokenOf(world, bank)}</th>
                  <td>{quantity(data.insurance, data.decimals, { digits: 4 })}</td>
                  <td>{quantity(data.terms.insuranceTarget, data.decimals, { digits: 0 })}</td>
                  <td>{quantity(data.fees, data.decimals, { digits: 4 })}</td>
                  <td>{data.bankrupts}</td>
                  <td>{data.gatedUntil > now ? <Chip tone="warn">{duration(data.gatedUntil - now)}</Chip> : "open"}</td>
                </tr>
              );
            })}
          </tbody>
        </table>
      </Scroll>
      <Scroll label="Losses of underlyings">
        <table>
          <thead>
            <tr>
              <th scope="col">Underlying</th>
              <th scope="col">First-loss floor</th>
              <th scope="col">Insurance used today</th>
              <th scope="col">Daily cap</th>
              <th scope="col">Unshared loss</th>
              <th scope="col">Profit registered</th>
              <th scope="col">Bankrupt</th>
              <th scope="col">Deleveraging queue</th>
            </tr>
          </thead>
          <tbody>
            {world.underlyings.map(sheet => {
              const { losses, market } = sheet.data;
              const queue = losses.queue.candidates.filter(candidate => candidate.rank !== 0n).length;
              return (
                <tr key={sheet.address}>
                  <th scope="row">{symbolOf(sheet)}</th>
                  <td>{dollars(losses.firstLoss)}</td>
                  <td>{dollars(losses.insured.net > 0n ? losses.insured.net : 0n)}</td>
                  <td>{market.insuranceCap >= 1n << 62n ? "none" : dollars(market.insuranceCap, { digits: 0 })}</td>
                  <td className={losses.unshared > 0n ? "bad" : ""}>{dollars(losses.unshared)}</td>
                  <td>
                    {dollars(losses.registered)}
                    {losses.registeringUntil > now && <> · {duration(losses.registeringUntil - now)} left</>}
                  </td>
                  <td>{losses.bankrupts}</td>
                  <td>{queue === 0 ? "empty" : `${queue} named`}</td>
                </tr>
              );
            })}
          </tbody>
        </table>
      </Scroll>
    </Panel>
  );
}

function Feed() {
  const world = useWorld();
  // What moves money, positions or losses touches the quote bank.
  const feed = useEvents([world.group.data.quoteBank], LATEST);
  const entries = feed.data ?? [];
  const rows = () =>
    entries.map(({ signature, slot, time, event }) => ({
      slot,
      time: time ?? "",
      event: event.name,
      text: tell(event, world).text,
      signature,
    }));
  return (
    <Panel
      title="Events"
      note="latest first; no price ticks"
      end={<ExportButtons name="events" rows={rows} json={() => entries} />}
      bare
    >
      {feed.error && !feed.data ? (
        <div className="body">
          <ErrorNotice error={feed.error} onRetry={() => void feed.refetch()} />
        </div>
      ) : feed.isPending ? (
        <p className="empty" role="status">
          Reading transactions…
        </p>
      ) : entries.length === 0 ? (
        <Empty title="Nothing happened lately" />
      ) : (
        <Scroll label="Events" isLong>
          <table data-testid="feed">
            <thead>
              <tr>
                <th scope="col">When</th>
                <th scope="col" className="left">
                  What
                </th>
                <th scope="col" className="left">
                  Details
                </th>
                <th scope="col">Transaction</th>
              </tr>
            </thead>
            <tbody>
              {entries.map(({ signature, time, slot, event }, index) => {
                const told = tell(event, world);
                return (
                  <tr key={`${signature}${index}`} data-event={event.name}>
                    <td>{time === undefined ? `slot ${slot}` : moment(time)}</td>
                    <td className="left">
                      <Chip tone={told.tone}>{told.title}</Chip>
                    </td>
                    <td className="left" style={{ whiteSpace: "normal", minWidth: 280 }}>
                      {told.text}
                    </td>
                    <td>
                      <AddressLink what="tx" address={signature} />
                    </td>
                  </tr>
                );
              })}
            </tbody>
          </table>
        </Scroll>
      )}
    </Panel>
  );
}
