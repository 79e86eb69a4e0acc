import { describe, expect, test } from "bun:test";
import { ADMIN, goodClaims, START, type TestInstance, testInstance } from "../fixtures/instance.ts";
import type { RequestOptions } from "../fixtures/request.ts";

const SERVER = { server: "mail.example.org" };

interface Refusal {
  readonly name: string;
  readonly method: string;
  readonly path: string;
  readonly options?: RequestOptions | ((instance: TestInstance) => Promise<RequestOptions>);
  readonly before?: (instance: TestInstance) => Promise<unknown>;
  readonly status: number;
  readonly code: number;
  /** The whole message, or what it looks like. */
  readonly message: string | RegExp;
}

const claiming =
  (change: Record<string, unknown>) =>
  async (instance: TestInstance): Promise<RequestOptions> => ({
    token: await instance.mint({ ...(await goodClaims(instance)), ...change }),
  });
const saving = (name: string, body: object) => (instance: TestInstance) =>
  instance.request("POST", name, { json: body });

const REJECTIONS: readonly Refusal[] = [
  {
    name: "no token",
    ...{ method: "GET", path: "/smtpserver/", options: { token: null } },
    ...{ status: 401, code: 4033, message: "Authentication failure. Missing Authorization header." },
  },
  {
    name: "garbage for a token",
    ...{ method: "GET", path: "/smtpserver/", options: { token: "garbage" } },
    ...{
      status: 401,
      code: 4304,
      message: /^Authentication failure\. Error decoding the Authorization token: /,
    },
  },
  {
    name: "an expired token",
    ...{ method: "GET", path: "/smtpserver/", options: claiming({ exp: START.getTime() / 1_000 }) },
    ...{ status: 401, code: 4305, message: /^Authentication failure\. Your token has expired: / },
  },
  {
    name: "a token of another role",
    ...{ method: "GET", path: "/smtpserver/", options: claiming({ role: "user" }) },
    status: 401,
    code: 4306,
    message:
      "Authentication failure. You do not have the necessary role (['admin']) to access this resource!",
  },
  {
    name: "a wrong password",
    ...{ method: "POST", path: "/auth", options: { json: { username: "admin", password: "wrong" } } },
    ...{ status: 401, code: 4031, message: "Authentication failure. Wrong credentials" },
  },
  {
    name: "no username",
    ...{ method: "POST", path: "/auth", options: { json: { password: "wrong" } } },
    ...{ status: 401, code: 4032, message: "Authentication failure. Missing Username" },
  },
  {
    name: "no password",
    ...{ method: "POST", path: "/auth", options: { json: { username: "admin" } } },
    ...{ status: 401, code: 4031, message: "Authentication failure. Wrong credentials" },
  },
  {
    name: "a missing right",
    ...{
      method: "GET",
      path: "/smtpserver/",
      before: saving("/policy/p", { scope: "admin", action: "policywrite" }),
    },
    status: 403,
    code: 303,
    message: "Admin actions are defined, but the action smtpserver_read is not allowed!",
  },
  ...[undefined, null, ""].map(
    (server): Refusal => ({
      name: `${JSON.stringify(server)} for a required parameter`,
      ...{ method: "POST", path: "/smtpserver/a", options: { json: { server } } },
      ...{ status: 400, code: 905, message: "ERR905: Missing parameter: server" },
    }),
  ),
  {
    name: "a parameter of the wrong kind",
    ...{ method: "POST", path: "/smtpserver/a", options: { json: { ...SERVER, port: "abc" } } },
    status: 400,
    code: 905,
    message: "ERR905: Invalid parameter: port: expected a whole number from 1 to 65535",
  },
  {
    name: "malformed JSON",
    ...{ method: "POST", path: "/smtpserver/a" },
    options: { body: '{"server":', headers: { "content-type": "application/json" } },
    ...{ status: 400, code: 905, message: "ERR905: Invalid parameter: body: malformed JSON" },
  },
  {
    name: "a repeated key",
    ...{ method: "POST", path: "/smtpserver/a" },
    options: { body: '{"server":"a","server":"b"}', headers: { "content-type": "application/json" } },
    ...{ status: 400, code: 905, message: "ERR905: Invalid parameter: server: given more than once" },
  },
  {
    name: "an unknown definition",
    ...{ method: "GET", path: "/smtpserver/none" },
    ...{ status: 404, code: 601, message: "The requested SMTPServer could not be found." },
  },
  {
    name: "an unknown policy",
    ...{ method: "GET", path: "/policy/none" },
    ...{ status: 404, code: 601, message: "The requested Policy could not be found." },
  },
  ...["/", "/nothing", "/smtpserver/a/b", "/auth/x", "/policy/enable/a/b"].map(
    (path): Refusal => ({
      name: `the unknown URL ${path}`,
      ...{ method: "GET", path, status: 404, code: 404, message: /./ },
    }),
  ),
  ...(
    [
      ["PUT", "/auth"],
      ["POST", "/smtpserver/"],
      ["DELETE", "/smtpserver"],
      ["PUT", "/smtpserver/a"],
      ["PATCH", "/smtpserver/a"],
      ["OPTIONS", "/smtpserver/a"],
      ["GET", "/smtpserver/send_test_email"],
      ["DELETE", "/smtpserver/send_test_email"],
      ["POST", "/policy"],
      ["GET", "/policy/enable/a"],
      ["DELETE", "/policy/disable/a"],
      ["DELETE", "/audit/"],
      ["POST", "/healthz"],
      ["POST", "/readyz"],
      ["POST", "/openapi.json"],
    ] as const
  ).map(
    ([method, path]): Refusal => ({
      name: `${method} ${path}`,
      ...{ method, path, status: 405, code: 405, message: `The method ${method} is not allowed here` },
    }),
  ),
  {
    name: "a stale condition",
    ...{
      method: "POST",
      path: "/smtpserver/a",
      options: { json: SERVER, headers: { "if-match": '"old-1"' } },
    },
    ...{ status: 412, code: 412, message: /./ },
  },
  {
    name: "a body that is too large",
    ...{
      method: "POST",
      path: "/smtpserver/a",
      options: { json: { ...SERVER, x: "x".repeat(256 * 1_024) } },
    },
    ...{ status: 413, code: 413, message: /262144 bytes/ },
  },
  {
    name: "another media type",
    ...{ method: "POST", path: "/smtpserver/a" },
    options: { body: "<server/>", headers: { "content-type": "application/xml" } },
    ...{ status: 415, code: 415, message: /application\/json/ },
  },
  {
    name: "a body without Content-Type",
    ...{ method: "POST", path: "/smtpserver/a", options: { body: new TextEncoder().encode("server=a") } },
    ...{ status: 415, code: 415, message: /without Content-Type/ },
  },
];

