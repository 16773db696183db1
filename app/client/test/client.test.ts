/** The client against the compiled program: every expectation is in fixtures/world.json. */
import {
  AccountRole,
  address,
  blockhash,
  compileTransactionMessage,
  createKeyPairSignerFromPrivateKeyBytes,
  createNoopSigner,
  decompileTransactionMessage,
  getCompiledTransactionMessageDecoder,
  getCompiledTransactionMessageEncoder,
  type SignatureBytes,
} from "@solana/kit";
import { describe, expect, test } from "vitest";
import {
  assembleMessage,
  decodeEvent,
  decodeLookupTable,
  decodeMargraveAccount,
  eventInInstruction,
  eventsInLog,
  findBankPda,
  findGroupPda,
  findMarginAccountPda,
  findOutflowLimitPda,
  findProgramDataPda,
  findProposalPda,
  findUnderlyingPda,
  findVaultPda,
  getBankCodec,
  getCancelQuotesInstruction,
  getDepositInstruction,
  getFillQuoteInstruction,
  getGroupCodec,
  getMarginAccountCodec,
  getMarginAccountDecoder,
  getOutflowLimitCodec,
  getProposalCodec,
  getRefreshPriceInstruction,
  getSetDelegateInstruction,
  getTradeInstruction,
  getUnderlyingCodec,
  getUnderlyingDecoder,
  getWithdrawInstruction,
  MARGRAVE_PROGRAM_ADDRESS,
  NO_ADDRESS,
  parseDepositInstruction,
  parseRefreshPriceInstruction,
  parseTradeInstruction,
  positionKind,
  quoteFromMessage,
  quoteInstruction,
  quoteMessage,
  signQuote,
  symbolBytes,
  symbolText,
  InstrumentKind,
  tradeAccounts,
  valuationAccounts,
  verifyQuote,
  withAccounts,
  type Quote,
} from "../src/index.js";
import { accountOf, bytes, instructionOf, plain, shown, world } from "./world.js";

const marginAccount = (name: string) => getMarginAccountDecoder().decode(accountOf(name).bytes);
const group = accountOf("group").address;
const alice = accountOf("alice");
const maker = accountOf("maker");
const bank = accountOf("usdcBank");
const underlying = accountOf("underlying").address;

test("the program is the one that was compiled", () => {
  expect(MARGRAVE_PROGRAM_ADDRESS).toBe(world.program);
});

describe("accounts", () => {
  const codecs = {
    Bank: getBankCodec(),
    Group: getGroupCodec(),
    MarginAccount: getMarginAccountCodec(),
    OutflowLimit: getOutflowLimitCodec(),
    Proposal: getProposalCodec(),
    Underlying: getUnderlyingCodec(),
  };

  test.each(Object.keys(world.accounts))("%s decodes to the numbers that Rust reads", name => {
    const { bytes, type, fields } = accountOf(name);
    const decoded = decodeMargraveAccount(bytes);
    expect(decoded.type).toBe(type);
    expect(shown(decoded.data)).toMatchObject(fields);
  });

  test.each(Object.keys(world.accounts))("%s encodes to the same bytes, so no byte was skipped", name => {
    const { bytes, type } = accountOf(name);
    const codec = codecs[type as keyof typeof codecs] as unknown as typeof codecs.Bank;
    const [decoded, end] = codec.read(bytes, 0);
    const encoded = codec.encode(decoded);
    expect(encoded).toEqual(bytes.subarray(0, end));
    // What is allocated beyond a proposal's content is zero.
    expect(bytes.subarray(end).every(byte => byte === 0)).toBe(true);
    if (type !== "Proposal") expect(end).toBe(bytes.length);
  });

  test("another program's data is refused", () => {
    expect(() => decodeMargraveAccount(new Uint8Array(592))).toThrow();
  });

  test("a stored position's kind counts from one", () => {
    const kinds = marginAccount("alice").positions.slice(0, 5).map(positionKind);
    expect(kinds).toEqual([InstrumentKind.Perp, InstrumentKind.Future, InstrumentKind.Put, InstrumentKind.Call, undefined]);
  });
});

