/**
 * Accounts of the program: decoding whichever it is, and what instructions about a margin account must be given with it.
 */
import { AccountRole, type AccountMeta, type Address, type Instruction, type ReadonlyUint8Array } from "@solana/kit";
import {
  getBankDecoder,
  getConsentDecoder,
  getGroupDecoder,
  getMarginAccountDecoder,
  getOutflowLimitDecoder,
  getProposalDecoder,
  getUnderlyingDecoder,
  getVenueDecoder,
  type MarginAccount,
} from "./generated/accounts/index.js";
import { identifyMargraveAccount, MargraveAccount } from "./generated/programs/index.js";
import { InstrumentKind } from "./generated/types/index.js";
import { NO_ADDRESS } from "./pda.js";

/** Any account, told apart by `type`. */
export type DecodedAccount = ReturnType<typeof decodeMargraveAccount>;

/** Decodes an account of the program by its discriminator. Fails on another program's. */
export function decodeMargraveAccount(data: ReadonlyUint8Array) {
  const type = identifyMargraveAccount(data);
  switch (type) {
    case MargraveAccount.Bank:
      return { type: "Bank", data: getBankDecoder().decode(data) } as const;
    case MargraveAccount.Consent:
      return { type: "Consent", data: getConsentDecoder().decode(data) } as const;
    case MargraveAccount.Group:
      return { type: "Group", data: getGroupDecoder().decode(data) } as const;
    case MargraveAccount.MarginAccount:
      return { type: "MarginAccount", data: getMarginAccountDecoder().decode(data) } as const;
    case MargraveAccount.OutflowLimit:
      return { type: "OutflowLimit", data: getOutflowLimitDecoder().decode(data) } as const;
    case MargraveAccount.Proposal:
      return { type: "Proposal", data: getProposalDecoder().decode(data) } as const;
    case MargraveAccount.Underlying:
      return { type: "Underlying", data: getUnderlyingDecoder().decode(data) } as const;
    case MargraveAccount.Venue:
      return { type: "Venue", data: getVenueDecoder().decode(data) } as const;
  }
}

/** The kind of a stored position, which counts from one; undefined in an empty slot. */
export function positionKind(position: { kind: number }): InstrumentKind | undefined {
  return position.kind === 0 ? undefined : ((position.kind - 1) as InstrumentKind);
}

/**
 * The banks and underlyings that valuing `marginAccounts` reads, each once, without those already `named`: in the order in which
 * they are read, which the program finds fastest.
 */
export function valuationAccounts(marginAccounts: readonly MarginAccount[], named: readonly Address[] = []): AccountMeta[] {
  const keys = new Set<Address>();
  const add = (key: Address) => key !== NO_ADDRESS && !named.includes(key) && keys.add(key);
  for (const { collateral, risk } of marginAccounts) {
    const addSlot = (slot: number) => collateral.filter(it => it.riskSlot === slot).forEach(it => add(it.bank));
    addSlot(0);
    risk.forEach(({ underlying }, index) => {
      add(underlying);
      addSlot(index + 1);
    });
  }
  return [...keys].map(address => ({ address, role: AccountRole.READONLY }));
}

/**
 * The accounts of a trade besides the two margin accounts, and `sheets`, the place of each leg's underlying among them. With
 * `writableBank` a premium may be paid from or into a loan.
 */
export function tradeAccounts(
  marginAccounts: readonly MarginAccount[],
  underlyings: readonly Address[],
  quoteBank: Address,
  writableBank: boolean,
): { accounts: AccountMeta[]; sheets: Uint8Array } {
  const places = [...new Set(underlyings)];
  const bankRole = writableBank ? AccountRole.WRITABLE : AccountRole.READONLY;
  const accounts = [
    ...places.map(address => ({ address, role: AccountRole.WRITABLE })),
    { address: quoteBank, role: bankRole },
    ...valuationAccounts(marginAccounts, [...places, quoteBank]),
  ];
  return { accounts, sheets: Uint8Array.from(underlyings, key => places.indexOf(key)) };
}

/** The instruction with more accounts behind its own. */
export function withAccounts<T extends Instruction>(instruction: T, accounts: readonly AccountMeta[]) {
  return { ...instruction, accounts: [...(instruction.accounts ?? []), ...accounts] };
}
