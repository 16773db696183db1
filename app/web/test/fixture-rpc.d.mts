import type { Server } from "node:http";

export declare const world: { now: number; program: string; accounts: Record<string, { address: string; data: string }> };
export declare function storyAccounts(): Map<string, Uint8Array>;
/** A transaction that a node remembers. */
export type Logged = { signature: string; slot: number; blockTime: number; log: string[] };
type State = {
  accounts: Map<string, Uint8Array>;
  age: number;
  hasProgram: boolean;
  transactions: Map<string, Logged[]>;
};
export declare function fixtureNode(options?: Partial<State>): {
  state: State & { slot: number; isDown: boolean };
  server: Server;
  listen: (port: number) => Promise<number>;
  close: () => Promise<void>;
  tick: (key: string, data: Uint8Array) => void;
};
