import type { MarginAccount } from "@margrave/client";
import { useState } from "react";
import { AccountHead, WithAccount } from "../components/account";
import { HealthGauge } from "../components/gauge";
import { HistoryPanel } from "../components/history";
import { MoveFunds } from "../components/move-funds";
import { AddressLink, Chip, Empty, ErrorNotice, ExportButtons, Loading, Panel, Scroll, Stat, Stats } from "../components/ui";
import { cellName } from "../lib/cells";
import { settleInstruction } from "../lib/actions";
import { dollars, duration, moment, partPpm, ppm, ppmOfBits, price, quantity, ratio } from "../lib/format";
import { qualityOf, symbolOf, underlyingOf, type Stored } from "../lib/market";
import { balancesOf, reportOf, shownGreeks, type AccountReport, type HeldPosition } from "../lib/report";
import { setTicket } from "../lib/ticket";
import { useActivities, useEngine, useNow, useViewed, useWorld, useWorldState } from "../lib/state";
import { useWallet } from "../lib/wallet";

export default function Portfolio() {
  return <WithAccount title="Portfolio">{account => <OfAccount account={account} />}</WithAccount>;
}

function OfAccount({ account }: { account: Stored<MarginAccount> }) {
  const report = useEngine(["report", account.address], (engine, world, now) => reportOf(engine, world, account, now));
  const { isOwn } = useViewed();
  const [moving, setMoving] = useState<"deposit" | "withdraw">();
  return (
    <>
      <AccountHead
        title="Portfolio"
        end={
          isOwn && (
            <>
              <button className="primary" onClick={() => setMoving("deposit")}>
                Deposit
              </button>
              <button onClick={() => setMoving("withdraw")}>Withdraw</button>
            </>
          )
        }
      />
      {report.error && !report.data && <ErrorNotice error={report.error} onRetry={() => void report.refetch()} />}
      {report.data && report.data.key === account.address ? (
        <Body account={account} report={report.data} />
      ) : (
        !report.error && <Loading what="margin numbers" />
      )}
      {moving && <MoveFunds account={account} direction={moving} onClose={() => setMoving(undefined)} />}
    </>
  );
}

function Body({ account, report }: { account: Stored<MarginAccount>; report: AccountReport }) {
  return (
    <>
      <Summary report={report} account={account} />
      <Panel title="Health" note="Equity against what must be posted, one scale from zero">
        <HealthGauge numbers={report.whole.numbers} />
      </Panel>
      <Positions report={report} />
      <div className="cols two">
        <Collateral account={account} />
        <Unsettled account={account} report={report} />
      </div>
      <HistoryPanel account={account} numbers={report.whole.numbers} />
      <Prices account={account} />
    </>
  );
}

function Summary({ report, account }: { report: AccountReport; account: Stored<MarginAccount> }) {
  const { world } = useWorldState();
  const { numbers } = report.whole;
  const free = numbers.equity - numbers.initialMargin;
  const health = numbers.equity - numbers.maintenanceMargin;
  const used = partPpm(numbers.maintenanceMargin, numbers.equity);
  const worst = report.slots.find(each => each.slot === numbers.worstSlot);
  return (
    <Stats label="Margin">
      <Stat id="equity" label="Equity" value={dollars(numbers.equity)} note="what counts, haircuts taken off" />
      <Stat id="im" label="Initial margin" value={dollars(numbers.initialMargin, { rounding: "up" })} note="needed to add risk" />
      <Stat
        id="mm"
        label="Maintenance margin"
        value={dollars(numbers.maintenanceMargin, { rounding: "up" })}
        note="below it liquidation begins"
      />
      <Stat
        id="free"
        label="Free collateral"
        value={dollars(free)}
        tone={free < 0n ? "warn" : undefined}
        note="equity less initial margin"
      />
      <Stat
        id="health"
        label="Health"
        value={dollars(health)}
        tone={health < 0n ? "bad" : "good"}
        note={used === undefined ? "no equity left" : `${ppm(used, 1)} of equity is maintenance margin`}
      />
      <Stat
        label="Worst scenario"
        value={worst ? symbolOf(worst.underlying) : "None"}
        note={worst ? cellName(numbers.worstCell, ppmOfBits(worst.underlying.data.range.range)) : "no exposure"}
      />
      <Stat label="State" value={`#${account.data.sequence}`} note={`sequence, seen at slot ${world?.slot ?? 0n}`} />
    </Stats>
  );
}