describe("addresses", () => {
  const { pdas } = world;
  const owner = pdas.owner;
  const found = {
    group: () => findGroupPda(0),
    group258: () => findGroupPda(258),
    outflowLimit: () => findOutflowLimitPda({ group }),
    proposal3: () => findProposalPda(group, 3n),
    bank: () => findBankPda({ group, mint: pdas.mint }),
    vault: () => findVaultPda({ bank: bank.address }),
    underlyingSol: () => findUnderlyingPda({ group, symbol: symbolBytes("SOL") }),
    marginAccount258: () => findMarginAccountPda({ group, owner, number: 258 }),
    programData: () => findProgramDataPda(),
  };

  test.each(Object.entries(found))("%s is where Rust finds it", async (name, find) => {
    const [key] = await find();
    expect(key).toBe(pdas[name]);
  });

  test("a symbol is 16 bytes, and text again", () => {
    const { symbol } = getUnderlyingDecoder().decode(accountOf("underlying").bytes);
    expect(symbolText(symbol)).toBe("SOL");
    expect(symbolText(symbolBytes("A-TOKEN-WITH-A-LONG-NAME"))).toBe("A-TOKEN-WITH-A-L");
  });
});

describe("instructions", () => {
  const owner = createNoopSigner(marginAccount("alice").owner);
  const makerOwner = createNoopSigner(marginAccount("maker").owner);
  const expected = (name: string) => instructionOf(world.instructions[name]!);
  const at = (name: string, index: number) => expected(name).accounts[index]!.address;
  const { vault, mint } = getBankCodec().decode(bank.bytes);
  const outflowLimit = accountOf("outflowLimit").address;

  test("deposit and withdrawal are the ones that were accepted", () => {
    const common = { owner, marginAccount: alice.address, group, bank: bank.address, outflowLimit, vault, mint };
    const deposit = getDepositInstruction({ ...common, source: at("deposit", 7), amount: 250_000_000n });
    expect(plain(deposit)).toEqual(expected("deposit"));
    expect(parseDepositInstruction(expected("deposit")).data.amount).toBe(250_000_000n);

    const withdrawal = getWithdrawInstruction({ ...common, destination: at("withdraw", 7), amount: 10_000_000n, borrow: false });
    const rest = valuationAccounts([marginAccount("alice")], [bank.address]);
    expect(plain(withAccounts(withdrawal, rest))).toEqual(expected("withdraw"));
  });

  test("a trade names the accounts in the order that was accepted", () => {
    const { legs, sheets } = parseTradeInstruction(expected("trade")).data;
    const accounts = tradeAccounts(
      [marginAccount("alice"), marginAccount("maker")],
      legs.map(() => underlying),
      bank.address,
      true,
    );
    expect(accounts.sheets).toEqual(Uint8Array.from(sheets));
    const trade = getTradeInstruction({
      group,
      takerAuthority: owner,
      makerAuthority: makerOwner,
      taker: alice.address,
      maker: maker.address,
      legs,
      sheets,
    });
    expect(plain(withAccounts(trade, accounts.accounts))).toEqual(expected("trade"));
  });

  test("a fill is the one that was accepted", () => {
    const { accounts, sheets } = tradeAccounts(
      [marginAccount("alice"), marginAccount("maker")],
      [underlying, underlying],
      bank.address,
      true,
    );
    const fill = getFillQuoteInstruction({
      group,
      takerAuthority: owner,
      taker: alice.address,
      maker: maker.address,
      units: 3n,
      signatureIndex: 0,
      sheets,
    });
    expect(plain(withAccounts(fill, accounts))).toEqual(expected("fillQuote"));
  });

  test("a keeper's and an owner's small instructions are the ones that were accepted", () => {
    const cancel = getCancelQuotesInstruction({
      authority: makerOwner,
      marginAccount: maker.address,
      nonce: 5n,
      allBelow: true,
    });
    expect(plain(cancel)).toEqual(expected("cancelQuotes"));
    const { priceAccount } = parseRefreshPriceInstruction(expected("refreshPrice")).accounts;
    const refresh = getRefreshPriceInstruction({ group, underlying, priceAccount: priceAccount.address });
    expect(plain(refresh)).toEqual(expected("refreshPrice"));
    const { key, expiresAt } = marginAccount("alice").delegates[1]!;
    const delegate = getSetDelegateInstruction({ owner, marginAccount: alice.address, place: 1, delegate: key, expiresAt });
    expect(plain(delegate)).toEqual(expected("setDelegate"));
  });
});

describe("events", () => {
  test.each(world.events.map(event => [event.name, event] as const))(
    "%s decodes to the numbers that Rust reads",
    (name, event) => {
      const decoded = event.inner ? eventInInstruction(bytes(event.inner)) : eventsInLog(["Program log: x", event.log!])[0];
      expect(decoded?.name).toBe(name);
      expect(shown(decoded?.data)).toMatchObject(event.fields);
    },
  );

  test("what is no event is none", () => {
    const { inner } = world.events.find(event => event.inner)!;
    expect(eventInInstruction(bytes(inner!).subarray(8))).toBeUndefined();
    expect(decodeEvent(new Uint8Array(64))).toBeUndefined();
    expect(eventsInLog(["Program data: AAAA", "Program log: done"])).toEqual([]);
  });
});

