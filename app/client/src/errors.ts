/**
 * Refusals: from whatever an RPC node or a wallet hands over to the rule that was broken and what to do about it.
 */
import { isSolanaError, SOLANA_ERROR__INSTRUCTION_ERROR__CUSTOM } from "@solana/kit";
import { MARGRAVE_ERRORS } from "./generated/errors/table.js";
import { MARGRAVE_PROGRAM_ADDRESS } from "./generated/programs/index.js";

export type MargraveErrorNumber = keyof typeof MARGRAVE_ERRORS;
export type MargraveErrorName = (typeof MARGRAVE_ERRORS)[MargraveErrorNumber]["name"];

/** An error of the program. */
export type MargraveRefusal = {
  number: MargraveErrorNumber;
  name: MargraveErrorName;
  /** What is wrong, in the program's words. */
  sentence: string;
  /** What the user may do. */
  remedy: string;
};

/** The error with this number; undefined when it is not one of the program's. */
export function refusalOf(number: number): MargraveRefusal | undefined {
  if (!isMargraveErrorNumber(number)) return undefined;
  const { name, sentence } = MARGRAVE_ERRORS[number];
  const remedies: Partial<Record<MargraveErrorName, string>> = REMEDIES;
  return { number, name, sentence, remedy: remedies[name] ?? topicRemedy(number) };
}

/** The program's refusal in what a failed transaction or simulation gave: an error of Kit, an RPC `err`, or its log. */
export function refusalIn(failure: unknown): MargraveRefusal | undefined {
  const number = Array.isArray(failure) ? numberInLog(failure) : numberIn(failure);
  return number === undefined ? undefined : refusalOf(number);
}

function isMargraveErrorNumber(number: number): number is MargraveErrorNumber {
  return Object.hasOwn(MARGRAVE_ERRORS, number);
}

/** The program's line is the first that tells of a failure of it: those that called it repeat its number. */
function numberInLog(log: readonly unknown[]): number | undefined {
  const start = `Program ${MARGRAVE_PROGRAM_ADDRESS} failed: custom program error: 0x`;
  const line = log.find((line): line is string => typeof line === "string" && line.startsWith(start));
  return line === undefined ? undefined : Number.parseInt(line.slice(start.length), 16);
}

function numberIn(failure: unknown, depth = 0): number | undefined {
  if (typeof failure !== "object" || failure === null || depth > 8) return undefined;
  if (isSolanaError(failure, SOLANA_ERROR__INSTRUCTION_ERROR__CUSTOM)) return Number(failure.context.code);
  if ("Custom" in failure) return Number(failure.Custom);
  if ("InstructionError" in failure && Array.isArray(failure.InstructionError)) {
    return numberIn(failure.InstructionError[1], depth + 1);
  }
  for (const part of ["err", "cause"]) {
    const found = part in failure ? numberIn((failure as Record<string, unknown>)[part], depth + 1) : undefined;
    if (found !== undefined) return found;
  }
  return undefined;
}

/** For errors that say nothing of what to do, by the hundred they belong to. */
function topicRemedy(number: number): string {
  const topic = Math.floor(number / 100) * 100;
  return TOPICS[topic] ?? "Read the transaction's log.";
}

const TOPICS: Record<number, string> = {
  6000: "Load the accounts again and rebuild the transaction; check which wallet is connected.",
  6100: "Change the amount to within the limit.",
  6200: "Refresh the price in the same transaction, or wait for a better one.",
  6300: "Change the trade: less size, another price, or more collateral.",
  6400: "Load both accounts again: the liquidation may have been done already.",
  6500: "Compare the value with docs/parameters.md.",
  6900: "Report this with the transaction's signature.",
};

const REMEDIES = {
  BankMissing: "Load the margin account again and pass every account it refers to.",
  UnderlyingMissing: "Load the margin account again and pass every account it refers to.",
  SignerIsNotOwner: "Connect the wallet that owns the margin account.",
  SignerMayNotTrade: "Connect the owner's wallet, or have the owner appoint this key as a delegate.",
  MarginAccountNotEmpty: "Close the positions, settle them, and withdraw every balance.",
  Paused: "Withdraw, repay or reduce meanwhile: a pause never stops these.",
  NotLaunched: "Wait until the group is launched.",
  BalanceExceeded: "Withdraw less, or allow borrowing.",
  DepositCapExceeded: "Deposit less, or another token.",
  BorrowCapExceeded: "Borrow less, or wait until others repay.",
  OutflowLimitExceeded: "Withdraw less now; the limit refills within a day.",
  VaultIlliquid: "Withdraw less, or wait until borrowers repay.",
  QuantityNotInLots: "Round the quantity to the market's lot.",
  PriceTooOld: "Put a price refresh in front of the instruction.",
  PriceTooUncertain: "Wait until the price's confidence is better.",
  PriceWentBack: "Use the newest price update.",
  NotSettledYet: "Wait for the settlement window to be observed, then refresh the price.",
  InitialMarginNotMet: "Deposit collateral or trade less; the log and the preview name the worst scenario.",
  PriceOutsideBand: "Trade nearer to the mark.",
  InstrumentNotListed: "Choose a listed expiry and strike; the series may have been replaced.",
  ExpiryHasPassed: "Settle the expiry instead of trading it.",
  SequenceMoved: "Load the account again and decide again.",
  HealthTooLow: "Prices have moved since the transaction was built: preview it again.",
  QuoteExpired: "Ask the maker for a new quote.",
  QuoteFilled: "Fill fewer units, or ask the maker for a new quote.",
  QuoteCancelled: "Ask the maker for a new quote.",
  QuoteNotSigned: "Put the quote's signature instruction at the index that the fill names.",
  QuoteOfOthers: "Take the quote with the margin account it was made for.",
  AccountIsHealthy: "Nothing to liquidate: prices have moved, or somebody was faster.",
  LiquidationWouldNotHelp: "This position hedges others: take over another one.",
} as const satisfies Partial<Record<MargraveErrorName, string>>;
