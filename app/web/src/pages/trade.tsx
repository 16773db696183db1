import {
  EngineRefusal,
  type EngineClient,
  type Leg,
  type MarginAccount,
  type Numbers,
  type PreviewAnswer,
} from "@margrave/client";
import type { Address } from "@solana/kit";
import { useEffect, useRef, useState } from "react";
import { Chain } from "../components/chain";
import { AccountHead, WithAccount } from "../components/account";
import { PayoffPanel } from "../components/payoff";
import { LegEditor, LegList, legName, legSize, type DraftLeg, type Preset } from "../components/leg-editor";
import { AddressLink, Change, Chip, Empty, ErrorNotice, Notice, Panel, Scroll } from "../components/ui";
import { refreshInstructions } from "../lib/actions";
import { cellName } from "../lib/cells";
import { atMarks, healthCurve, largest, sentenceOf } from "../lib/desk";
import { failureOf } from "../lib/failures";
import { dollars, duration, ppm, ppmOfBits, price } from "../lib/format";
import { loadMarginsAt, nowOf, qualityOf, symbolOf, underlyingOf, type Connection, type Stored, type World } from "../lib/market";
import { fillInstructions, requestQuote, type Offer } from "../lib/quotes";
import { stampsOf } from "../lib/report";
import { useActivities, useEngine, useNow, useSettings, useViewed, useWorld, useWorldState } from "../lib/state";
import { loadTables, simulate, type Simulation } from "../lib/transactions";
import { setTicket, useTicket } from "../lib/ticket";
import { useWallet } from "../lib/wallet";

export default function Trade() {
  return <WithAccount title="Trade">{account => <OfAccount key={account.address} account={account} />}</WithAccount>;
}

type Placed = { underlying: Address; leg: Leg };

/** What a trade would do: the program's own preview, and what comes with it. */
type Outlook = {
  /** Of the quote whose prices these are; undefined: at the marks. */
  nonce: bigint | undefined;
  placed: readonly Placed[];
  answer: PreviewAnswer;
  /** Micro-dollars that the taker pays. */
  fee: bigint;
  worst: string;
  liquidation: string;
  /** Prices and their times that the account would be valued at. */
  stamps: string;
};

async function outlookOf(
  engine: EngineClient,
  world: World,
  account: Stored<MarginAccount>,
  placed: readonly Placed[],
  now: bigint,
  nonce: bigint | undefined,
): Promise<Outlook> {
  const answer = await engine.preview(account.address, { legs: placed }, now);
  const supposed = { now, legs: placed };
  const [before, after] = await Promise.all([
    engine.revalue(account.address, now),
    engine.revalue(account.address, now, supposed),
  ]);
  const fees = (held: MarginAccount) => held.risk.reduce((sum, slot) => sum + slot.fees, 0n);
  const first = underlyingOf(world, placed[0]!.underlying)!;
  const market = { underlying: first.address, price: first.data.oracle.price };
  const curve = await healthCurve(engine, account.address, market, now, supposed);
  const slot = after.risk[answer.after.worstSlot];
  const sheet = slot && underlyingOf(world, slot.underlying);
  return {
    nonce,
    placed,
    answer,
    fee: fees(after) - fees(before),
    worst: sheet ? `${symbolOf(sheet)}: ${cellName(answer.after.worstCell, ppmOfBits(sheet.data.range.range))}` : "no exposure",
    liquidation: `${symbolOf(first)}: ${sentenceOf(curve)}`,
    stamps: stampsOf(after),
  };
}

function placedOf(world: World, offer: Offer): Placed[] {
  return offer.legs.map(leg => ({
    underlying: world.underlyings.find(each => each.data.index === leg.underlying)!.address,
    leg,
  }));
}

/** A trade that was made: what was shown before it was signed, and what the chain's event says. */
type Receipt = {
  signature: string;
  shown: Numbers;
  chain: Numbers | undefined;
  pricesMoved: boolean;
  simulated: Numbers | undefined;
};

