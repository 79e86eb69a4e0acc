import { describe, expect, test } from "bun:test";
import { type TestInstance, testInstance } from "../fixtures/instance.ts";
import type { RequestOptions, TestResponse } from "../fixtures/request.ts";

const SERVER = { server: "mail.example.org" };
const SEALED = { username: "u", password: "p" };

const save = (instance: TestInstance, json: object, options: RequestOptions = {}) =>
  instance.request("POST", "/smtpserver/a", { json, ...options });
const shown = async (instance: TestInstance) => (await instance.request("GET", "/smtpserver/a")).value;
const outcome = ({ status, error }: TestResponse) => (error ? [status, error.code] : status);
const etag = ({ headers }: TestResponse) => headers.get("etag") ?? "";

describe("an ETag", () => {
  test("is strong, the same on GET and POST, and different after each change", async () => {
    await using instance = await testInstance();
    const made = await save(instance, SERVER);
    expect(etag(made)).toMatch(/^"[\w-]+-1"$/);
    expect(etag(await instance.request("GET", "/smtpserver/a"))).toBe(etag(made));
    const changed = await save(instance, SERVER);
    expect(etag(changed)).toBe(etag(made).replace(/1"$/, '2"'));
    await instance.request("DELETE", "/smtpserver/a");
    expect(etag(await save(instance, SERVER))).not.toBe(etag(made));
  });

  test.each<[name: string, header: (etag: string) => string, status: number]>([
    ["itself", (own) => own, 200],
    ["*", () => "*", 200],
    ["a list with it", (own) => `"x", ${own} ,"y"`, 200],
    ["a list with commas in a tag", (own) => `"a,b",${own}`, 200],
    ["a list with empty elements", (own) => `, ${own},,`, 200],
    ["another", () => '"x"', 412],
    ["its weak form", (own) => `W/${own}`, 412],
    ["a list without it", () => '"x", W/"y"', 412],
    ["a tag without quotes", (own) => own.replaceAll('"', ""), 400],
    ["something else", () => '"x" "y"', 400],
    ["nothing", () => "", 400],
  ])("in If-Match as %s", async (_, header, status) => {
    await using instance = await testInstance();
    for (const method of ["POST", "DELETE"]) {
      const own = etag(await save(instance, SERVER));
      const options = {
        headers: { "if-match": header(own) },
        ...(method === "POST" ? { json: SERVER } : {}),
      };
      const response = await instance.request(method, "/smtpserver/a", options);
      expect([method, response.status]).toEqual([method, status]);
      if (status === 412) expect(response.error?.code).toBe(412);
    }
  });

  test("in If-Match without a definition gets 412", async () => {
    await using instance = await testInstance();
    for (const header of ["*", '"x"']) {
      const headers = { "if-match": header };
      expect(outcome(await save(instance, SERVER, { headers }))).toEqual([412, 412]);
      expect(outcome(await instance.request("DELETE", "/smtpserver/a", { headers }))).toEqual([412, 412]);
    }
    expect((await instance.request("GET", "/smtpserver/")).value).toEqual({});
  });

  test("If-None-Match: * only creates", async () => {
    await using instance = await testInstance();
    const headers = { "if-none-match": "*" };
    expect(outcome(await save(instance, SERVER, { headers }))).toBe(200);
    expect(outcome(await save(instance, SERVER, { headers }))).toEqual([412, 412]);
    expect(outcome(await save(instance, SERVER, { headers: { "if-none-match": '"x"' } }))).toEqual([
      400, 905,
    ]);
  });

  test("is different after a change of a limit", async () => {
    await using instance = await testInstance();
    const made = await save(instance, SERVER);
    expect(etag(await save(instance, { ...SERVER, max_connections: 2 }))).not.toBe(etag(made));
  });

  test("allows one of several concurrent changes, and the others get 412", async () => {
    await using instance = await testInstance();
    // Encryption takes a while, so all requests read the old version before the first one writes.
    const headers = { "if-match": etag(await save(instance, SERVER)) };
    const responses = await Promise.all(
      Array.from({ length: 8 }, (_, n) =>
        save(instance, { ...SERVER, ...SEALED, description: `${n}` }, { headers }),
      ),
    );
    const statuses = responses.map(({ status }) => status);
    expect(statuses.filter((status) => status === 200)).toHaveLength(1);
    expect(statuses.filter((status) => status === 412)).toHaveLength(7);
    expect(await shown(instance)).toMatchObject({ description: `${statuses.indexOf(200)}` });
  });

  test("allows one of several concurrent creations", async () => {
    await using instance = await testInstance();
    const headers = { "if-none-match": "*" };
    const responses = await Promise.all(
      Array.from({ length: 5 }, () => save(instance, { ...SERVER, ...SEALED }, { headers })),
    );
    expect(responses.map(({ status }) => status).sort()).toEqual([200, 412, 412, 412, 412]);
  });

  test("is optional: concurrent changes without a condition all succeed, one after the other", async () => {
    await using instance = await testInstance();
    const responses = await Promise.all(
      Array.from({ length: 5 }, () => save(instance, { ...SERVER, ...SEALED })),
    );
    expect(responses.map(({ status }) => status)).toEqual([200, 200, 200, 200, 200]);
    expect(new Set(responses.map(etag)).size).toBe(5);
  });
});
