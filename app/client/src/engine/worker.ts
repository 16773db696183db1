/**
 * The entry of a web worker: `new Worker(new URL("@margrave/client/worker", import.meta.url), { type: "module" })`.
 */
import { serveEngine } from "./client.js";

serveEngine(self as unknown as Parameters<typeof serveEngine>[0]);
