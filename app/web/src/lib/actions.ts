/** Instructions for what a page's buttons do. */
import { AccountRole, fetchEncodedAccount, type Address, type Instruction, type TransactionSigner } from "@solana/kit";
import { findAssociatedTokenPda, getCreateAssociatedTokenIdempotentInstruction } from "@solana-program/token";
import {
  findMarginAccountPda,
  findOutflowLimitPda,
  getDepositInstruction,
  getOpenMarginAccountInstructionAsync,
  getRefreshPriceInstruction,
  getSettlePnlInstruction,
  getWithdrawInstruction,
  Mode,
  getSetModeInstruction,
  valuationAccounts,
  withAccounts,
  type Bank,
  type MarginAccount,
} from "@margrave/client";
import { address } from "@solana/kit";
import type { Connection, Stored, World } from "./market";

/** The program that owns a mint: SPL Token or Token-2022. */
export async function tokenProgramOf({ rpc }: Connection, mint: Address): Promise<Address> {
  const account = await fetchEncodedAccount(rpc, mint);
  if (!account.exists) throw new Error(`The mint ${mint} does not exist`);
  return account.programAddress;
}

/** What a wallet holds of each bank's token, atoms. */
export async function walletBalances(
  { rpc }: Connection,
  owner: Address,
  banks: readonly Stored<Bank>[],
): Promise<Map<Address, bigint>> {
  const programs = await Promise.all(banks.map(bank => tokenProgramOf({ rpc } as Connection, bank.data.mint)));
  const found = await Promise.all(
    [...new Set(programs)].map(programId =>
      rpc.getTokenAccountsByOwner(owner, { programId }, { encoding: "jsonParsed", commitment: "confirmed" }).send(),
    ),
  );
  const held = new Map<Address, bigint>();
  for (const { account } of found.flatMap(({ value }) => value)) {
    const { mint, tokenAmount } = account.data.parsed.info;
    held.set(mint, (held.get(mint) ?? 0n) + BigInt(tokenAmount.amount));
  }
  return held;
}

export async function openInstruction(
  world: World,
  owner: TransactionSigner,
  number: number,
): Promise<{ account: Address; instruction: Instruction }> {
  const [account] = await findMarginAccountPda({ group: world.group.address, owner: owner.address, number });
  const instruction = await getOpenMarginAccountInstructionAsync({ payer: owner, owner, group: world.group.address, number });
  return { account, instruction };
}

type Movement = {
  world: World;
  connection: Connection;
  owner: TransactionSigner;
  account: Address;
  bank: Stored<Bank>;
  amount: bigint;
};

async function common({ world, connection, owner, account, bank }: Movement) {
  const tokenProgram = await tokenProgramOf(connection, bank.data.mint);
  const [own] = await findAssociatedTokenPda({ owner: owner.address, mint: bank.data.mint, tokenProgram });
  const [outflowLimit] = await findOutflowLimitPda({ group: world.group.address });
  const { vault, mint } = bank.data;
  return {
    own,
    shared: {
      owner,
      marginAccount: account,
      group: world.group.address,
      bank: bank.address,
      outflowLimit,
      vault,
      mint,
      tokenProgram,
    },
  };
}

/** From the wallet's own token account. */
export async function depositInstructions(movement: Movement): Promise<Instruction[]> {
  const { own, shared } = await common(movement);
  return [getDepositInstruction({ ...shared, source: own, amount: movement.amount })];
}

/** To the wallet's own token account, which is made when there is none. */
export async function withdrawInstructions(
  movement: Movement & { borrow: boolean; margin: MarginAccount },
): Promise<Instruction[]> {
  const { own, shared } = await common(movement);
  const { owner, bank, amount, borrow, margin } = movement;
  const { mint, tokenProgram } = shared;
  const make = getCreateAssociatedTokenIdempotentInstruction({
    payer: owner,
    owner: owner.address,
    mint,
    ata: own,
    tokenProgram,
  });
  const withdraw = getWithdrawInstruction({ ...shared, destination: own, amount, borrow });
  const named = [bank.address];
  const others = valuationAccounts([margin], named);
  const priced = bank.data.underlying;
  const isQuote = bank.address === movement.world.group.data.quoteBank;
  if (!isQuote && !others.some(meta => meta.address === priced)) others.push({ address: priced, role: AccountRole.READONLY });
  return [make, withAccounts(withdraw, others)];
}

/** Draws profit from the pool of an underlying, or pays a loss into it. */
export function settleInstruction(
  world: World,
  account: Stored<MarginAccount>,
  underlying: Address,
  owner: TransactionSigner,
  borrow: boolean,
): Instruction {
  const quoteBank = world.group.data.quoteBank;
  const settle = getSettlePnlInstruction({
    group: world.group.address,
    marginAccount: account.address,
    underlying,
    quoteBank,
    ...(borrow ? { owner } : {}),
    borrow,
  });
  return borrow ? withAccounts(settle, valuationAccounts([account.data], [underlying, quoteBank])) : settle;
}

export function modeInstruction(world: World, account: Stored<MarginAccount>, owner: TransactionSigner, mode: Mode): Instruction {
  const set = getSetModeInstruction({ owner, group: world.group.address, marginAccount: account.address, mode });
  return withAccounts(set, valuationAccounts([account.data]));
}

/** Refreshes of prices that are more than half as old as they may be, where the price account is known. */
export function refreshInstructions(world: World, underlyings: readonly Address[], now: bigint): Instruction[] {
  return underlyings.flatMap(key => {
    const sheet = world.underlyings.find(each => each.address === key);
    const named = world.info?.underlyings.find(each => each.address === key)?.priceAccount;
    if (!sheet || !named) return [];
    const age = now - sheet.data.oracle.publishTime;
    if (2n * age < BigInt(sheet.data.oracle.terms.maxAgeSecs)) return [];
    return [getRefreshPriceInstruction({ group: world.group.address, underlying: key, priceAccount: address(named) })];
  });
}
