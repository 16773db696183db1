// A node that serves the raw accounts of the client's fixtures: for states that the real network does not have on demand, and for
// screenshots. Nothing is executed here: transactions are refused. The story runs against a real validator (e2e/).
//
//   node test/fixture-rpc.mjs [PORT]
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { getBase58Decoder, getBase58Encoder } from "@solana/kit";

export const world = JSON.parse(readFileSync(resolve(import.meta.dirname, "../../client/fixtures/world.json"), "utf8"));
const CLOCK = "SysvarC1ock11111111111111111111111111111111";
const base58 = bytes => getBase58Decoder().decode(bytes);

/**
 * Accounts by address; `tick` replaces one and tells whoever listens. `age` is how many seconds the clock is past the story's end.
 * Transactions are what their logs say, latest first, by the account that they touch.
 */
export function fixtureNode({ accounts = storyAccounts(), age = 0, hasProgram = true, transactions = new Map() } = {}) {
  const sockets = new Set();
  const state = { accounts, age, slot: 1_000, hasProgram, isDown: false, transactions };

  const encoded = data => ({
    data: [Buffer.from(data).toString("base64"), "base64"],
    executable: false,
    lamports: 1_000_000_000,
    owner: world.program,
    rentEpoch: 0,
    space: data.length,
  });
  const accountOf = key => {
    if (key === CLOCK) {
      const data = Buffer.alloc(40);
      data.writeBigUInt64LE(BigInt(state.slot), 0);
      data.writeBigInt64LE(BigInt(world.now + state.age), 32);
      return { ...encoded(data), owner: "Sysvar1111111111111111111111111111111111111" };
    }
    if (key === world.program) return state.hasProgram ? { ...encoded(Buffer.alloc(36)), executable: true } : null;
    const data = state.accounts.get(key);
    return data ? encoded(data) : null;
  };
  const matches = (data, filters = []) =>
    filters.every(({ memcmp }) => {
      if (!memcmp) return true;
      const wanted = Buffer.from(getBase58Encoder().encode(memcmp.bytes));
      return Buffer.from(data.subarray(memcmp.offset, memcmp.offset + wanted.length)).equals(wanted);
    });
  const withContext = value => ({ context: { slot: state.slot, apiVersion: "fixture" }, value });

  const methods = {
    getMultipleAccounts: ([keys]) => withContext(keys.map(accountOf)),
    getAccountInfo: ([key]) => withContext(accountOf(key)),
    getProgramAccounts: ([, config]) => {
      const found = [...state.accounts].filter(([, data]) => state.hasProgram && matches(data, config.filters));
      const { offset, length } = config.dataSlice ?? { offset: 0, length: Infinity };
      const value = found.map(([pubkey, data]) => ({ pubkey, account: encoded(data.subarray(offset, offset + length)) }));
      return config.withContext ? withContext(value) : value;
    },
    getLatestBlockhash: () =>
      withContext({ blockhash: base58(createHash("sha256").update(String(state.slot)).digest()), lastValidBlockHeight: 2_000 }),
    getTokenAccountsByOwner: () => withContext([]),
    getSignaturesForAddress: ([key]) =>
      (state.transactions.get(key) ?? []).map(({ log, ...rest }) => ({ ...rest, err: null, memo: null })),
    getTransaction: ([wanted]) => {
      const found = [...state.transactions.values()].flat().find(({ signature }) => signature === wanted);
      const meta = found && { err: null, logMessages: found.log, innerInstructions: [] };
      return found ? { slot: found.slot, blockTime: found.blockTime, meta } : null;
    },
    getSignatureStatuses: ([keys]) => withContext(keys.map(() => null)),
    getBlockHeight: () => state.slot,
    getSlot: () => state.slot,
    simulateTransaction: () => withContext({ err: "AccountNotFound", logs: [], unitsConsumed: 0 }),
  };

  const answer = ({ id, method, params = [] }) => {
    const known = methods[method];
    if (!known) return { jsonrpc: "2.0", id, error: { code: -32601, message: `The fixture node has no ${method}` } };
    return { jsonrpc: "2.0", id, result: known(params) };
  };

  const server = createServer((request, response) => {
    if (state.isDown) return void request.socket.destroy();
    response.setHeader("access-control-allow-origin", "*");
    response.setHeader("access-control-allow-headers", "*");
    if (request.method === "OPTIONS") return void response.end();
    const chunks = [];
    request.on("data", chunk => chunks.push(chunk));
    request.on("end", () => {
      response.setHeader("content-type", "application/json");
      if (request.method === "GET") return void response.writeHead(404).end("{}");
      const question = JSON.parse(Buffer.concat(chunks).toString());
      response.end(JSON.stringify(Array.isArray(question) ? question.map(answer) : answer(question)));
    });
  });

  // As much of a web socket as subscriptions need: the handshake, and short frames in both directions.
  server.on("upgrade", (request, socket) => {
    if (state.isDown) return void socket.destroy();
    const accept = createHash("sha1")
      .update(`${request.headers["sec-websocket-key"]}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`)
      .digest("base64");
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
    );
    const listener = { socket, programs: new Map(), last: 0 };
    sockets.add(listener);
    socket.on("close", () => sockets.delete(listener));
    socket.on("error", () => sockets.delete(listener));
    socket.on("data", bytes => {
      for (const text of frames(bytes)) {
        const { id, method, params } = JSON.parse(text);
        listener.last += 1;
        if (method === "programSubscribe") listener.programs.set(listener.last, params[1].filters);
        if (id !== undefined) send(socket, { jsonrpc: "2.0", id, result: method.endsWith("Unsubscribe") ? true : listener.last });
      }
    });
  });

  return {
    state,
    server,
    listen: port => new Promise(resolve => server.listen(port, "127.0.0.1", () => resolve(server.address().port))),
    close: () =>
      new Promise(
        resolve => (sockets.forEach(({ socket }) => socket.destroy()), server.close(resolve), server.closeAllConnections()),
      ),
    tick(key, data) {
      state.slot += 1;
      state.accounts.set(key, data);
      const value = { pubkey: key, account: encoded(data) };
      // Like a real node it says nothing of an account that is closed: what is left matches no filter.
      for (const { socket, programs } of sockets) {
        for (const [subscription, filters] of programs) {
          if (!matches(data, filters)) continue;
          send(socket, {
            jsonrpc: "2.0",
            method: "programNotification",
            params: { subscription, result: withContext(value) },
          });
        }
      }
    },
  };
}

