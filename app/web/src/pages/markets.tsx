import {
  findProposalPda,
  getSolvencyInstruction,
  getSolvencyStatementDecoder,
  type Bank,
  type SolvencyStatement,
} from "@margrave/client";
import { useQuery } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { AddressLink, Chip, Empty, ErrorNotice, ExportButtons, Panel, Scroll, Segments, Stat, Stats } from "../components/ui";
import { useEvents } from "../lib/feed";
import { dollars, duration, moment, partPpm, ppm, price, quantity, ratio } from "../lib/format";
import { atomsOf, qualityOf, symbolOf, tokenOf, type Stored, type World } from "../lib/market";
import { differencesOf, termsOf, type Term } from "../lib/terms";
import { useActivities, useNow, useSettings, useWorld, useWorldState } from "../lib/state";
import { simulate } from "../lib/transactions";
import { useWallet } from "../lib/wallet";
import { executeInstruction } from "../lib/governance";

export default function Markets() {
  const world = useWorld();
  return (
    <>
      <div className="page-head">
        <h1>Markets and governance</h1>
        <AddressLink address={world.group.address} />
      </div>
      <Overview />
      <Underlyings />
      <div className="cols two">
        <Banks />
        <Solvency />
      </div>
      <Pending />
      <Past />
      <Parameters />
    </>
  );
}

function Overview() {
  const world = useWorld();
  const now = useNow();
  const { data } = world.group;
  const paused = data.pausedUntil.filter(until => until > now).length;
  return (
    <Stats label="Group">
      <Stat
        label="State"
        value={data.launched ? "Launched" : "Not launched"}
        note={data.launched ? "changes wait" : "changes are made at once"}
      />
      <Stat label="Delay of changes" value={duration(data.terms.timelockSecs)} note="for whatever loosens a limit" />
      <Stat label="Waiting changes" value={world.proposals.length} note={`${data.proposals} queued so far`} />
      <Stat label="Pauses" value={paused} tone={paused > 0 ? "warn" : "good"} note={paused > 0 ? "a guardian's" : "none holds"} />
      <Stat label="Markets" value={world.underlyings.length} note={`${world.banks.length} banks`} />
    </Stats>
  );
}

const QUALITY_TONES = { fresh: "good", recent: undefined, stale: "bad", missing: "bad" } as const;

function Underlyings() {
  const world = useWorld();
  const now = useNow();
  return (
    <Panel title="Underlyings" bare>
      <Scroll label="Underlyings">
        <table>
          <thead>
            <tr>
              <th scope="col">Underlying</th>
              <th scope="col">Price</th>
              <th scope="col">Age</th>
              <th scope="col">Quality</th>
              <th scope="col">Scan range</th>
              <th scope="col">
                Volatility<small>realised, a year</small>
              </th>
              <th scope="col">
                Perp<small>open interest</small>
              </th>
              <th scope="col">Expiries</th>
              <th scope="col">
                Pool<small>$</small>
              </th>
              <th scope="col">Breaker</th>
            </tr>
          </thead>
          <tbody>
            {world.underlyings.map(sheet => {
              const { oracle, range, perp, pool, breaker, decimals, expiries } = sheet.data;
              const quality = qualityOf(sheet.data, now);
              const stops = [
                breaker.pausedUntil > now && `paused ${duration(breaker.pausedUntil - now)}`,
                breaker.gapUntil > now && `price gap ${duration(breaker.gapUntil - now)}`,
                breaker.graceUntil > now && `grace ${duration(breaker.graceUntil - now)}`,
              ].filter(Boolean);
              return (
                <tr key={sheet.address}>
                  <th scope="row">{symbolOf(sheet)}</th>
                  <td>{price(oracle.price)}</td>
                  <td>{duration(now - oracle.publishTime)}</td>
                  <td>
                    <Chip tone={QUALITY_TONES[quality]}>{quality}</Chip>
                  </td>
                  <td>{ratio(range.range)}</td>
                  <td>{ratio(rootOfBits(range.variance), 1)}</td>
                  <td>{quantity(perp.openInterest, decimals, { digits: 2 })}</td>
                  <td>{expiries.filter(each => each.series !== 0 && each.time > now).length}</td>
                  <td>{dollars(pool.balance)}</td>
                  <td>{stops.length === 0 ? "none" : <Chip tone="warn">{stops.join(", ")}</Chip>}</td>
                </tr>
              );
            })}
          </tbody>
        </table>
      </Scroll>
    </Panel>
  );
}

