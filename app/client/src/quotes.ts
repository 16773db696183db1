/**
 * Signed quotes: a maker builds and signs one without any network, a taker checks it and takes it to the chain.
 */
import {
  address,
  createSignableMessage,
  getAddressDecoder,
  getAddressEncoder,
  getArrayDecoder,
  getArrayEncoder,
  getI64Decoder,
  getI64Encoder,
  getPublicKeyFromAddress,
  getStructDecoder,
  getStructEncoder,
  getU64Decoder,
  getU64Encoder,
  verifySignature,
  type Address,
  type Decoder,
  type Encoder,
  type Instruction,
  type MessagePartialSigner,
  type ReadonlyUint8Array,
  type SignatureBytes,
} from "@solana/kit";
import { getLegDecoder, getLegEncoder, type Leg, type LegArgs } from "./generated/types/index.js";

/** An offer by the owner of a margin account, or a delegate, to trade so many units of the legs. */
export type Quote = {
  group: Address;
  /** The margin account that will be traded for. */
  maker: Address;
  /** The account's `quotesSince`: a new one of the same number is another maker, and a liquidation voids what was signed before it. */
  quotesSince: bigint;
  /** The only margin account that may take the quote; `NO_ADDRESS`: any. */
  taker: Address;
  /** Unix seconds; not to be filled after it. */
  expiresAt: bigint;
  /** Told from the maker's other quotes; those below the account's `quoteFloor` are cancelled. */
  nonce: bigint;
  /** How many times the legs may be traded altogether. */
  units: bigint;
  /** One unit, from the taker's side. */
  legs: Leg[];
};

/** A quote with its signature: what a maker sends to takers. */
export type SignedQuote = {
  quote: Quote;
  /** The maker's owner or delegate. */
  signer: Address;
  signature: SignatureBytes;
};

/** The first bytes of every signed quote: a signature for anything else is never taken for one. */
const DOMAIN = new TextEncoder().encode("margrave quote 1");
const ED25519_PROGRAM = address("Ed25519SigVerify111111111111111111111111111");

type QuoteArgs = Omit<Quote, "legs"> & { legs: LegArgs[] };

function getQuoteEncoder(): Encoder<QuoteArgs> {
  return getStructEncoder([
    ["group", getAddressEncoder()],
    ["maker", getAddressEncoder()],
    ["quotesSince", getI64Encoder()],
    ["taker", getAddressEncoder()],
    ["expiresAt", getI64Encoder()],
    ["nonce", getU64Encoder()],
    ["units", getU64Encoder()],
    ["legs", getArrayEncoder(getLegEncoder())],
  ]);
}

function getQuoteDecoder(): Decoder<Quote> {
  return getStructDecoder([
    ["group", getAddressDecoder()],
    ["maker", getAddressDecoder()],
    ["quotesSince", getI64Decoder()],
    ["taker", getAddressDecoder()],
    ["expiresAt", getI64Decoder()],
    ["nonce", getU64Decoder()],
    ["units", getU64Decoder()],
    ["legs", getArrayDecoder(getLegDecoder())],
  ]);
}

/** The bytes to sign. */
export function quoteMessage(quote: Quote): Uint8Array<ArrayBuffer> {
  return new Uint8Array([...DOMAIN, ...getQuoteEncoder().encode(quote)]);
}

/** Reads the bytes that were signed: all of them, and nothing else. */
export function quoteFromMessage(bytes: ReadonlyUint8Array): Quote {
  const isQuote = DOMAIN.every((byte, index) => bytes[index] === byte);
  if (!isQuote) throw new Error("The bytes are not a quote of Margrave");
  const [quote, end] = getQuoteDecoder().read(bytes, DOMAIN.length);
  if (end !== bytes.length) throw new Error(`${bytes.length - end} bytes follow the quote`);
  return quote;
}

/** Signs with the key of the maker's owner or delegate: a key pair, or a wallet that signs messages as they are. */
export async function signQuote(quote: Quote, signer: MessagePartialSigner): Promise<SignedQuote> {
  const [signatures] = await signer.signMessages([createSignableMessage(quoteMessage(quote))]);
  const signature = signatures?.[signer.address];
  if (!signature) throw new Error(`${signer.address} has not signed`);
  return { quote, signer: signer.address, signature };
}

/** Whether the signature is the signer's. Whether the signer may trade for the maker is the chain's to say. */
export async function verifyQuote({ quote, signer, signature }: SignedQuote): Promise<boolean> {
  return verifySignature(await getPublicKeyFromAddress(signer), signature, quoteMessage(quote));
}

/** The instruction that has the runtime check the signature; `fillQuote` names its place in the transaction. */
export function quoteInstruction({ quote, signer, signature }: SignedQuote): Instruction & { data: ReadonlyUint8Array } {
  const message = quoteMessage(quote);
  const [key, signed, content] = [16, 16 + 32, 16 + 32 + 64];
  const here = 0xffff;
  // One signature, padding, then what is where: signature, key, message and its size, all in this instruction.
  const header = new Uint16Array([1, signed, here, key, here, content, message.length, here]);
  const data = new Uint8Array(content + message.length);
  header.forEach((word, index) => new DataView(data.buffer).setUint16(2 * index, word, true));
  data.set(getAddressEncoder().encode(signer), key);
  data.set(signature, signed);
  data.set(message, content);
  return { programAddress: ED25519_PROGRAM, accounts: [], data };
}
