import { describe, expect, test } from "bun:test";
import { emailToken } from "sealpost/plugins/email-token";
import { smsGateway } from "sealpost/plugins/sms-gateway";
import { type TestInstance, testInstance } from "../fixtures/instance.ts";

const SAVES = 12;
const indices = Array.from({ length: SAVES }, (_, index) => index);

/** What many admins save at once, and how to read which of them was last. */
const SAVED: Readonly<
  Record<string, { readonly path: string; save(index: number): object; readonly read: string }>
> = {
  "a definition": {
    path: "/smtpserver/main",
    save: (index) => ({ server: `mx${index}.example.org`, username: `u${index}`, password: `p${index}` }),
    read: "/smtpserver/main",
  },
  "a policy": {
    path: "/policy/main",
    save: (index) => ({ scope: "admin", action: "*", description: `p${index}` }),
    read: "/policy/main",
  },
  "a setting": {
    path: "/system/setConfig",
    save: (index) => ({ "email.subject": `p${index} {otp}` }),
    read: "/system/email.subject",
  },
  "an SMS gateway": {
    path: "/smsgateway/",
    save: (index) => ({ name: "main", description: `p${index}`, "option.MAILTO": "{phone}@sms.example.org" }),
    read: "/smsgateway/main",
  },
};

const statusesOf = (responses: readonly { readonly status: number }[]) => [
  ...new Set(responses.map(({ status }) => status)),
];
const instanceOf = (): Promise<TestInstance> => testInstance({ plugins: [smsGateway(), emailToken()] });

describe("many saves at once without If-Match all succeed, and one of them stays whole:", () => {
  test.each(Object.entries(SAVED))("%s", async (_, { path, save, read }) => {
    await using instance = await instanceOf();
    const responses = await Promise.all(
      indices.map((index) => instance.request("POST", path, { json: save(index) })),
    );
    expect(statusesOf(responses)).toEqual([200]);
    const { text } = await instance.request("GET", read);
    const [, last] = /\bp(\d+)/.exec(text) ?? [];
    const { server } = Object.assign({ server: "" }, save(Number(last)));
    expect(text).toContain(String(server));
  });

  test.each(
    Object.entries(SAVED).filter(([, { path }]) => path.startsWith("/smtp") || path.startsWith("/policy")),
  )("%s, next to deletions", async (_, { path, save }) => {
    await using instance = await instanceOf();
    const all = indices.map((index) =>
      index % 4 === 3
        ? instance.request("DELETE", path)
        : instance.request("POST", path, { json: save(index) }),
    );
    const statuses = statusesOf(await Promise.all(all));
    expect(statuses.filter((status) => status !== 200 && status !== 404)).toEqual([]);
  });

  test("a definition with If-Match: one save succeeds, the others are 412", async () => {
    await using instance = await instanceOf();
    await instance.request("POST", "/smtpserver/main", { json: { server: "mail.example.org" } });
    const etag = (await instance.request("GET", "/smtpserver/main")).headers.get("etag") ?? "";
    const responses = await Promise.all(
      indices.map((index) =>
        instance.request("POST", "/smtpserver/main", {
          json: { server: `mx${index}.example.org` },
          headers: { "if-match": etag },
        }),
      ),
    );
    const succeeded = responses.filter(({ status }) => status === 200);
    expect(succeeded).toHaveLength(1);
    expect(statusesOf(responses).toSorted()).toEqual([200, 412]);
  });
});
