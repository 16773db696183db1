/**
 * Lookup tables: they let a transaction name many accounts in one byte each.
 */
import {
  appendTransactionMessageInstructions,
  assertIsTransactionMessageWithinSizeLimit,
  compressTransactionMessageUsingAddressLookupTables,
  createTransactionMessage,
  getAddressDecoder,
  getArrayDecoder,
  pipe,
  setTransactionMessageFeePayer,
  setTransactionMessageLifetimeUsingBlockhash,
  type Address,
  type Instruction,
  type ReadonlyUint8Array,
} from "@solana/kit";

/** Addresses by the table that holds them. */
export type LookupTables = Record<Address, Address[]>;

/** Where a table's addresses begin. */
const TABLE_HEADER = 56;

/** The addresses in a lookup table account. */
export function decodeLookupTable(data: ReadonlyUint8Array): Address[] {
  const kind = data[0];
  if (kind !== 1 || data.length < TABLE_HEADER || (data.length - TABLE_HEADER) % 32 !== 0) {
    throw new Error("The account is not a lookup table");
  }
  return getArrayDecoder(getAddressDecoder(), { size: (data.length - TABLE_HEADER) / 32 }).decode(data, TABLE_HEADER);
}

/**
 * A version 0 message of the instructions, with what the tables hold taken from them. Fails when it would not fit into a packet,
 * and says by how much.
 */
export function assembleMessage(parts: {
  payer: Address;
  instructions: readonly Instruction[];
  lifetime: Parameters<typeof setTransactionMessageLifetimeUsingBlockhash>[0];
  tables?: LookupTables;
}) {
  const message = pipe(
    createTransactionMessage({ version: 0 }),
    message => setTransactionMessageFeePayer(parts.payer, message),
    message => setTransactionMessageLifetimeUsingBlockhash(parts.lifetime, message),
    message => appendTransactionMessageInstructions(parts.instructions, message),
    message => compressTransactionMessageUsingAddressLookupTables(message, parts.tables ?? {}),
  );
  assertIsTransactionMessageWithinSizeLimit(message);
  return message;
}
