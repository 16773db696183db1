/** What happened lately, from the transactions that touch some accounts. */
import { keepPreviousData, useQuery, useQueryClient } from "@tanstack/react-query";
import type { Address, Signature } from "@solana/kit";
import { symbolText, type MargraveEvent, type Numbers } from "@margrave/client";
import { useEffect, useRef } from "react";
import { dollars, quantity, ratio, short } from "./format";
import { instrumentName } from "./instruments";
import { bankOf, tokenOf, underlyingOf, type World } from "./market";
import { useSettings } from "./state";
import { eventsOf } from "./transactions";

export type FeedEntry = { signature: Signature; slot: bigint; time: bigint | undefined; event: MargraveEvent };

const TOGETHER = 4;

/** Events of the latest transactions that touch `keys`, so many of each, latest first. Ticks of prices are left out. */
export function useEvents(keys: readonly Address[], latest: number) {
  const { connection, endpoint } = useSettings();
  const client = useQueryClient();
  const seen = useRef(new Map<Signature, FeedEntry[]>());
  const key = ["events", endpoint.rpc, keys, latest];
  const name = JSON.stringify(key);

  useEffect(() => {
    const ended = new AbortController();
    for (const each of keys) {
      void (async () => {
        const logs = await connection.subscriptions
          .logsNotifications({ mentions: [each] }, { commitment: "confirmed" })
          .subscribe({ abortSignal: ended.signal });
        for await (const _ of logs) void client.invalidateQueries({ queryKey: key });
      })().catch(() => undefined);
    }
    return () => ended.abort();
    // The name has everything that the key has.
  }, [connection, client, name]);

  return useQuery({
    queryKey: key,
    enabled: keys.length > 0,
    refetchInterval: 5_000,
    placeholderData: keepPreviousData,
    queryFn: async () => {
      const lists = await Promise.all(
        keys.map(each => connection.rpc.getSignaturesForAddress(each, { limit: latest, commitment: "confirmed" }).send()),
      );
      const unique = new Map(lists.flat().map(each => [each.signature, each]));
      // One list is in the node's order, which knows more than slots do.
      const listed = [...unique.values()].sort((a, b) => Number(b.slot - a.slot));
      const fresh = listed.filter(each => each.err === null && !seen.current.has(each.signature));
      for (let from = 0; from < fresh.length; from += TOGETHER) {
        await Promise.all(
          fresh.slice(from, from + TOGETHER).map(async ({ signature, slot, blockTime }) => {
            const { events } = await eventsOf(connection, signature);
            const told = events.filter(event => event.name !== "PriceAccepted");
            seen.current.set(
              signature,
              told.map(event => ({ signature, slot, time: blockTime ?? undefined, event })),
            );
          }),
        );
      }
      return listed.flatMap(each => seen.current.get(each.signature) ?? []);
    },
  });
}

/** An account's margin numbers as its events have reported them, oldest first. */
export type Reported = { time: bigint; numbers: Numbers; title: string };

export function reportedOf(entries: readonly FeedEntry[], account: Address, world: World): Reported[] {
  return entries.toReversed().flatMap(({ time, event }) =>
    Object.values(event.data).flatMap((side: unknown) => {
      const isSide = typeof side === "object" && side !== null && "marginAccount" in side && "numbers" in side;
      if (!isSide || side.marginAccount !== account || time === undefined) return [];
      return [{ time, numbers: side.numbers as Numbers, title: tell(event, world).title }];
    }),
  );
}

export type Told = { title: string; text: string; tone: "good" | "bad" | "warn" | undefined };