/** Root of a ratio of 2^-30, down. */
function rootOfBits(bits: bigint): bigint {
  if (bits <= 0n) return 0n;
  const wanted = bits << 30n;
  let root = 1n << BigInt(Math.ceil(wanted.toString(2).length / 2));
  for (;;) {
    const next = (root + wanted / root) >> 1n;
    if (next >= root) return root;
    root = next;
  }
}

function Banks() {
  const world = useWorld();
  return (
    <Panel title="Banks" bare>
      <Scroll label="Banks">
        <table>
          <thead>
            <tr>
              <th scope="col">Token</th>
              <th scope="col">Deposits</th>
              <th scope="col">Lent</th>
              <th scope="col">Utilisation</th>
              <th scope="col">
                Rate<small>borrowers, a year</small>
              </th>
              <th scope="col">Deposit cap</th>
            </tr>
          </thead>
          <tbody>
            {world.banks.map(bank => {
              const { data } = bank;
              const deposits = atomsOf(data, data.depositShares);
              const lent = -atomsOf(data, -data.borrowShares);
              const used = partPpm(lent, deposits);
              const cap = data.terms.depositCap;
              return (
                <tr key={bank.address}>
                  <th scope="row">{tokenOf(world, bank)}</th>
                  <td>{quantity(deposits, data.decimals, { digits: 2 })}</td>
                  <td>{quantity(lent, data.decimals, { digits: 2 })}</td>
                  <td>{used === undefined ? "" : ppm(used, 1)}</td>
                  <td>{ratio(data.borrowRate)}</td>
                  <td>{cap >= 1n << 61n ? "no limit" : quantity(cap, data.decimals, { digits: 0 })}</td>
                </tr>
              );
            })}
          </tbody>
        </table>
      </Scroll>
    </Panel>
  );
}

type Statement = { bank: Stored<Bank>; statement: SolvencyStatement };

