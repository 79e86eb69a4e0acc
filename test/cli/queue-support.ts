import { join } from "node:path";
import * as v from "valibot";
import { parseConfig } from "../../src/config.ts";
import { definitionParams, toServerInput } from "../../src/http/smtpserver-schema.ts";
import { openInstance } from "../../src/runtime/local/instance.ts";
import { internalsOf } from "../../src/sealpost.ts";
import type { Services } from "../../src/services.ts";
import type { Misbehavior } from "../../src/testing/smtp/index.ts";
import type { Folder } from "../fixtures/process/folder.ts";

const ACTOR = { action: "test", administrator: "", realm: "", client: "", policies: "", requestId: "" };
const UNCONDITIONAL = { ifMatch: null, createOnly: false };

/** The instance of a folder, in this process and without a worker, so that queued messages stay queued. */
export interface Desk extends AsyncDisposable {
  readonly services: Services;
  /** Saves a definition for this port of 127.0.0.1. */
  save(identifier: string, port: number, more?: object): Promise<void>;
  /** Queues a message. @returns its ID. */
  queue(recipient: string, options?: Parameters<Services["submit"]>[2]): Promise<string>;
  stateOf(id: string): Promise<string | undefined>;
  /** Sends due messages. */
  drain(): Promise<void>;
}

export async function openDesk({ path }: Folder): Promise<Desk> {
  const url = `file:${join(path, "data", "sealpost.db")}`;
  const sealpost = await openInstance(parseConfig({ SEALPOST_DATABASE_URL: url }), []);
  const { services } = internalsOf(sealpost);
  return {
    services,
    async save(identifier, port, more = {}) {
      const params = { server: "127.0.0.1", port, sender: "me@example.org", enqueue_job: true, ...more };
      const input = toServerInput(v.parse(definitionParams, params));
      await services.saveServer(identifier, input, UNCONDITIONAL, ACTOR);
    },
    async queue(recipient, options = {}) {
      const message = { to: [{ name: "", address: recipient }], subject: "Hello", text: "Hi" };
      const result = await services.submit("office", message, options);
      if (result.state !== "queued") throw new Error(`The mail is ${result.state}`);
      return result.mailId;
    },
    stateOf: async (id) => (await services.mailQueue.get(id))?.mail.state,
    drain: () =>
      services.drain({
        signal: new AbortController().signal,
        endsMs: performance.now() + 20_000,
        messageTimeoutMs: 1_000,
      }),
    [Symbol.asyncDispose]: () => sealpost[Symbol.asyncDispose](),
  };
}

/** Accepts every message, and resolves when this many have arrived. */
export function counting(expected: number): { readonly body: Misbehavior; readonly all: Promise<void> } {
  const { promise, resolve } = Promise.withResolvers<void>();
  let count = 0;
  const body: Misbehavior = (_peer, reply) => {
    reply();
    count++;
    if (count >= expected) resolve();
  };
  return { body, all: promise };
}
