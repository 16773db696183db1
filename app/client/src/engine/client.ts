/**
 * The engine behind a port, so that a page asks it without waiting for it: a worker at the other end, or any message port.
 */
import { Engine, EngineRefusal } from "./engine.js";

const METHODS = ["put", "clear", "preview", "explain", "revalue", "takeover", "eval", "mark", "positions", "plan"] as const;
type Methods = (typeof METHODS)[number];

/** {@link Engine} with answers that come later, in the order of the questions. */
export type EngineClient = {
  [M in Methods]: (...input: Parameters<Engine[M]>) => Promise<ReturnType<Engine[M]>>;
};

/** The end of a worker or of a message channel. */
export type Port = {
  postMessage(message: unknown): void;
  addEventListener(type: "message", listener: (event: { data: unknown }) => void): void;
  start?(): void;
};

type Question = { id: number; method: Methods | "load"; input: unknown[] };
type Answer = { id: number } & ({ answer: unknown } | { number: number; sentence: string });

/** Answers questions that come through the port; the first one must be `load`. */
export function serveEngine(port: Port): void {
  let engine: Promise<Engine> | undefined;
  const answerTo = async ({ method, input }: Question): Promise<unknown> => {
    if (method === "load") {
      engine = Engine.load(input[0] instanceof ArrayBuffer ? input[0] : fetch(input[0] as string));
      return void (await engine);
    }
    if (!engine) throw new Error("The engine is not loaded");
    const loaded = (await engine) as unknown as Record<Methods, (...input: unknown[]) => unknown>;
    return loaded[method](...input);
  };
  port.addEventListener("message", ({ data }) => {
    const question = data as Question;
    const answered = (answer: unknown) => port.postMessage({ id: question.id, answer } satisfies Answer);
    const refused = (error: unknown) => {
      const number = error instanceof EngineRefusal ? error.number : 0;
      port.postMessage({ id: question.id, number, sentence: error instanceof Error ? error.message : String(error) });
    };
    answerTo(question).then(answered, refused);
  });
  port.start?.();
}

/** Loads the engine at the other end of the port, from an address of `margrave.wasm` or its bytes. */
export async function connectEngine(port: Port, wasm: string | ArrayBuffer): Promise<EngineClient> {
  const waiting = new Map<number, { resolve: (answer: never) => void; reject: (error: unknown) => void }>();
  let last = 0;
  port.addEventListener("message", ({ data }) => {
    const answer = data as Answer;
    const waiter = waiting.get(answer.id);
    waiting.delete(answer.id);
    if ("sentence" in answer) waiter?.reject(new EngineRefusal(answer.number, answer.sentence));
    else waiter?.resolve(answer.answer as never);
  });
  port.start?.();
  const ask =
    (method: Question["method"]) =>
    (...input: unknown[]) =>
      new Promise<never>((resolve, reject) => {
        last += 1;
        waiting.set(last, { resolve, reject });
        port.postMessage({ id: last, method, input } satisfies Question);
      });
  await ask("load")(wasm);
  return Object.fromEntries(METHODS.map(method => [method, ask(method)])) as unknown as EngineClient;
}
