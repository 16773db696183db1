/**
 * Addresses that the generated `find...Pda` functions lack: those of groups, proposals, what signs for venues, the program's own data.
 */
import {
  address,
  getAddressEncoder,
  getProgramDerivedAddress,
  getU16Encoder,
  getU64Encoder,
  type Address,
  type ProgramDerivedAddress,
} from "@solana/kit";
import { MARGRAVE_PROGRAM_ADDRESS } from "./generated/programs/index.js";

/** All zeros: nobody, nothing, or anybody, as the field says. */
export const NO_ADDRESS = address("11111111111111111111111111111111");
/** Where loaders keep upgrade authorities. */
const UPGRADEABLE_LOADER = address("BPFLoaderUpgradeab1e11111111111111111111111");

/** A group by its id. */
export function findGroupPda(id: number): Promise<ProgramDerivedAddress> {
  return find(["group", getU16Encoder().encode(id)]);
}

/** A queued change by its number. */
export function findProposalPda(group: Address, id: bigint): Promise<ProgramDerivedAddress> {
  return find(["proposal", getAddressEncoder().encode(group), getU64Encoder().encode(id)]);
}

/** What a venue's program signs fills with: an address of that program. */
export function findVenueAuthorityPda(venue: Address, program: Address): Promise<ProgramDerivedAddress> {
  const seeds = ["margrave-venue", getAddressEncoder().encode(venue)];
  return getProgramDerivedAddress({ programAddress: program, seeds });
}

/** Where the loader keeps the program's upgrade authority. */
export function findProgramDataPda(): Promise<ProgramDerivedAddress> {
  const seeds = [getAddressEncoder().encode(MARGRAVE_PROGRAM_ADDRESS)];
  return getProgramDerivedAddress({ programAddress: UPGRADEABLE_LOADER, seeds });
}

/** A symbol as the program stores it: up to 16 bytes of ASCII, padded with zeros; longer text is cut. */
export function symbolBytes(text: string): Uint8Array {
  const bytes = new Uint8Array(16);
  bytes.set(new TextEncoder().encode(text).subarray(0, 16));
  return bytes;
}

/** The text of a stored symbol. */
export function symbolText(bytes: ArrayLike<number>): string {
  const text = new TextDecoder().decode(Uint8Array.from(bytes));
  return text.replace(/\0+$/, "");
}

function find(seeds: Parameters<typeof getProgramDerivedAddress>[0]["seeds"]): Promise<ProgramDerivedAddress> {
  return getProgramDerivedAddress({ programAddress: MARGRAVE_PROGRAM_ADDRESS, seeds });
}
