import type { Server } from "node:http";

export declare const world: { now: number; program: string; accounts: Record<string, { address: string; data: string }> };
export declare function storyAccounts(): Map<string, Uint8Array>;
export declare function fixtureNode(options?: { accounts?: Map<string, Uint8Array>; age?: number; hasProgram?: boolean }): {
  state: { accounts: Map<string, Uint8Array>; age: number; slot: number; hasProgram: boolean; isDown: boolean };
  server: Server;
  listen: (port: number) => Promise<number>;
  close: () => Promise<void>;
  tick: (key: string, data: Uint8Array) => void;
};
