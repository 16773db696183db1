import { builtinEnvironments, type Environment } from "vitest/runtime";

/** Happy-dom with Node's own network: its signals are not those that Node's libraries accept. */
const NODES = ["fetch", "Request", "Response", "Headers", "AbortController", "AbortSignal", "Blob"] as const;

export default {
  name: "happy-dom-with-network",
  viteEnvironment: "client",
  async setup(global, options) {
    const kept = NODES.map(name => [name, global[name] as unknown] as const);
    const environment = await builtinEnvironments["happy-dom"].setup(global, options);
    for (const [name, value] of kept) Object.defineProperty(global, name, { value, configurable: true, writable: true });
    return environment;
  },
} satisfies Environment;
