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
  return { number, ...MARGRAVE_ERRORS[number] };
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