/** The program's own statement, by simulating its view: nothing here is added up from accounts. */
function Solvency() {
  const world = useWorld();
  const { connection } = useSettings();
  const { wallet } = useWallet();
  // Simulation needs some account that exists as the payer.
  const payer = wallet?.address ?? world.group.data.roles.guardian;
  const fallback = world.group.data.roles.admin;
  const query = useQuery({
    queryKey: ["solvency", world.group.address, payer],
    refetchInterval: 15_000,
    queryFn: async (): Promise<Statement[]> => {
      const ask = async (bank: Stored<Bank>): Promise<Statement> => {
        const view = getSolvencyInstruction({ bank: bank.address, vault: bank.data.vault });
        const answer = await simulate(connection, payer, [view]).catch(() => simulate(connection, fallback, [view]));
        if (!answer.returned) throw new Error("The node gave no statement");
        return { bank, statement: getSolvencyStatementDecoder().decode(answer.returned) };
      };
      return Promise.all(world.banks.map(ask));
    },
  });
  const owned = ({ deposits, insurance, fees, pools }: SolvencyStatement) => deposits + insurance + fees + pools;
  const rows = () =>
    (query.data ?? []).map(({ bank, statement }) => ({
      token: tokenOf(world, bank),
      bank: bank.address,
      decimals: bank.data.decimals,
      ...statement,
    }));
  return (
    <Panel
      title="Solvency"
      note="the program's statement: what there is covers what is owed"
      end={query.data && <ExportButtons name="solvency" rows={rows} json={() => rows()} />}
      bare
    >
      {query.error && !query.data ? (
        <div className="body">
          <ErrorNotice error={query.error} onRetry={() => void query.refetch()} />
        </div>
      ) : !query.data ? (
        <p className="empty" role="status">
          Asking the program…
        </p>
      ) : (
        <Scroll label="Solvency">
          <table data-testid="solvency">
            <thead>
              <tr>
                <th scope="col">Token</th>
                <th scope="col">Vault</th>
                <th scope="col">Lent</th>
                <th scope="col">Deposits</th>
                <th scope="col">Insurance, fees, pools</th>
                <th scope="col">Verdict</th>
              </tr>
            </thead>
            <tbody>
              {query.data.map(({ bank, statement }) => {
                const has = statement.vault + statement.lent;
                const owes = owned(statement);
                const { decimals } = bank.data;
                return (
                  <tr key={bank.address}>
                    <th scope="row">{tokenOf(world, bank)}</th>
                    <td>{quantity(statement.vault, decimals, { digits: 2 })}</td>
                    <td>{quantity(statement.lent, decimals, { digits: 2 })}</td>
                    <td>{quantity(statement.deposits, decimals, { digits: 2 })}</td>
                    <td>{quantity(owes - statement.deposits, decimals, { digits: 2 })}</td>
                    <td>
                      <Chip tone={has >= owes ? "good" : "bad"}>
                        {has >= owes ? "covered" : `${quantity(owes - has, decimals)} short`}
                      </Chip>
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

/** Changes that wait for their time. */
function Pending() {
  const world = useWorld();
  const now = useNow();
  const { wallet } = useWallet();
  const { run, isBusy } = useActivities();
  return (
    <Panel
      title="Waiting changes"
      note="anybody executes one when its time has come; it is void a week later"
      bare={world.proposals.length > 0}
    >
      {world.proposals.length === 0 ? (
        <Empty title="Nothing waits">
          <p>
            Whatever loosens a limit is queued here for {duration(world.group.data.terms.timelockSecs)} before it can be executed.
          </p>
        </Empty>
      ) : (
        world.proposals.map(proposal => {
          const { title, differences } = differencesOf(world, proposal.data.change);
          const { executableAt, expiresAt, id, proposer } = proposal.data;
          const state = now >= expiresAt ? "void" : now >= executableAt ? "executable" : "waiting";
          return (
            <section
              key={proposal.address}
              className="body stack"
              style={{ padding: 14, borderTop: "1px solid var(--line)" }}
              aria-label={`Change ${id}`}
            >
              <div className="row">
                <strong>
                  #{id.toString()} {title}
                </strong>
                <Chip tone={state === "executable" ? "good" : state === "void" ? undefined : "warn"}>
                  {state === "waiting"
                    ? `executable in ${duration(executableAt - now)}`
                    : state === "void"
                      ? "void"
                      : `executable for ${duration(expiresAt - now)}`}
                </Chip>
                <span className="muted">
                  from {moment(executableAt)}, by <AddressLink address={proposer} />, account{" "}
                  <AddressLink address={proposal.address} />
                </span>
                {state === "executable" && wallet && (
                  <button
                    className="small"
                    disabled={isBusy}
                    onClick={() => void run(`Execute change ${id}`, () => [executeInstruction(world, proposal)])}
                  >
                    Execute
                  </button>
                )}
              </div>
              {differences.length === 0 ? (
                <p className="muted">No term differs from today's.</p>
              ) : (
                <Scroll label={`What change ${id} changes`}>
                  <table>
                    <thead>
                      <tr>
                        <th scope="col">Term</th>
                        <th scope="col">Today</th>
                        <th scope="col">Then</th>
                      </tr>
                    </thead>
                    <tbody>
                      {differences.map(each => (
                        <tr key={each.label}>
                          <th scope="row">{each.label}</th>
                          <td className="muted">{each.before}</td>
                          <td>{each.after}</td>
                        </tr>
                      ))}
                    </tbody>
                  </table>
                </Scroll>
              )}
            </section>
          );
        })
      )}
    </Panel>
  );
}

/** Changes that a page goes back. */
const LATEST = 10;

/** What became of changes, by the transactions of their accounts: these are gone once they are decided. */
function Past() {
  const world = useWorld();
  const { refresh } = useWorldState();
  const { address: group, data } = world.group;
  const last = data.proposals;
  const keys = useQuery({
    queryKey: ["proposals", group, last.toString()],
    staleTime: Infinity,
    queryFn: async () => {
      const ids = Array.from({ length: LATEST }, (_, back) => last - 1n - BigInt(back)).filter(id => id >= 0n);
      const found = await Promise.all(ids.map(id => findProposalPda(group, id)));
      return found.map(([key]) => key);
    },
  });
  const events = useEvents(keys.data ?? [], 5);
  const entries = events.data ?? [];
  // Of each change what decided it, or else its queueing, which has the terms.
  const decided = entries.filter(({ event }) => event.name === "ChangeExecuted" || event.name === "ChangeCancelled");
  const queuedAs = (id: bigint) =>
    entries.flatMap(({ event }) => (event.name === "ChangeQueued" && event.data.id === id ? [event.data.change] : []))[0];
  // Nodes do not report that an account was closed.
  const isOutdated = decided.some(({ event }) =>
    world.proposals.some(each => "id" in event.data && each.data.id === event.data.id),
  );
  useEffect(() => {
    if (isOutdated) refresh();
  }, [isOutdated, refresh]);
  if (last === 0n || (events.isSuccess && decided.length === 0)) return null;
  return (
    <Panel title="Decided changes" note={`of the last ${LATEST}`} bare>
      {events.error && !events.data ? (
        <div className="body">
          <ErrorNotice error={events.error} onRetry={() => void events.refetch()} />
        </div>
      ) : !events.data ? (
        <p className="empty" role="status">
          Reading transactions…
        </p>
      ) : (
        <Scroll label="Decided changes">
          <table>
            <thead>
              <tr>
                <th scope="col">Change</th>
                <th scope="col" className="left">
                  Of
                </th>
                <th scope="col">Decided</th>
                <th scope="col">When</th>
                <th scope="col">Transaction</th>
              </tr>
            </thead>
            <tbody>
              {decided.map(({ event, time, slot, signature }) => {
                if (event.name !== "ChangeExecuted" && event.name !== "ChangeCancelled") return null;
                const { id } = event.data;
                const change = event.name === "ChangeExecuted" ? event.data.change : queuedAs(id);
                const isDone = event.name === "ChangeExecuted";
                return (
                  <tr key={signature} data-change={id.toString()}>
                    <th scope="row">#{id.toString()}</th>
                    <td className="left">{change ? differencesOf(world, change).title : ""}</td>
                    <td>
                      <Chip tone={isDone ? "good" : undefined}>{isDone ? "executed" : "cancelled"}</Chip>
                    </td>
                    <td>{time === undefined ? `slot ${slot}` : moment(time)}</td>
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

function Parameters() {
  const world = useWorld();
  const options = [
    { value: "group", label: "Group" },
    { value: "options", label: "Options" },
    { value: "roles", label: "Roles" },
    ...world.underlyings.map(each => ({ value: each.address as string, label: symbolOf(each) })),
    ...world.banks.map(each => ({ value: each.address as string, label: `Bank ${tokenOf(world, each)}` })),
  ];
  const [chosen, setChosen] = useState("group");
  const sections = sectionsOf(world, chosen);
  const rows = () =>
    sections.flatMap(({ title, terms }) => terms.map(({ name, value }) => ({ section: title, parameter: name, value })));
  return (
    <Panel title="Parameters" end={<ExportButtons name={`parameters-${chosen}`} rows={rows} json={() => sections} />}>
      <div className="stack">
        <div className="scroll" tabIndex={0} role="region" aria-label="Whose parameters">
          <Segments label="Whose parameters" value={chosen} onChange={setChosen} options={options} />
        </div>
        <div className="cols two">
          {sections.map(({ title, terms }) => (
            <section key={title} aria-label={title}>
              <h3 style={{ marginBottom: 6 }}>{title}</h3>
              <dl className="facts">
                {terms.map(term => (
                  <div key={term.name} style={{ display: "contents" }}>
                    <dt>{term.label}</dt>
                    <dd className={term.value.length > 30 ? "mono" : ""}>{term.value}</dd>
                  </div>
                ))}
              </dl>
            </section>
          ))}
        </div>
      </div>
    </Panel>
  );
}

function sectionsOf(world: World, chosen: string): { title: string; terms: Term[] }[] {
  const { data } = world.group;
  if (chosen === "group")
    return [
      { title: "Terms", terms: termsOf(data.terms, undefined) },
      { title: "Price programs", terms: termsOf({ receivers: data.receivers }, undefined) },
    ];
  if (chosen === "options") return [{ title: "Stress of volatilities, charges", terms: termsOf(data.options, undefined) }];
  if (chosen === "roles") return [{ title: "Keys", terms: termsOf(data.roles, undefined) }];
  const sheet = world.underlyings.find(each => each.address === chosen);
  if (sheet) {
    const { decimals, oracle, risk, market } = sheet.data;
    return [
      { title: "Risk", terms: termsOf(risk, decimals) },
      { title: "Market", terms: termsOf(market, decimals) },
      { title: "Oracle", terms: termsOf(oracle.terms, decimals) },
    ];
  }
  const bank = world.banks.find(each => each.address === chosen);
  return bank ? [{ title: "Bank", terms: termsOf(bank.data.terms, bank.data.decimals) }] : [];
}