/** An event in words. Integers come from the event and are not computed with. */
export function tell(event: MargraveEvent, world: World): Told {
  const asset = (key: Parameters<typeof underlyingOf>[1]) => {
    const sheet = underlyingOf(world, key);
    return sheet ? symbolText(sheet.data.symbol) : short(key);
  };
  const amount = (key: Parameters<typeof bankOf>[1], atoms: bigint) => {
    const bank = bankOf(world, key);
    return bank ? `${quantity(atoms, bank.data.decimals)} ${tokenOf(world, bank)}` : `${atoms} atoms`;
  };
  switch (event.name) {
    case "PositionsLiquidated": {
      const { underlying, liquidatee, liquidator, taken, insured, healthBefore, healthAfter } = event.data;
      const sheet = underlyingOf(world, underlying);
      const what = taken.map(each =>
        sheet
          ? `${quantity(each.quantity, sheet.data.decimals, { sign: true })} ${instrumentName(sheet.data, each.instrument)}`
          : `${each.quantity}`,
      );
      const fees = taken.reduce((sum, each) => sum + each.fee, 0n);
      return {
        title: "Positions liquidated",
        text: `${short(liquidator.marginAccount)} took ${what.join(", ")} from ${short(liquidatee.marginAccount)} for a fee of ${dollars(fees)}, ${dollars(insured)} of it to insurance; health ${dollars(healthBefore)} → ${dollars(healthAfter)}`,
        tone: "bad",
      };
    }
    case "CollateralLiquidated": {
      const { assetBank, debtBank, liquidatee, liquidator, seized, repaid } = event.data;
      return {
        title: "Collateral liquidated",
        text: `${short(liquidator.marginAccount)} took ${amount(assetBank, seized)} from ${short(liquidatee.marginAccount)} for ${amount(debtBank, repaid)}`,
        tone: "bad",
      };
    }
    case "SliceLiquidated": {
      const { liquidatee, liquidator, share, pricePaid } = event.data;
      return {
        title: "Slice sold",
        text: `${short(liquidator.marginAccount)} bought ${ratio(share)} of ${short(liquidatee.marginAccount)} for ${dollars(pricePaid)}`,
        tone: "bad",
      };
    }
    case "AccountFlagged":
      return {
        title: "Account flagged",
        text: `${short(event.data.account.marginAccount)}: status ${event.data.statusBefore} → ${event.data.status}`,
        tone: event.data.status > event.data.statusBefore ? "warn" : "good",
      };
    case "DeficitCovered": {
      const { marginAccount, underlying, firstLoss, insurance, left } = event.data;
      return {
        title: "Deficit covered",
        text: `${asset(underlying)} of ${short(marginAccount)}: first-loss floor ${dollars(firstLoss)}, insurance ${dollars(insurance)}, left ${dollars(left)}`,
        tone: "bad",
      };
    }
    case "DebtWrittenOff": {
      const { marginAccount, bank, insurance, shared } = event.data;
      return {
        title: "Debt written off",
        text: `${short(marginAccount)}: insurance ${amount(bank, insurance)}, depositors ${amount(bank, shared)}`,
        tone: "bad",
      };
    }
    case "LossShared":
      return {
        title: "Loss shared",
        text: `${asset(event.data.underlying)}: ${dollars(event.data.amount)} of ${dollars(event.data.registered)}`,
        tone: "bad",
      };
    case "Deleveraged":
      return {
        title: "Deleveraged",
        text: `${short(event.data.marginAccount)} closed against ${short(event.data.bankrupt)} in ${asset(event.data.underlying)}`,
        tone: "bad",
      };
    case "QuoteTraded":
    case "VenueFilled":
    case "Traded": {
      const { taker, maker, legs } = event.data;
      return {
        title: "Trade",
        text: `${short(taker.marginAccount)} with ${short(maker.marginAccount)}, ${legs.length} ${legs.length === 1 ? "leg" : "legs"}`,
        tone: undefined,
      };
    }
    case "Deposited":
      return {
        title: "Deposit",
        text: `${short(event.data.marginAccount)}: ${amount(event.data.bank, event.data.amount)}`,
        tone: "good",
      };
    case "Withdrawn":
      return {
        title: "Withdrawal",
        text: `${short(event.data.marginAccount)}: ${amount(event.data.bank, event.data.amount)}`,
        tone: undefined,
      };
    case "PnlSettled": {
      const { marginAccount, underlying, paid } = event.data;
      const text = `${short(marginAccount)} ${paid >= 0n ? "paid" : "drew"} ${dollars(paid < 0n ? -paid : paid)} ${paid >= 0n ? "into" : "from"} ${asset(underlying)}'s pool`;
      return { title: "Profit and loss settled", text, tone: undefined };
    }
    case "ChangeQueued":
    case "ChangeExecuted":
    case "ChangeCancelled":
      return {
        title: event.name.replace("Change", "Change ").toLowerCase().replace("c", "C"),
        text: `#${event.data.id}`,
        tone: event.name === "ChangeExecuted" ? "good" : event.name === "ChangeQueued" ? "warn" : undefined,
      };
    default:
      // Named as the program names it: `FeesSwept` is `Fees swept`.
      return { title: event.name.replace(/(?<!^)([A-Z])/g, letter => ` ${letter.toLowerCase()}`), text: "", tone: undefined };
  }
}
