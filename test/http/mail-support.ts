import { createMemoryTransport } from "../../src/transport/memory.ts";
import { type TestInstance, testInstance } from "../fixtures/instance.ts";
import type { TestResponse } from "../fixtures/request.ts";

export const SUBJECT = "A subject no one may see";
export const CODE = "code 4711-0815";
export const PASSWORD = "hunter2";
/** An ID that no message has. */
export const NOBODY = "00000000-0000-4000-8000-000000000000";
/** The reply of a server that is busy. */
export const BUSY = { code: 451, enhanced: "4.3.0", text: "Busy, come back" };

interface Mail {
  readonly id: string;
  readonly state: string;
  readonly identifier: string;
  readonly recipients: readonly { readonly address: string; readonly state: string }[];
}
interface Page {
  readonly mails: readonly Mail[];
  readonly count: number;
  readonly current: number;
  readonly prev: number | null;
  readonly next: number | null;
}

/** Saves a definition that queues. */
export const save = (instance: TestInstance, identifier = "office", json: object = {}) =>
  instance.request("POST", `/smtpserver/${identifier}`, {
    json: {
      server: "mail.example.org",
      sender: "me@example.org",
      username: "u",
      password: PASSWORD,
      enqueue_job: true,
      ...json,
    },
  });

/** Queues a message. @returns its ID. */
export async function queue(
  { services }: TestInstance,
  to: readonly string[] = ["user@example.net"],
  server: string | readonly string[] = "office",
  options: Parameters<TestInstance["services"]["submit"]>[2] = {},
): Promise<string> {
  const message = { to: to.map((address) => ({ name: "", address })), subject: SUBJECT, text: CODE };
  const result = await services.submit(server, message, { queue: true, ...options });
  if (result.state !== "queued") throw new Error(`The mail is ${result.state}`);
  return result.mailId;
}

/** Sends due messages. */
export const drain = ({ services }: TestInstance) =>
  services.drain({
    signal: new AbortController().signal,
    endsMs: performance.now() + 10_000,
    messageTimeoutMs: 100,
  });

/** `GET /mail/`. */
export async function page(instance: TestInstance, query: Record<string, string> = {}): Promise<Page> {
  const { status, value, text } = await instance.request("GET", "/mail/", { query });
  if (status !== 200) throw new Error(text);
  return value as Page;
}
/** Status, and the value or the number of the error. */
export const outcome = ({ status, value, error }: TestResponse) =>
  error ? [status, error.code] : [status, value];
/** Audit rows of requests about queued mail, newest first. */
export const mailRows = async (instance: TestInstance) => {
  const { value } = await instance.request("GET", "/audit/", { query: { action: "*/mail/*" } });
  return (value as { readonly auditdata: readonly Record<string, unknown>[] }).auditdata;
};

/** An instance with the definition `office`, whose mail servers fail as the test sets. */
export async function failing() {
  const transport = createMemoryTransport();
  const instance = await testInstance({ transport });
  await save(instance);
  return { instance, transport, [Symbol.asyncDispose]: () => instance[Symbol.asyncDispose]() };
}
