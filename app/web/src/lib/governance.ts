import type { Instruction } from "@solana/kit";
import { getExecuteChangeInstruction, NO_ADDRESS, type Proposal } from "@margrave/client";
import { bankOf, type Stored, type World } from "./market";

/** Executes a queued change whose time has come. Signed by nobody in particular. */
export function executeInstruction(world: World, { address, data }: Stored<Proposal>): Instruction {
  const { change } = data;
  const bank = change.__kind === "Bank" ? change.bank : undefined;
  const ofBank = bank && bankOf(world, bank)?.data.underlying;
  const named = change.__kind === "Underlying" || change.__kind === "Resume" ? change.underlying : ofBank;
  const underlying = named === NO_ADDRESS ? undefined : named;
  return getExecuteChangeInstruction({ group: data.group, proposal: address, proposer: data.proposer, bank, underlying });
}
