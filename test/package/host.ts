import { expect } from "bun:test";
import { startSmtpServer } from "../../src/testing/smtp/index.ts";
import { type Api, logIn, request } from "../fixtures/process/api.ts";

export const PASSWORD = "of the first admin";
const NOT_LOGGED_IN = 4033;
const NO_SUCH_PATH = 404;
const AT_ONCE = 50;

/** Uses the host app of the docs over HTTP. @param url its address. @returns the session of its admin. */
export async function useHost(url: string): Promise<Api> {
  const mounted = new URL("/mail", url).href;
  await using smtp = await startSmtpServer();
  const api = await logIn(mounted, "admin", PASSWORD);
  await expectPrefix(mounted);

  const definition = { server: "127.0.0.1", port: smtp.port, sender: "app@example.org" };
  expect((await api.save("main", definition)).body.result.value).toBe(true);
  const lists = await Promise.all(Array.from({ length: AT_ONCE }, () => api.list()));
  expect(lists.map((list) => Object.keys(list).join())).toEqual(Array(AT_ONCE).fill("main"));
  const tested = await api.test({ identifier: "main", ...definition, recipient: "bob@example.net" });
  expect(tested.body.result.value).toBe(true);
  const welcomed = await fetch(new URL("/welcome", url), { method: "POST" });
  expect([welcomed.status, await welcomed.json()]).toEqual([200, { state: "delivered" }]);

  expect(smtp.messages.map(({ recipients }) => recipients[0])).toEqual([
    "bob@example.net",
    "ann@example.net",
  ]);
  expect(new TextDecoder().decode(smtp.messages[1]?.bytes)).toContain("\r\nSubject: Welcome\r\n");

  // Only the host's own worker or invocation sends it.
  await api.save("main", { ...definition, enqueue_job: true });
  const queued = await fetch(new URL("/welcome", url), { method: "POST" });
  expect([queued.status, await queued.json()]).toEqual([200, { state: "queued" }]);
  await untilSent(api);
  expect(smtp.messages).toHaveLength(3);
  return api;
}

/** Polls until every queued message is sent, within the time limit of the test. */
async function untilSent(api: Api): Promise<void> {
  type Page = { readonly mails: readonly { readonly state: string }[] };
  for (;;) {
    const { body } = await api.call<Page>("GET", "/mail/");
    if (body.result.value?.mails.every(({ state }) => state === "sent")) return;
  }
}

async function expectPrefix(mounted: string): Promise<void> {
  const document = (await (await fetch(`${mounted}/openapi.json`)).json()) as Record<string, object>;
  expect(document.servers).toEqual([{ url: "/mail" }]);
  expect(Object.keys(document.paths ?? {})).toContain("/smtpserver/{identifier}");

  const stranger = await request(`${mounted}/smtpserver/`);
  expect([stranger.status, stranger.body.result.error?.code]).toEqual([401, NOT_LOGGED_IN]);
  const lost = await request(`${mounted}/nowhere`);
  expect([lost.status, lost.body.result.error?.code]).toEqual([404, NO_SUCH_PATH]);
  const wrong = await fetch(`${mounted}/smtpserver/send_test_email`, { method: "PUT" });
  expect([wrong.status, wrong.headers.get("allow")]).toEqual([405, "POST"]);
}