/** The accounts of the story, by address. */
export function storyAccounts() {
  return new Map(Object.values(world.accounts).map(({ address, data }) => [address, Buffer.from(data, "hex")]));
}

/** Text frames of a client, which are masked. */
function* frames(bytes) {
  for (let at = 0; at + 6 <= bytes.length;) {
    const opcode = bytes[at] & 0x0f;
    let length = bytes[at + 1] & 0x7f;
    at += 2;
    if (length === 126) ((length = bytes.readUInt16BE(at)), (at += 2));
    const mask = bytes.subarray(at, at + 4);
    const payload = bytes.subarray(at + 4, at + 4 + length).map((byte, index) => byte ^ mask[index % 4]);
    at += 4 + length;
    if (opcode === 1) yield Buffer.from(payload).toString();
  }
}

function send(socket, message) {
  const payload = Buffer.from(JSON.stringify(message));
  const header = Buffer.alloc(payload.length < 126 ? 2 : payload.length < 65_536 ? 4 : 10);
  header[0] = 0x81;
  if (header.length === 2) header[1] = payload.length;
  else if (header.length === 4) ((header[1] = 126), header.writeUInt16BE(payload.length, 2));
  else ((header[1] = 127), header.writeBigUInt64BE(BigInt(payload.length), 2));
  socket.write(Buffer.concat([header, payload]));
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const port = await fixtureNode().listen(Number(process.argv[2] ?? 8999));
  console.log(
    `http://127.0.0.1:${port}, ws the same; group ${world.accounts.group.address}, account ${world.accounts.alice.address}`,
  );
}