function Positions({ report }: { report: AccountReport }) {
  const { positions, slots } = report;
  const { isOwn } = useViewed();
  const close = ({ underlying, instrument, slot }: HeldPosition) => {
    setTicket([{ underlying: underlying.address, instrument, quantity: -slot.quantity }]);
    location.hash = "#/trade";
  };
  const rows = () =>
    positions.map(({ slot, underlying, name, report }) => ({
      instrument: name,
      underlying: underlying.address,
      quantity: slot.quantity,
      decimals: underlying.data.decimals,
      mark_e10: report.mark,
      value_micros: report.value,
      funding_due_micros: report.funding,
      initial_margin_alone_micros: report.initialMargin,
      delta_micros: report.greeks.delta,
      gamma_micros: report.greeks.gamma,
      vega_micros: report.greeks.vega,
      theta_micros: report.greeks.theta,
    }));
  return (
    <Panel
      title="Positions"
      note={positions.length > 0 ? `${positions.length} of 32` : undefined}
      end={positions.length > 0 && <ExportButtons name="positions" rows={rows} json={() => positions} />}
      bare={positions.length > 0}
    >
      {positions.length === 0 ? (
        <Empty title="No open positions">
          <p>
            Ask the maker for a price on the <a href="#/trade">Trade</a> page; what it would do to your margin is shown first.
          </p>
        </Empty>
      ) : (
        <Scroll label="Positions">
          <table>
            <thead>
              <tr>
                <th scope="col">Instrument</th>
                <th scope="col">Size</th>
                <th scope="col">Mark</th>
                <th scope="col">
                  Notional<small>$</small>
                </th>
                <th scope="col">
                  Value or profit<small>$, funding off</small>
                </th>
                <th scope="col">
                  Funding due<small>$</small>
                </th>
                <th scope="col">
                  Delta<small>$ a 1 % move</small>
                </th>
                <th scope="col">
                  Gamma<small>delta a 1 % move</small>
                </th>
                <th scope="col">
                  Vega<small>$ a vol point</small>
                </th>
                <th scope="col">
                  Theta<small>$ a day</small>
                </th>
                <th scope="col">
                  Margin alone<small>initial, $</small>
                </th>
                {isOwn && <th scope="col">Action</th>}
              </tr>
            </thead>
            <tbody>
              {positions.map(position => {
                const { slot, underlying, name, report } = position;
                const greeks = shownGreeks(report.greeks);
                const decimals = underlying.data.decimals;
                const notional = (slot.quantity * underlying.data.oracle.price) / 10n ** BigInt(4 + decimals);
                return (
                  <tr key={name}>
                    <th scope="row">{name}</th>
                    <td className={slot.quantity > 0n ? "good" : "bad"}>{quantity(slot.quantity, decimals, { sign: true })}</td>
                    <td>{price(report.mark)}</td>
                    <td>{dollars(notional)}</td>
                    <td className={report.value < 0n ? "bad" : ""}>{dollars(report.value)}</td>
                    <td>
                      {report.funding === 0n ? (
                        <span className="muted">0</span>
                      ) : (
                        dollars(report.funding, { digits: 4, rounding: "up" })
                      )}
                    </td>
                    <td>{dollars(greeks.delta)}</td>
                    <td>{dollars(greeks.gamma, { digits: 4 })}</td>
                    <td>{dollars(greeks.vega)}</td>
                    <td>{dollars(greeks.theta)}</td>
                    <td>{dollars(report.initialMargin, { rounding: "up" })}</td>
                    {isOwn && (
                      <td>
                        <button className="small" aria-label={`Close ${name}`} onClick={() => close(position)}>
                          Close
                        </button>
                      </td>
                    )}
                  </tr>
                );
              })}
            </tbody>
            <tfoot>
              {slots.map(({ slot, underlying, explanation }) => {
                const greeks = shownGreeks(explanation.greeks);
                return (
                  <tr key={slot}>
                    <th scope="row">{symbolOf(underlying)}, with collateral</th>
                    <td colSpan={5} />
                    <td>{dollars(greeks.delta)}</td>
                    <td>{dollars(greeks.gamma, { digits: 4 })}</td>
                    <td>{dollars(greeks.vega)}</td>
                    <td>{dollars(greeks.theta)}</td>
                    <td className="muted">netted</td>
                    {isOwn && <td />}
                  </tr>
                );
              })}
            </tfoot>
          </table>
        </Scroll>
      )}
    </Panel>
  );
}

