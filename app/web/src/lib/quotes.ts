/** A maker's quote: asked for, and checked before anything is built on it. */
import {
  getBase58Encoder,
  getBase64Encoder,
  isAddress,
  type Address,
  type Instruction,
  type SignatureBytes,
  type TransactionSigner,
} from "@solana/kit";
import {
  getFillQuoteInstruction,
  getSequenceCheckInstruction,
  InstrumentKind,
  NO_ADDRESS,
  quoteFromMessage,
  quoteInstruction,
  tradeAccounts,
  verifyQuote,
  withAccounts,
  type Instrument,
  type Leg,
  type MarginAccount,
  type SignedQuote,
} from "@margrave/client";
import { MakerRefusal, ServiceUnreachable } from "./failures";
import { post, type Stored, type World } from "./market";
import { FIRST_INSTRUCTION } from "./transactions";

export type WantedLeg = { underlying: Address; instrument: Instrument; quantity: bigint };

const KINDS: Record<InstrumentKind, string> = {
  [InstrumentKind.Perp]: "perp",
  [InstrumentKind.Future]: "future",
  [InstrumentKind.Call]: "call",
  [InstrumentKind.Put]: "put",
};

/** A quote that was checked against what was asked, with how many units of it fill that. */
export type Offer = { signed: SignedQuote; units: bigint; legs: Leg[] };

/** Asks the quote server. Fails with a {@link MakerRefusal} in its own words, or when what comes back is not what was asked for. */
export async function requestQuote(server: string, world: World, taker: Address, wanted: readonly WantedLeg[]): Promise<Offer> {
  if (server === "") throw new ServiceUnreachable("quote server", "(none is set)");
  const legs = wanted.map(({ underlying, instrument, quantity }) => ({
    underlying,
    instrument: { ...instrument, kind: KINDS[instrument.kind] },
    quantity: quantity.toString(),
  }));
  let answer: unknown;
  try {
    answer = await post(server, "quote", "quote server", { taker, legs });
  } catch (error) {
    if (error instanceof Error && "status" in error) throw new MakerRefusal(error.message);
    throw error;
  }
  return checkedOffer(answer, world, taker, wanted);
}

/** What the server answered, if it is a good signature of what was asked. */
export async function checkedOffer(answer: unknown, world: World, taker: Address, wanted: readonly WantedLeg[]): Promise<Offer> {
  const { signer, signature, message } = answer as Record<string, unknown>;
  if (typeof signer !== "string" || typeof signature !== "string" || typeof message !== "string" || !isAddress(signer)) {
    throw new MakerRefusal("The quote server's answer is no signed quote");
  }
  const quote = quoteFromMessage(getBase64Encoder().encode(message));
  const signed: SignedQuote = {
    quote,
    signer,
    signature: new Uint8Array(getBase58Encoder().encode(signature)) as SignatureBytes,
  };
  if (!(await verifyQuote(signed))) throw new MakerRefusal("The quote's signature is not the maker's");
  if (quote.group !== world.group.address) throw new MakerRefusal("The quote is for another group");
  if (quote.taker !== taker && quote.taker !== NO_ADDRESS) throw new MakerRefusal("The quote is for another account");
  const units = unitsOf(quote.legs[0]?.quantity ?? 0n, wanted[0]?.quantity ?? 0n);
  const matches = wanted.every(({ underlying, instrument, quantity }, index) => {
    const leg = quote.legs[index];
    const sheet = world.underlyings.find(each => each.address === underlying);
    return (
      leg !== undefined &&
      sheet?.data.index === leg.underlying &&
      leg.quantity * units === quantity &&
      leg.instrument.kind === instrument.kind &&
      leg.instrument.expiry === instrument.expiry &&
      leg.instrument.strike === instrument.strike &&
      leg.instrument.series === instrument.series
    );
  });
  if (!matches || quote.legs.length !== wanted.length || units < 1n || units > quote.units) {
    throw new MakerRefusal("The maker has quoted something else than was asked for");
  }
  return { signed, units, legs: quote.legs.map(leg => ({ ...leg, quantity: leg.quantity * units })) };
}

function unitsOf(unit: bigint, whole: bigint): bigint {
  return unit !== 0n && whole % unit === 0n ? whole / unit : 0n;
}

/** Instructions that take an offer: none is filled when the account has changed since it was looked at. */
export function fillInstructions(
  world: World,
  offer: Offer,
  taker: Stored<MarginAccount>,
  maker: Stored<MarginAccount>,
  authority: TransactionSigner,
  before: readonly Instruction[],
): Instruction[] {
  const underlyings = offer.legs.map(leg => world.underlyings.find(each => each.data.index === leg.underlying)!.address);
  const { accounts, sheets } = tradeAccounts([taker.data, maker.data], underlyings, world.group.data.quoteBank, true);
  const check = getSequenceCheckInstruction({ marginAccount: taker.address, expected: taker.data.sequence });
  const fill = getFillQuoteInstruction({
    group: world.group.address,
    takerAuthority: authority,
    taker: taker.address,
    maker: maker.address,
    units: offer.units,
    signatureIndex: FIRST_INSTRUCTION + before.length + 1,
    sheets,
  });
  return [...before, check, quoteInstruction(offer.signed), withAccounts(fill, accounts)];
}