describe("quotes", () => {
  const { quote: made } = world;
  const quote = quoteFromMessage(bytes(made.message));

  test("the bytes are those that the program read", () => {
    expect(shown(quote)).toEqual(made.fields);
    expect(quoteMessage(quote)).toEqual(bytes(made.message));
  });

  test("what is not exactly a quote is refused", () => {
    const message = bytes(made.message);
    expect(() => quoteFromMessage(message.subarray(1))).toThrow("not a quote");
    expect(() => quoteFromMessage(new Uint8Array([...message, 0]))).toThrow("1 bytes follow");
    expect(() => quoteFromMessage(message.subarray(0, -1))).toThrow();
  });

  test("the signature and its instruction are those that the runtime checked", async () => {
    const signer = await createKeyPairSignerFromPrivateKeyBytes(bytes(made.seed));
    const signed = await signQuote(quote, signer);
    expect(signed.signer).toBe(made.signer);
    expect(signed.signature).toEqual(bytes(made.signature));
    expect(plain(quoteInstruction(signed))).toEqual(instructionOf(made.instruction));
  });

  test("a changed quote, signature or signer does not verify", async () => {
    const signed = { quote, signer: address(made.signer), signature: bytes(made.signature) as unknown as SignatureBytes };
    expect(await verifyQuote(signed)).toBe(true);
    const dearer: Quote = { ...quote, legs: quote.legs.map(leg => ({ ...leg, price: leg.price + 1n })) };
    expect(await verifyQuote({ ...signed, quote: dearer })).toBe(false);
    const flipped = Uint8Array.from(signed.signature, (byte, index) =>
      index === 5 ? byte ^ 1 : byte,
    ) as unknown as SignatureBytes;
    expect(await verifyQuote({ ...signed, signature: flipped })).toBe(false);
    expect(await verifyQuote({ ...signed, signer: world.pdas.owner })).toBe(false);
  });

  test("nobody in particular is the address of zeros", () => {
    expect(quoteMessage({ ...quote, taker: NO_ADDRESS }).subarray(16 + 72, 16 + 104)).toEqual(new Uint8Array(32));
  });
});

describe("lookup tables", () => {
  const { lookup } = world;
  const addresses = decodeLookupTable(bytes(lookup.data));
  const tables = { [lookup.table]: addresses };
  const instruction = instructionOf(lookup.instruction);
  const lifetime = { blockhash: blockhash(lookup.blockhash), lastValidBlockHeight: 0n };
  const parts = { payer: lookup.payer, instructions: [instruction], lifetime };
  const encode = (message: ReturnType<typeof assembleMessage>) =>
    getCompiledTransactionMessageEncoder().encode(compileTransactionMessage(message));

  test("Rust's message names our instruction through the decoded table", () => {
    const compiled = getCompiledTransactionMessageDecoder().decode(bytes(lookup.message));
    const [theirs] = decompileTransactionMessage(compiled, { addressesByLookupTableAddress: tables }).instructions;
    expect(plain(theirs!)).toEqual(withPayer(instruction));
  });

  test("our message is as small as Rust's and says the same", () => {
    const message = encode(assembleMessage({ ...parts, tables }));
    expect(message.length).toBe(bytes(lookup.message).length);
    const compiled = getCompiledTransactionMessageDecoder().decode(message);
    const [ours] = decompileTransactionMessage(compiled, { addressesByLookupTableAddress: tables }).instructions;
    expect(plain(ours!)).toEqual(withPayer(instruction));
    // Version and an empty list of tables are the two bytes more.
    expect(encode(assembleMessage(parts)).length).toBe(lookup.legacyLength + 2);
  });

  test("a message that does not fit is refused, and an account that is no table", () => {
    const instructions = Array.from({ length: 20 }, () => instruction);
    expect(() => assembleMessage({ ...parts, instructions, tables })).toThrow(/1232|size/);
    expect(() => decodeLookupTable(accountOf("group").bytes)).toThrow("not a lookup table");
  });

  /** A message knows one role for each account: the payer's is to sign and be written. */
  function withPayer(it: typeof instruction) {
    const accounts = it.accounts.map(meta =>
      meta.address === lookup.payer ? { ...meta, role: AccountRole.WRITABLE_SIGNER } : meta,
    );
    return { ...it, accounts };
  }
});