function Collateral({ account }: { account: Stored<MarginAccount> }) {
  const world = useWorld();
  const balances = balancesOf(world, account.data);
  const rows = () =>
    balances.map(({ bank, token, atoms, value }) => ({
      token,
      bank: bank.address,
      atoms,
      decimals: bank.data.decimals,
      value_micros: value ?? "",
      haircut_maintenance_ppm: bank.data.terms.haircutMaintenancePpm,
      haircut_initial_ppm: bank.data.terms.haircutInitialPpm,
    }));
  return (
    <Panel
      title="Collateral"
      end={balances.length > 0 && <ExportButtons name="collateral" rows={rows} json={() => balances} />}
      bare={balances.length > 0}
    >
      {balances.length === 0 ? (
        <Empty title="Nothing deposited">
          <p>Deposit a listed token to trade. Collateral in the asset you trade is stressed together with your positions.</p>
        </Empty>
      ) : (
        <Scroll label="Collateral">
          <table>
            <thead>
              <tr>
                <th scope="col">Token</th>
                <th scope="col">Balance</th>
                <th scope="col">Value</th>
                <th scope="col">
                  Haircut<small>maintenance</small>
                </th>
                <th scope="col">
                  Haircut<small>initial</small>
                </th>
              </tr>
            </thead>
            <tbody>
              {balances.map(({ bank, token, atoms, value }) => {
                const { terms, decimals } = bank.data;
                const owed = atoms < 0n;
                return (
                  <tr key={bank.address}>
                    <th scope="row">
                      {token} {owed && <Chip tone="warn">owed</Chip>}
                    </th>
                    <td>{quantity(atoms, decimals)}</td>
                    <td>{value === undefined ? "no price" : dollars(value)}</td>
                    <td>{owed ? `+${ppm(terms.liabilityMaintenancePpm)}` : ppm(terms.haircutMaintenancePpm)}</td>
                    <td>{owed ? `+${ppm(terms.liabilityInitialPpm)}` : ppm(terms.haircutInitialPpm)}</td>
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

function Unsettled({ account, report }: { account: Stored<MarginAccount>; report: AccountReport }) {
  const world = useWorld();
  const { wallet } = useWallet();
  const { isOwn } = useViewed();
  const { run, isBusy } = useActivities();
  const claims = account.data.risk.filter(slot => slot.used);
  const settle = (underlying: typeof account.address, symbol: string) =>
    run(`Settle ${symbol}`, () => (wallet ? [settleInstruction(world, account, underlying, wallet.signer, false)] : []));
  return (
    <Panel title="Unsettled profit and loss" note="profit is paid from what losers have paid in" bare={claims.length > 0}>
      {claims.length === 0 ? (
        <Empty title="Nothing to settle" />
      ) : (
        <Scroll label="Unsettled profit and loss">
          <table>
            <thead>
              <tr>
                <th scope="col">Underlying</th>
                <th scope="col">
                  Realised claim<small>$</small>
                </th>
                <th scope="col">
                  Open positions<small>perps and futures, $</small>
                </th>
                <th scope="col">
                  Pool holds<small>$</small>
                </th>
                {isOwn && <th scope="col">Action</th>}
              </tr>
            </thead>
            <tbody>
              {claims.map(slot => {
                const sheet = underlyingOf(world, slot.underlying);
                if (!sheet) return null;
                const open = report.positions
                  .filter(each => each.underlying.address === slot.underlying && each.instrument.kind <= 1)
                  .reduce((sum, each) => sum + each.report.value, 0n);
                return (
                  <tr key={slot.underlying}>
                    <th scope="row">{symbolOf(sheet)}</th>
                    <td className={slot.claim < 0n ? "bad" : ""}>{dollars(slot.claim)}</td>
                    <td className={open < 0n ? "bad" : ""}>{dollars(open)}</td>
                    <td>{dollars(sheet.data.pool.balance)}</td>
                    {isOwn && (
                      <td>
                        <button className="small" disabled={isBusy} onClick={() => void settle(slot.underlying, symbolOf(sheet))}>
                          Settle
                        </button>
                      </td>
                    )}
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

const QUALITY_TONES = { fresh: "good", recent: undefined, stale: "bad", missing: "bad" } as const;

function Prices({ account }: { account: Stored<MarginAccount> }) {
  const world = useWorld();
  const now = useNow();
  const used = new Set(account.data.risk.filter(slot => slot.used).map(slot => slot.underlying));
  const sheets = world.underlyings.filter(each => used.size === 0 || used.has(each.address));
  return (
    <Panel title="Prices" note="what every valuation uses until the next one is accepted" bare>
      <Scroll label="Prices">
        <table>
          <thead>
            <tr>
              <th scope="col">Underlying</th>
              <th scope="col">Price</th>
              <th scope="col">
                Confidence<small>±</small>
              </th>
              <th scope="col">Stable price</th>
              <th scope="col">Age</th>
              <th scope="col">Quality</th>
              <th scope="col">Scan range R</th>
              <th scope="col">
                Funding<small>8 hours, paid by longs</small>
              </th>
              <th scope="col">Published</th>
              <th scope="col">Posted slot</th>
              <th scope="col">Sheet</th>
            </tr>
          </thead>
          <tbody>
            {sheets.map(sheet => {
              const { oracle, range, perp, market } = sheet.data;
              const quality = qualityOf(sheet.data, now);
              return (
                <tr key={sheet.address}>
                  <th scope="row">{symbolOf(sheet)}</th>
                  <td>{price(oracle.price)}</td>
                  <td>{ratio(oracle.confidenceRatio, 3)}</td>
                  <td>{price(oracle.stablePrice)}</td>
                  <td className={quality === "stale" ? "bad" : ""}>{duration(now - oracle.publishTime)}</td>
                  <td>
                    <Chip tone={QUALITY_TONES[quality]}>{quality === "stale" ? "stale: reduce only" : quality}</Chip>
                  </td>
                  <td>{ratio(range.range)}</td>
                  <td>{ppm(fundingPpm(perp.premium, market.fundingCapPpm), 4)}</td>
                  <td>{moment(oracle.publishTime)}</td>
                  <td>{oracle.postedSlot.toString()}</td>
                  <td>
                    <AddressLink address={sheet.address} />
                  </td>
                </tr>
              );
            })}
          </tbody>
        </table>
      </Scroll>
    </Panel>
  );
}

/** What is charged at the premium that stands, within the cap. */
function fundingPpm(premium: bigint, capPpm: number): bigint {
  const rate = ppmOfBits(premium);
  const cap = BigInt(capPpm);
  return rate > cap ? cap : rate < -cap ? -cap : rate;
}
