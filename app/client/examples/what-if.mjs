// What would this trade do to that margin account? Answered here, by the program's own code, without a transaction.
//
//   node examples/what-if.mjs MARGIN_ACCOUNT QUANTITY [RPC_URL]      the perp of the account's first underlying, in whole units
//   node examples/what-if.mjs --story                                 the same on the accounts of the tests
//
// Built first: npm run build
import { readFileSync } from "node:fs";
import { address, createSolanaRpc, fetchEncodedAccounts, fetchEncodedAccount } from "@solana/kit";
import {
  DOLLAR_DECIMALS,
  Engine,
  formatAmount,
  getMarginAccountDecoder,
  getUnderlyingDecoder,
  InstrumentKind,
  parseAmount,
  symbolText,
  valuationAccounts,
} from "@margrave/client";

const [first, quantityText = "-1", url = "http://127.0.0.1:8899"] = process.argv.slice(2);
if (!first) throw new Error("node examples/what-if.mjs MARGIN_ACCOUNT QUANTITY [RPC_URL]");
const { key, accounts, now } = first === "--story" ? fromStory() : await fromChain(address(first), createSolanaRpc(url));

const engine = await Engine.load(readFileSync(new URL("../wasm/margrave.wasm", import.meta.url)));
for (const { address, data } of accounts) engine.put(address, data);
const margin = getMarginAccountDecoder().decode(accounts.find(account => account.address === key).data);
const underlying = margin.risk[0].underlying;
const sheet = getUnderlyingDecoder().decode(accounts.find(account => account.address === underlying).data);
const leg = {
  underlying: sheet.index,
  instrument: { kind: InstrumentKind.Perp, expiry: 0, strike: 0, series: 0 },
  quantity: parseAmount(quantityText, sheet.decimals),
  price: sheet.oracle.price,
};
const { before, after } = engine.preview(key, { legs: [{ underlying, leg }] }, now);
const dollars = micros => formatAmount(micros, DOLLAR_DECIMALS, { digits: 2 }).padStart(14);
console.log(`${quantityText} ${symbolText(sheet.symbol)} perp at the index, dollars:`);
for (const name of ["equity", "initialMargin", "maintenanceMargin"]) {
  console.log(`${name.padEnd(18)} ${dollars(before[name])} -> ${dollars(after[name])}`);
}
console.log(
  `worst cell ${before.worstCell} -> ${after.worstCell}; ${after.equity >= after.initialMargin ? "would pass" : "would be refused"}`,
);

/** The account, its group, and the banks and underlyings it refers to. */
async function fromChain(key, rpc) {
  const margin = await fetchEncodedAccount(rpc, key);
  if (!margin.exists) throw new Error(`${key} does not exist`);
  const decoded = getMarginAccountDecoder().decode(margin.data);
  const others = [decoded.group, ...valuationAccounts([decoded]).map(meta => meta.address)];
  const fetched = await fetchEncodedAccounts(rpc, others);
  return { key, accounts: [margin, ...fetched.filter(account => account.exists)], now: BigInt(Math.floor(Date.now() / 1000)) };
}

function fromStory() {
  const world = JSON.parse(readFileSync(new URL("../fixtures/world.json", import.meta.url), "utf8"));
  const names = ["group", "usdcBank", "solBank", "underlying", "alice"];
  const accounts = names.map(name => ({
    address: world.accounts[name].address,
    data: Buffer.from(world.accounts[name].data, "hex"),
  }));
  return { key: world.accounts.alice.address, accounts, now: BigInt(world.now) };
}
