/** What a page, a bot or a script needs to talk to Margrave. */
export * from "./generated/index.js";
export * from "./accounts.js";
export * from "./amounts.js";
export * from "./engine/client.js";
export * from "./engine/engine.js";
export * from "./errors.js";
export * from "./events.js";
export * from "./lookup.js";
export * from "./pda.js";
export * from "./quotes.js";
