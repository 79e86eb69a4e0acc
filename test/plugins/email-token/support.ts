import PostalMime, { type Email } from "postal-mime";
import type { Plugin } from "sealpost/plugin";
import { directory } from "sealpost/plugins/directory";
import { emailToken } from "sealpost/plugins/email-token";
import { type TestInstance, type TestInstanceOptions, testInstance } from "../../fixtures/instance.ts";
import type { RequestOptions, TestResponse } from "../../fixtures/request.ts";

export const ANN = { username: "ann", email: "ann@example.org", phone: "+49 170 1234567", givenname: "Ann" };
export const PIN = "a pin of ann";
export const SERVER = { server: "mail.example.org", sender: "app@example.org" };
/** A code that is never correct. */
export const WRONG = "no code";

type Options = TestInstanceOptions & { readonly token?: Plugin };

export type Started = Awaited<ReturnType<typeof started>>;

/** An instance with a definition, ann in its directory, and helpers for tokens. */
export async function started({ plugins = [], ...options }: Options = {}) {
  const it = await startedWithout({ plugins: [directory(), ...plugins], ...options });
  await it.request("POST", "/user/", { json: ANN });
  return it;
}

/** The same instance without a directory. */
export async function startedWithout({ token = emailToken(), plugins = [], ...options }: Options = {}) {
  const instance = await testInstance({ plugins: [...plugins, token], ...options });
  await instance.request("POST", "/smtpserver/default", { json: SERVER });
  return { ...instance, ...tokensOf(instance), [Symbol.asyncDispose]: instance[Symbol.asyncDispose] };
}

function tokensOf(instance: TestInstance) {
  const post = (path: string, json: object, options: RequestOptions = {}) =>
    instance.request("POST", path, { json, ...options });
  return {
    post,
    /** @returns the serial. */
    async enroll(params: object = {}): Promise<string> {
      const response = await post("/token/init", {
        type: "email",
        user: "ann",
        dynamic_email: true,
        ...params,
      });
      if (response.status !== 200) throw new Error(response.text);
      return String(response.detail?.serial);
    },
    /** Checks as an anonymous client. */
    check: (json: object, options: RequestOptions = {}) =>
      post("/validate/check", json, { token: null, ...options }),
    trigger: (json: object = { user: "ann" }, options: RequestOptions = {}) =>
      post("/validate/triggerchallenge", json, options),
    async messages(): Promise<Email[]> {
      return Promise.all(instance.sent.map(({ bytes }) => PostalMime.parse(bytes)));
    },
    /** Returns the code in the newest message. */
    async code(): Promise<string> {
      const message = instance.sent.at(-1);
      if (!message) throw new Error("No message was sent");
      return codeIn(await PostalMime.parse(message.bytes));
    },
    async audited(filter: object = {}): Promise<Record<string, unknown>[]> {
      const query = new URLSearchParams({ ...filter, page_size: "100" });
      const { value } = await instance.request("GET", `/audit/?${query}`);
      return (value as { auditdata: Record<string, unknown>[] }).auditdata;
    },
  };
}

export function codeIn(message: Email): string {
  const [code] = /\b\d{6,8}\b/.exec(message.text ?? "") ?? [];
  if (code === undefined) throw new Error(`No code in ${message.text}`);
  return code;
}

export function transactionOf(response: TestResponse): string {
  return String(response.detail?.transaction_id);
}

/** What a client sees of a response, except texts and times. */
export function verdictOf({ status, value, body }: TestResponse) {
  return [status, value, body.result.authentication];
}
