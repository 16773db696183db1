/**
 * Events: those of money and positions are instructions of the program to itself, the others lines of the log.
 */
import { containsBytes, getBase64Encoder, type ReadonlyUint8Array } from "@solana/kit";
import { MARGRAVE_EVENTS, type MargraveEventName, type MargraveEvents } from "./generated/events.js";

export type { MargraveEventName, MargraveEvents } from "./generated/events.js";

/** Any event, told apart by `name`. */
export type MargraveEvent = { [N in MargraveEventName]: { name: N; data: MargraveEvents[N] } }[MargraveEventName];

/** What an instruction begins with by which a program of Anchor's reports an event. */
const EVENT_TAG = new Uint8Array([228, 69, 165, 46, 81, 203, 154, 29]);
const LOG_PREFIX = "Program data: ";

/**
 * The event in the data of an inner instruction; undefined when it holds none.
 *
 * Warning: check that the instruction is one of Margrave's. Any program can send these bytes to itself.
 */
export function eventInInstruction(data: ReadonlyUint8Array): MargraveEvent | undefined {
  return containsBytes(data, EVENT_TAG, 0) ? decodeEvent(data.slice(EVENT_TAG.length)) : undefined;
}

/**
 * The events in a transaction's log, in order.
 *
 * Warning: nodes cut long logs, and any program can write these lines: an absent event proves nothing, a present one little.
 */
export function eventsInLog(log: readonly string[]): MargraveEvent[] {
  const lines = log.filter(line => line.startsWith(LOG_PREFIX)).map(line => line.slice(LOG_PREFIX.length));
  return lines.flatMap(line => decodeEvent(getBase64Encoder().encode(line)) ?? []);
}

/** One event's bytes: discriminator and content. */
export function decodeEvent(bytes: ReadonlyUint8Array): MargraveEvent | undefined {
  const row = MARGRAVE_EVENTS.find(({ discriminator }) => containsBytes(bytes, Uint8Array.from(discriminator), 0));
  return row && ({ name: row.name, data: row.decoder().decode(bytes, row.discriminator.length) } as MargraveEvent);
}