describe("an error", () => {
  test.each(REJECTIONS.map((row) => [row.name, row] as const))(
    "for %s has its status, code and form",
    async (_, row) => {
      await using instance = await testInstance();
      await row.before?.(instance);
      const options = typeof row.options === "function" ? await row.options(instance) : row.options;
      const { status, body, headers, error } = await instance.request(row.method, row.path, options);
      expect([status, error?.code]).toEqual([row.status, row.code]);
      if (typeof row.message === "string") expect(error?.message).toBe(row.message);
      else expect(error?.message).toMatch(row.message);
      expect(body).toEqual({
        jsonrpc: "2.0",
        id: 1,
        result: { status: false, error: { code: row.code, message: error?.message ?? "" } },
        detail: null,
        time: START.getTime() / 1_000,
        version: expect.stringMatching(/^sealpost \d/),
      });
      expect(headers.get("cache-control")).toBe("no-store");
      expect(headers.get("content-type")).toStartWith("application/json");
    },
  );

  test("that is unexpected shows only a request ID", async () => {
    await using instance = await testInstance();
    await instance.database.commit([instance.database.write.run("DROP TABLE epoch")]);
    const { status, error, detail, text, headers } = await instance.request("GET", "/smtpserver/");
    expect([status, error?.code]).toEqual([500, -500]);
    expect(detail).toEqual({ request_id: expect.stringMatching(/^[0-9a-f]{16}$/) });
    expect(text).not.toMatch(/policy|sql|table/i);
    expect(headers.get("cache-control")).toBe("no-store");
  });

  test("of an unavailable database is 503 with Retry-After", async () => {
    const instance = await testInstance();
    await instance.database[Symbol.asyncDispose]();
    for (const path of ["/smtpserver/", "/readyz"]) {
      const { status, error, headers, body } = await instance.request("GET", path);
      expect([status, error?.code, body.detail]).toEqual([503, 902, null]);
      expect(headers.get("retry-after")).toMatch(/^\d+$/);
    }
    const login = await instance.request("POST", "/auth", { json: ADMIN });
    expect([login.status, login.error?.code]).toEqual([503, 902]);
  });
});

describe("a success", () => {
  test("has this form, and detail only if it is not empty", async () => {
    await using instance = await testInstance();
    const { status, body, headers } = await instance.request("POST", "/smtpserver/a", { json: SERVER });
    expect(status).toBe(200);
    const { version, versionnumber, ...rest } = body;
    expect(rest).toEqual({
      jsonrpc: "2.0",
      id: 1,
      result: { status: true, value: true },
      time: START.getTime() / 1_000,
    });
    expect(version).toBe(`sealpost ${versionnumber}`);
    expect(headers.get("cache-control")).toBe("no-store");
  });

  test("has the time in seconds with fractions", async () => {
    await using instance = await testInstance();
    instance.clock.advance(0.25);
    const { body } = await instance.request("GET", "/healthz");
    expect(body.time).toBe(START.getTime() / 1_000 + 0.25);
  });
});

describe("the headers of an error response", () => {
  test.each([
    ["PUT", "/smtpserver/", "GET"],
    ["PUT", "/smtpserver/a", "GET, POST, DELETE"],
    ["GET", "/smtpserver/send_test_email", "POST"],
    ["DELETE", "/auth", "POST, GET"],
  ])("list the allowed methods for %s %s: %s", async (method, path, allowed) => {
    await using instance = await testInstance();
    const { status, headers } = await instance.request(method, path);
    expect([status, headers.get("allow")]).toEqual([405, allowed]);
  });

  test("describe how to authenticate (RFC 9110 11.6.1)", async () => {
    await using instance = await testInstance();
    const { status, headers } = await instance.request("GET", "/smtpserver/", { token: null });
    expect([status, headers.get("www-authenticate")]).toEqual([401, "Bearer"]);
  });
});