function OfAccount({ account }: { account: Stored<MarginAccount> }) {
  const world = useWorld();
  const { connection, endpoint } = useSettings();
  const { isOwn } = useViewed();
  const { wallet } = useWallet();
  const { run, isBusy } = useActivities();
  const legs = useTicket();
  const [offer, setOffer] = useState<Offer>();
  const [asking, setAsking] = useState(false);
  const [refused, setRefused] = useState<unknown>();
  const [receipt, setReceipt] = useState<Receipt>();
  const [preset, setPreset] = useState<Preset & { turn: number }>();
  const choose = (underlying: Address, instrument: Preset["instrument"]) => {
    setPreset(known => ({ underlying, instrument, turn: (known?.turn ?? 0) + 1 }));
    scrollTo({ top: 0, behavior: "smooth" });
  };
  const change = (next: DraftLeg[]) => (setTicket(next), setOffer(undefined), setRefused(undefined), setReceipt(undefined));

  const outlook = useEngine(
    ["outlook", account.address, legs, offer?.signed.quote.nonce],
    legs.length === 0
      ? undefined
      : async (engine, fresh, now) => {
          const placed = offer ? placedOf(fresh, offer) : await atMarks(engine, fresh, legs, now);
          return outlookOf(engine, fresh, account, placed, now, offer?.signed.quote.nonce);
        },
  );
  // While the engine is at it, what stands there is of the marks or of an older quote.
  const isFirm = offer !== undefined && outlook.data?.nonce === offer.signed.quote.nonce;
  const simulation = useSimulation(account, offer);

  const ask = async () => {
    setAsking(true);
    setRefused(undefined);
    setReceipt(undefined);
    try {
      setOffer(await requestQuote(endpoint.quotes, world, account.address, legs));
    } catch (error) {
      setOffer(undefined);
      setRefused(error);
    } finally {
      setAsking(false);
    }
  };
  const trade = async () => {
    if (!wallet || !offer) return;
    let shown: Outlook | undefined;
    const title = `Trade ${legs.length === 1 ? legName(world, legs[0]!) : `${legs.length} legs`}`;
    const outcome = await run(title, async () => {
      const instructions = await instructionsOf(connection, world, offer, account, wallet.signer);
      shown = latest.current;
      return instructions;
    });
    if (!outcome || !shown) return;
    // What it was valued at there, which the page may not have heard of yet.
    const [stored] = await loadMarginsAt(connection, world.group.address, [account.address]).catch(() => []);
    const traded = outcome.events.find(each => each.name === "QuoteTraded");
    const simulated = simulation.data?.events.find(each => each.name === "QuoteTraded");
    setReceipt({
      signature: outcome.signature,
      shown: shown.answer.after,
      chain: traded?.name === "QuoteTraded" ? traded.data.taker.numbers : undefined,
      simulated: simulated?.name === "QuoteTraded" ? simulated.data.taker.numbers : undefined,
      pricesMoved: !stored || stampsOf(stored.data) !== shown.stamps,
    });
    setTicket([]);
    setOffer(undefined);
  };
  // What is on the screen when the wallet is asked.
  const latest = useRef<Outlook>(undefined);
  latest.current = outlook.data;

  const now = useNow();
  const left = offer ? offer.signed.quote.expiresAt - now : 0n;
  return (
    <>
      <AccountHead title="Trade" />
      <div className="split">
        <Panel title="Ticket" note="up to eight legs, all or nothing, from your side">
          <div className="cols two">
            <LegEditor key={preset?.turn} legs={legs} onChange={change} preset={preset} />
            <div className="stack">
              {legs.length === 0 ? (
                <Empty title="No legs yet">
                  <p>
                    Add one or more. What they would do to your margin appears at once, at the marks; the maker's firm price comes
                    after you ask.
                  </p>
                </Empty>
              ) : (
                <>
                  <LegList legs={legs} onChange={change} />
                  <MaxSize account={account} legs={legs} onUse={change} />
                  <button className="primary wide" disabled={asking || isBusy || !isOwn} onClick={() => void ask()}>
                    {asking ? (
                      <span className="spinner" aria-label="asking" />
                    ) : offer ? (
                      "Ask again"
                    ) : (
                      "Ask the maker for a quote"
                    )}
                  </button>
                  {!isOwn && <p className="muted">This account is not the connected wallet's: only the preview works.</p>}
                </>
              )}
              {refused !== undefined && <ErrorNotice error={refused} onRetry={() => void ask()} />}
            </div>
          </div>
        </Panel>
        <div className="outlook">
          <OutlookPanel outlook={outlook.data} error={outlook.error} firm={isFirm} hasLegs={legs.length > 0} />
        </div>
        {offer && (
          <Quote
            offer={offer}
            legs={legs}
            account={account}
            left={left}
            simulation={simulation}
            isBusy={isBusy || !isFirm}
            onTrade={() => void trade()}
            onAgain={() => void ask()}
          />
        )}
        {receipt && <ReceiptPanel receipt={receipt} />}
        {legs.length > 0 && <PayoffPanel account={account} legs={legs} first="legs" />}
        <Chain onChoose={choose} />
        <MarketStrip />
      </div>
    </>
  );
}

async function instructionsOf(
  connection: Connection,
  world: World,
  offer: Offer,
  account: Stored<MarginAccount>,
  signer: Parameters<typeof fillInstructions>[4],
) {
  const maker = await makerOf(connection, world, offer);
  const used = [...account.data.risk, ...maker.data.risk].filter(slot => slot.used).map(slot => slot.underlying);
  const keys = [...new Set([...placedOf(world, offer).map(each => each.underlying), ...used])];
  return fillInstructions(world, offer, account, maker, signer, refreshInstructions(world, keys, nowOf(world)));
}

async function makerOf(connection: Connection, world: World, offer: Offer): Promise<Stored<MarginAccount>> {
  const known = world.margins.get(offer.signed.quote.maker);
  if (known) return known;
  const [found] = await loadMarginsAt(connection, world.group.address, [offer.signed.quote.maker]);
  if (!found) throw new Error("The maker's account does not exist");
  return found;
}

/** The node's word on the very transaction that would be signed, each time the group has changed. */
function useSimulation(account: Stored<MarginAccount>, offer: Offer | undefined) {
  const { connection } = useSettings();
  const { world } = useWorldState();
  const { wallet } = useWallet();
  const [state, setState] = useState<{ data?: Simulation; error?: unknown; of?: Offer }>({});
  const running = useRef(false);
  const version = world?.version;
  useEffect(() => {
    if (!offer || !wallet || !world || running.current) return;
    running.current = true;
    void (async () => {
      try {
        const [instructions, tables] = await Promise.all([
          instructionsOf(connection, world, offer, account, wallet.signer),
          loadTables(connection, world.info?.lookupTable),
        ]);
        const data = await simulate(connection, wallet.address, instructions, tables);
        setState({ data, of: offer });
      } catch (error) {
        setState({ error, of: offer });
      } finally {
        running.current = false;
      }
    })();
    // The world's version stands for all that is read of it.
  }, [offer, wallet, version, account, connection]);
  return state.of === offer ? state : {};
}

function Quote(props: {
  offer: Offer;
  legs: readonly DraftLeg[];
  account: Stored<MarginAccount>;
  left: bigint;
  simulation: { data?: Simulation; error?: unknown };
  isBusy: boolean;
  onTrade: () => void;
  onAgain: () => void;
}) {
  const { offer, legs, left, simulation, isBusy } = props;
  const world = useWorld();
  const marks = useEngine(["marks", legs], (engine, fresh, now) => atMarks(engine, fresh, legs, now));
  const expired = left <= 0n;
  const failure = simulation.error === undefined ? undefined : failureOf(simulation.error);
  return (
    <Panel
      title="Quote"
      note={
        <>
          by <AddressLink address={offer.signed.quote.maker} />, signature checked
        </>
      }
      end={
        <Chip tone={expired ? "bad" : left < 10n ? "warn" : undefined}>{expired ? "expired" : `good for ${duration(left)}`}</Chip>
      }
    >
      <div className="stack">
        <Scroll label="Quoted legs">
          <table>
            <thead>
              <tr>
                <th scope="col">Leg</th>
                <th scope="col">Size</th>
                <th scope="col">Price</th>
                <th scope="col">Mark</th>
                <th scope="col">
                  Off the mark<small>against you</small>
                </th>
              </tr>
            </thead>
            <tbody>
              {legs.map((leg, index) => {
                const quoted = offer.legs[index]!.price;
                const mark = marks.data?.[index]?.leg.price;
                const off = mark === undefined ? undefined : leg.quantity > 0n ? quoted - mark : mark - quoted;
                return (
                  <tr key={legName(world, leg)}>
                    <th scope="row">{legName(world, leg)}</th>
                    <td className={leg.quantity > 0n ? "good" : "bad"}>{legSize(world, leg)}</td>
                    <td data-testid="quoted-price">{price(quoted)}</td>
                    <td>{mark === undefined ? "" : price(mark)}</td>
                    <td>{off === undefined || !mark ? "" : ppm((off * 1_000_000n) / mark, 3)}</td>
                  </tr>
                );
              })}
            </tbody>
          </table>
        </Scroll>
        {expired ? (
          <Notice
            failure={{
              kind: "maker",
              title: "The quote has expired",
              text: "A price is held for a short time only. Nothing was traded.",
              way: "quote",
            }}
            onRetry={props.onAgain}
            tone="warn"
          />
        ) : failure ? (
          <Notice failure={{ ...failure, title: `The chain would refuse: ${failure.title}` }} onRetry={props.onAgain} />
        ) : simulation.data ? (
          <p className="muted" data-testid="simulated">
            <span className="good">✓</span> Simulated on the node: it passes, with {simulation.data.units.toLocaleString("en-GB")}{" "}
            compute units.
          </p>
        ) : (
          <p className="muted" role="status">
            Simulating on the node…
          </p>
        )}
        <div className="row end">
          <button className="primary" disabled={expired || isBusy || !simulation.data} onClick={props.onTrade}>
            Sign and trade
          </button>
        </div>
      </div>
    </Panel>
  );
}

function OutlookPanel({
  outlook,
  error,
  firm,
  hasLegs,
}: {
  outlook: Outlook | undefined;
  error: unknown;
  firm: boolean;
  hasLegs: boolean;
}) {
  if (!hasLegs) {
    return (
      <Panel title="Before and after">
        <Empty title="Nothing to preview" />
      </Panel>
    );
  }
  if (error instanceof EngineRefusal && !outlook) {
    return (
      <Panel title="Before and after">
        <ErrorNotice error={error} />
      </Panel>
    );
  }
  if (!outlook) {
    return (
      <Panel title="Before and after">
        <p role="status">Computing…</p>
      </Panel>
    );
  }
  const { before, after, premium } = outlook.answer;
  const lacks = after.equity < after.initialMargin;
  const reduces = after.initialMargin < before.initialMargin;
  const row = (id: string, label: string, from: bigint, to: bigint, rounding: "up" | "down" = "down") => (
    <>
      <dt>{label}</dt>
      <dd data-testid={`after-${id}`} data-micros={to.toString()} className={to < 0n ? "bad" : ""}>
        <Change before={dollars(from, { rounding })} after={dollars(to, { rounding })} />
      </dd>
    </>
  );
  return (
    <Panel title="Before and after" note={firm ? "at the quoted prices" : "indicative, at the marks"}>
      <div className="stack">
        {error instanceof EngineRefusal && <ErrorNotice error={error} />}
        <dl className="facts" data-testid="outlook" data-firm={firm}>
          {row("equity", "Equity", before.equity, after.equity)}
          {row("initialMargin", "Initial margin", before.initialMargin, after.initialMargin, "up")}
          {row("liquidationEnd", "Liquidation ends at", before.liquidationEnd, after.liquidationEnd, "up")}
          {row("maintenanceMargin", "Maintenance margin", before.maintenanceMargin, after.maintenanceMargin, "up")}
          {row("free", "Free collateral", before.equity - before.initialMargin, after.equity - after.initialMargin)}
          {row("health", "Health", before.equity - before.maintenanceMargin, after.equity - after.maintenanceMargin)}
          <dt>Fee</dt>
          <dd>{dollars(outlook.fee, { digits: 6, rounding: "up" })}</dd>
          <dt>Premium</dt>
          <dd>
            {premium === 0n
              ? "none"
              : premium > 0n
                ? `you pay ${dollars(premium, { rounding: "up" })}`
                : `you get ${dollars(-premium)}`}
          </dd>
          <dt>Worst scenario then</dt>
          <dd>{outlook.worst}</dd>
          <dt>Liquidation then</dt>
          <dd>{outlook.liquidation}</dd>
        </dl>
        {reduces && !lacks && (
          <p className="good">
            <strong>This trade lowers your margin</strong> by {dollars(before.initialMargin - after.initialMargin)}.
          </p>
        )}
        {lacks && (
          <div className="notice bad" role="alert">
            <div>
              <strong>InitialMarginNotMet</strong>
              <p>
                {dollars(after.initialMargin - after.equity, { rounding: "up" })} short of initial margin, by {outlook.worst}.
                Deposit collateral, trade less, or hedge that scenario.
              </p>
            </div>
          </div>
        )}
      </div>
    </Panel>
  );
}

/** How many times the ticket could be traded at its marks. */
function MaxSize({
  account,
  legs,
  onUse,
}: {
  account: Stored<MarginAccount>;
  legs: readonly DraftLeg[];
  onUse: (legs: DraftLeg[]) => void;
}) {
  const world = useWorld();
  const lots = legs.map(leg => {
    const lot = underlyingOf(world, leg.underlying)?.data.market.lot ?? 1n;
    return (leg.quantity < 0n ? -leg.quantity : leg.quantity) / (lot || 1n);
  });
  const common = lots.reduce(gcd, 0n) || 1n;
  const unit = legs.map(leg => ({ ...leg, quantity: leg.quantity / common }));
  const most = useEngine(["max-size", account.address, unit], async (engine, fresh, now) => {
    const placed = await atMarks(engine, fresh, unit, now);
    return largest(MOST_UNITS, async units => {
      const scaled = placed.map(({ underlying, leg }) => ({ underlying, leg: { ...leg, quantity: leg.quantity * units } }));
      try {
        const { after } = await engine.preview(account.address, { legs: scaled }, now);
        return after.equity >= after.initialMargin;
      } catch (error) {
        if (error instanceof EngineRefusal) return false;
        throw error;
      }
    });
  });
  if (most.data === undefined) return null;
  const units = most.data;
  const largestLegs = unit.map(leg => ({ ...leg, quantity: leg.quantity * units }));
  return (
    <p className="muted" data-testid="max-size">
      {units === 0n ? (
        "The account cannot carry any of this."
      ) : units === MOST_UNITS ? (
        "The account's margin sets no limit to this."
      ) : (
        <>
          Most your margin carries: {largestLegs.map(leg => legSize(world, leg)).join(", ")}.{" "}
          <button className="link" onClick={() => onUse(largestLegs)}>
            Use that size
          </button>
        </>
      )}
    </p>
  );
}

const MOST_UNITS = 1n << 40n;

function gcd(a: bigint, b: bigint): bigint {
  return b === 0n ? a : gcd(b, a % b);
}

function ReceiptPanel({ receipt }: { receipt: Receipt }) {
  const { shown, chain, pricesMoved } = receipt;
  const names = ["equity", "initialMargin", "liquidationEnd", "maintenanceMargin"] as const;
  const labels = {
    equity: "Equity",
    initialMargin: "Initial margin",
    liquidationEnd: "Liquidation ends at",
    maintenanceMargin: "Maintenance margin",
  };
  const equal = chain !== undefined && names.every(name => chain[name] === shown[name]) && chain.worstCell === shown.worstCell;
  return (
    <Panel
      title="Done"
      note={
        <>
          transaction <AddressLink what="tx" address={receipt.signature} />
        </>
      }
      end={<Chip tone={equal ? "good" : "warn"}>{equal ? "as shown, to the micro-dollar" : "not as shown"}</Chip>}
    >
      <div className="stack" data-testid="receipt" data-equal={equal} data-moved={pricesMoved}>
        <Scroll label="Shown and chain">
          <table>
            <thead>
              <tr>
                <th scope="col">After the trade</th>
                <th scope="col">Shown before signing</th>
                <th scope="col">The chain's event</th>
              </tr>
            </thead>
            <tbody>
              {names.map(name => (
                <tr key={name}>
                  <th scope="row">{labels[name]}</th>
                  <td data-testid={`shown-${name}`} data-micros={shown[name].toString()}>
                    {dollars(shown[name], { digits: 6 })}
                  </td>
                  <td
                    data-testid={`chain-${name}`}
                    data-micros={chain?.[name].toString()}
                    className={chain && chain[name] !== shown[name] ? "warn" : ""}
                  >
                    {chain ? dollars(chain[name], { digits: 6 }) : "not read"}
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </Scroll>
        {!equal && chain && (
          <p className="muted">
            {pricesMoved
              ? "A newer price was accepted between the preview and the trade; both numbers are right at theirs."
              : "The account changed in between."}
          </p>
        )}
      </div>
    </Panel>
  );
}

const QUALITY_TONES = { fresh: "good", recent: undefined, stale: "bad", missing: "bad" } as const;

function MarketStrip() {
  const world = useWorld();
  const now = useNow();
  return (
    <Panel title="Markets" bare>
      <Scroll label="Markets">
        <table>
          <thead>
            <tr>
              <th scope="col">Underlying</th>
              <th scope="col">Index</th>
              <th scope="col">Age</th>
              <th scope="col">Quality</th>
              <th scope="col">
                Taker fee<small>perps and futures</small>
              </th>
              <th scope="col">
                Taker fee<small>options, of the underlying</small>
              </th>
              <th scope="col">
                Widest price<small>from the mark</small>
              </th>
            </tr>
          </thead>
          <tbody>
            {world.underlyings.map(sheet => {
              const { oracle, market } = sheet.data;
              const quality = qualityOf(sheet.data, now);
              return (
                <tr key={sheet.address}>
                  <th scope="row">{symbolOf(sheet)}</th>
                  <td>{price(oracle.price)}</td>
                  <td>{duration(now - oracle.publishTime)}</td>
                  <td>
                    <Chip tone={QUALITY_TONES[quality]}>{quality === "stale" ? "stale: reduce only" : quality}</Chip>
                  </td>
                  <td>{ppm(market.takerFeePpm, 3)}</td>
                  <td>{ppm(market.optionTakerFeePpm, 3)}</td>
                  <td>{ppm(market.maxTradeDeviationPpm, 1)}</td>
                </tr>
              );
            })}
          </tbody>
        </table>
      </Scroll>
    </Panel>
  );
}
