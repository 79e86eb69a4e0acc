import PostalMime, { type Email } from "postal-mime";
import { directory } from "sealpost/plugins/directory";
import { registration } from "sealpost/plugins/registration";
import { type TestInstance, type TestInstanceOptions, testInstance } from "../../fixtures/instance.ts";
import type { RequestOptions, TestResponse } from "../../fixtures/request.ts";

export const ANN = {
  username: "ann",
  surname: "Lee",
  givenname: "Ann",
  email: "ann@example.org",
  password: "a long enough one",
} as const;

/** An instance in which users may register. */
export async function started(
  options: Parameters<typeof registration>[0] = {},
  instanceOptions: TestInstanceOptions = {},
): Promise<TestInstance> {
  const plugins = [directory(), registration({ enabled: true, ...options })];
  const instance = await testInstance({ plugins, ...instanceOptions });
  await saveDefinition(instance);
  return instance;
}

export async function saveDefinition({ request }: TestInstance, more: object = {}): Promise<void> {
  const json = { server: "mail.example.org", sender: "app@example.org", ...more };
  await request("POST", "/smtpserver/default", { json });
}

export interface Registered {
  readonly response: TestResponse;
  readonly id: string;
}

/** Registers as an anonymous client. */
export async function register(
  { request }: TestInstance,
  given: Readonly<Record<string, unknown>> = ANN,
  options: RequestOptions = {},
): Promise<Registered> {
  const response = await request("POST", "/register", { json: given, token: null, ...options });
  return { response, id: String(response.detail?.transaction_id) };
}

export function confirm({ request }: TestInstance, id: string, code: string, options: RequestOptions = {}) {
  return request("POST", "/register/confirm", {
    json: { transaction_id: id, code },
    token: null,
    ...options,
  });
}

/** Delivers queued messages. @returns all messages so far, parsed. */
export async function delivered({
  services,
  sent,
}: TestInstance): Promise<(Email & { recipient: string })[]> {
  const signal = new AbortController().signal;
  await services.drain({ signal, endsMs: performance.now() + 10_000, messageTimeoutMs: 1_000 });
  return Promise.all(
    sent.map(async ({ bytes, recipient }) => ({ ...(await PostalMime.parse(bytes)), recipient })),
  );
}

/** Returns the code in the newest message. */
export async function lastCode(instance: TestInstance): Promise<string> {
  return codeIn((await delivered(instance)).at(-1)?.text);
}

export function codeIn(text: string | undefined): string {
  return /[A-Z2-9]{5}-[A-Z2-9]{5}/.exec(text ?? "")?.[0] ?? "";
}

export async function usersOf({ database }: TestInstance): Promise<string[]> {
  const rows = await database.read.all<{ username: string }>(
    "SELECT username FROM directory_user ORDER BY username",
  );
  return rows.map(({ username }) => username);
}
