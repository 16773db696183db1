/** What happy-dom lacks: a worker. It is the real engine behind a message channel. */
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { MessageChannel } from "node:worker_threads";
import { serveEngine, type Port } from "@margrave/client";
import { afterEach } from "vitest";
import { cleanup, configure } from "@testing-library/react";

const wasm = readFileSync(resolve(import.meta.dirname, "../../client/wasm/margrave.wasm"));
const bytes = () => wasm.buffer.slice(wasm.byteOffset, wasm.byteOffset + wasm.byteLength);

class EngineWorker {
  readonly #channel = new MessageChannel();
  constructor() {
    serveEngine(this.#channel.port1 as unknown as Port);
  }
  postMessage(message: { method: string; input: unknown[] }): void {
    // A page fetches the module by address.
    this.#channel.port2.postMessage(message.method === "load" ? { ...message, input: [bytes()] } : message);
  }
  addEventListener(_: string, listener: (event: { data: unknown }) => void): void {
    this.#channel.port2.on("message", (data: unknown) => listener({ data }));
  }
}

Object.assign(globalThis, { Worker: EngineWorker });
HTMLDialogElement.prototype.showModal ??= function (this: HTMLDialogElement) {
  this.open = true;
};

// A busy machine is no failure.
configure({ asyncUtilTimeout: 15_000 });

afterEach(() => {
  cleanup();
  localStorage.clear();
  location.hash = "";
});
