import { describe, expect, test } from "bun:test";
import { type TestInstance, testInstance } from "../fixtures/instance.ts";
import type { RequestOptions, TestResponse } from "../fixtures/request.ts";

const JSON_TYPE = { "content-type": "application/json" };
const FORM_TYPE = { "content-type": "application/x-www-form-urlencoded" };

const save = (instance: TestInstance, options: RequestOptions, path = "/smtpserver/a") =>
  instance.request("POST", path, options);

/** The definition `a` after one POST with these options. */
async function saved(options: RequestOptions, path?: string): Promise<unknown> {
  await using instance = await testInstance();
  const response = await save(instance, options, path);
  if (response.status !== 200) throw new Error(response.text);
  return (await instance.request("GET", "/smtpserver/a")).value;
}

async function rejected(options: RequestOptions, path?: string): Promise<TestResponse> {
  await using instance = await testInstance();
  return await save(instance, options, path);
}

describe("parameters", () => {
  const expected = { server: "mail.example.org", port: 587, tls: true, description: "a b&c=ü" };
  const texts = { server: "mail.example.org", port: "587", tls: "TRUE", description: "a b&c=ü" };

  test.each<[name: string, options: RequestOptions]>([
    ["JSON", { json: expected }],
    ["JSON of texts", { json: texts }],
    [
      "JSON with a charset",
      { body: JSON.stringify(expected), headers: { "content-type": "Application/JSON; charset=utf-8" } },
    ],
    [
      "JSON of another name",
      { body: JSON.stringify(expected), headers: { "content-type": "application/vnd.x+json" } },
    ],
    ["a form", { form: texts }],
    ["a multipart form", { multipart: texts }],
    ["a query", { query: texts }],
    ["JSON in a form, as curl sends it", { body: ` ${JSON.stringify(expected)}`, headers: FORM_TYPE }],
    [
      "body and query",
      { json: { server: texts.server, port: 587 }, query: { tls: "1", description: texts.description } },
    ],
  ])("are read from %s", async (_, options) => {
    expect(await saved(options)).toMatchObject(expected);
  });

  test("of the body win over those of the query", async () => {
    const options = {
      json: { server: "body.example.org" },
      query: { server: "query.example.org", port: "26" },
    };
    expect(await saved(options)).toMatchObject({ server: "body.example.org", port: 26 });
  });

  test("of the path win over those of the body and the query", async () => {
    const options = {
      json: { server: "a.example.org", identifier: "b" },
      query: { identifier: "c", name: "d" },
    };
    expect(await saved(options)).toMatchObject({ server: "a.example.org" });
    await using instance = await testInstance();
    const body = { name: "q", scope: "admin", action: "*" };
    expect((await instance.request("POST", "/policy/p", { json: body })).value).toEqual({ "setPolicy p": 1 });
  });

  test("that are null or empty take their defaults", async () => {
    const empty = { port: "", tls: "", timeout: "", description: "", sender: "", enqueue_job: "", smime: "" };
    const nothing = { port: null, tls: null, timeout: null, description: null, sender: null, username: null };
    const defaults = { port: 25, tls: false, timeout: 10, description: "", sender: "", username: "" };
    expect(await saved({ json: { server: "a", ...nothing } })).toMatchObject(defaults);
    expect(await saved({ json: { server: "a", ...empty } })).toMatchObject(defaults);
    expect(await saved({ form: { server: "a", ...empty } })).toMatchObject(defaults);
  });

  test("of unknown name are ignored", async () => {
    const unknown = { user: "x", realm: "y", id: 4711, __proto__: null, constructor: "z" };
    expect(await saved({ json: { server: "a", ...unknown } })).toMatchObject({ server: "a" });
  });

  test.each<[name: string, options: RequestOptions, parameter: string]>([
    ["JSON", { body: '{"server":"a","port":1,"port":2}', headers: JSON_TYPE }, "port"],
    ["JSON, once escaped", { body: '{"server":"a","\\u0073erver":"b"}', headers: JSON_TYPE }, "server"],
    ["a form", { body: "server=a&server=b", headers: FORM_TYPE }, "server"],
    ["a form, once escaped", { body: "server=a&%73erver=b", headers: FORM_TYPE }, "server"],
    ["an unknown key", { body: "server=a&x=1&x=2", headers: FORM_TYPE }, "x"],
  ])("given twice are rejected: %s", async (_, options, parameter) => {
    const { status, error } = await rejected(options);
    expect([status, error?.code]).toEqual([400, 905]);
    expect(error?.message).toBe(`ERR905: Invalid parameter: ${parameter}: given more than once`);
  });

  test("given twice are rejected in a query and in a multipart form", async () => {
    const query = await rejected({ json: { server: "a" } }, "/smtpserver/a?port=1&port=2");
    expect(query.error?.message).toBe("ERR905: Invalid parameter: port: given more than once");
    const part = (value: string) =>
      `--b\r\nContent-Disposition: form-data; name="server"\r\n\r\n${value}\r\n`;
    const headers = { "content-type": "multipart/form-data; boundary=b" };
    const { error } = await rejected({ body: `${part("a")}${part("b")}--b--\r\n`, headers });
    expect(error?.message).toBe("ERR905: Invalid parameter: server: given more than once");
  });

  test.each([
    ...["password", "private_key", "private_key_password", "pass", "pin", "recoverycode"],
    ...["secret", "option.secret", "option.headers"],
  ])("that are secret are rejected in a query: %s", async (name) => {
    const { status, error, text } = await rejected({ json: { server: "a" }, query: { [name]: "hunter2" } });
    expect([status, error?.code]).toEqual([400, 905]);
    expect(error?.message).toStartWith(`ERR905: Invalid parameter: ${name}: `);
    expect(text).not.toContain("hunter2");
  });

  test("that are secret are rejected in every query, even if the route reads no parameter", async () => {
    await using instance = await testInstance();
    const query = { password: "hunter2" };
    for (const [method, path] of [
      ["POST", "/auth"],
      ["GET", "/smtpserver/"],
      ["GET", "/smtpserver/a"],
      ["DELETE", "/smtpserver/a"],
      ["GET", "/policy/"],
      ["POST", "/policy/enable/a"],
      ["GET", "/audit/"],
    ] as const) {
      const { status, error } = await instance.request(method, path, { query });
      expect([method, path, status, error?.code]).toEqual([method, path, 400, 905]);
    }
  });

  test.each<[name: string, options: RequestOptions]>([
    ["JSON that is a list", { body: "[]", headers: JSON_TYPE }],
    ["JSON that is a text", { body: '"server"', headers: JSON_TYPE }],
    ["JSON that is null", { body: "null", headers: JSON_TYPE }],
    ["malformed JSON in a form", { body: "{server:a}", headers: FORM_TYPE }],
    ["JSON that is not UTF-8", { body: Uint8Array.from([0x22, 0xff, 0x22]), headers: JSON_TYPE }],
    ["a form that is not UTF-8", { body: Uint8Array.from([0x61, 0x3d, 0xff]), headers: FORM_TYPE }],
    ["a form of escapes that are not UTF-8", { body: "server=a&password=%ff", headers: FORM_TYPE }],
    [
      "a broken multipart form",
      { body: "--x", headers: { "content-type": "multipart/form-data; boundary=b" } },
    ],
    [
      "a multipart form that was cut off after a field",
      {
        body: '--b\r\nContent-Disposition: form-data; name="server"\r\n\r\na\r\n--b\r\n',
        headers: { "content-type": "multipart/form-data; boundary=b" },
      },
    ],
    [
      "a multipart form without boundary",
      { body: "--x", headers: { "content-type": "multipart/form-data" } },
    ],
    [
      "JSON deeper than any stack",
      { body: `{"a":${"[".repeat(120_000)}${"]".repeat(120_000)}}`, headers: JSON_TYPE },
    ],
  ])("reject %s", async (_, options) => {
    const { status, error } = await rejected(options);
    expect([status, error?.code]).toEqual([400, 905]);
  });

  test("are rejected in a query with escapes that are not UTF-8", async () => {
    const { status, error } = await rejected({ json: { server: "a" } }, "/smtpserver/a?description=%ff");
    expect([status, error?.code]).toEqual([400, 905]);
  });

  test("are not quoted from a body that is not JSON", async () => {
    const { text } = await rejected({ body: '{"password":"hunter2"', headers: JSON_TYPE });
    expect(text).not.toContain("hunter2");
  });

  test("are rejected as a file if a text is expected", async () => {
    const multipart = { server: "a", description: new File(["x"], "x.txt") };
    const { error } = await rejected({ multipart });
    expect(error?.message).toBe("ERR905: Invalid parameter: description: expected a text");
  });

  test("may all be absent, with any or no Content-Type", async () => {
    for (const headers of [{}, JSON_TYPE, { "content-type": "text/plain" }]) {
      expect(await saved({ headers, query: { server: "a" } })).toMatchObject({ server: "a" });
    }
    expect((await rejected({ body: "", headers: JSON_TYPE })).error?.message).toBe(
      "ERR905: Missing parameter: server",
    );
  });

  const CRLF = "a\r\nRCPT TO:<x@example.org>";
  test.each<[name: string, parameter: string, value: string]>([
    ...["server", "username", "password", "sender"].flatMap((parameter): [string, string, string][] => [
      ["CR LF", parameter, CRLF],
      ["LF", parameter, "a\nb"],
      ["NUL", parameter, "a\0b"],
    ]),
    ["NUL", "description", "a\0b"],
    ["NUL", "private_key", "a\0b"],
    ["NUL", "certificate", "a\0b"],
    ["a lone surrogate", "description", "a\ud800b"],
    ["a lone surrogate", "password", "\udfff"],
  ])("reject %s in %s", async (_, parameter, value) => {
    const { status, error } = await rejected({ json: { server: "a", [parameter]: value } });
    expect([status, error?.code]).toEqual([400, 905]);
    expect(error?.message).toStartWith(`ERR905: Invalid parameter: ${parameter}: `);
  });
});

describe("the limit of 256 KiB", () => {
  const MOST = 256 * 1_024;
  const bodyOf = (bytes: number) => {
    const empty = JSON.stringify({ server: "a", x: "" });
    return JSON.stringify({ server: "a", x: "x".repeat(bytes - empty.length) });
  };
  const chunked = (text: string) =>
    new ReadableStream({
      start(controller) {
        for (let index = 0; index < text.length; index += 10_000) {
          controller.enqueue(new TextEncoder().encode(text.slice(index, index + 10_000)));
        }
        controller.close();
      },
    });

  test.each<[name: string, status: number, options: RequestOptions]>([
    ["a body as long", 200, { body: bodyOf(MOST), headers: JSON_TYPE }],
    ["one byte more", 413, { body: bodyOf(MOST + 1), headers: JSON_TYPE }],
    ["as long, in chunks", 200, { body: chunked(bodyOf(MOST)), headers: JSON_TYPE }],
    ["one byte more, in chunks", 413, { body: chunked(bodyOf(MOST + 1)), headers: JSON_TYPE }],
    [
      "a Content-Length of more",
      413,
      { body: bodyOf(MOST + 1), headers: { ...JSON_TYPE, "content-length": `${MOST + 1}` } },
    ],
  ])("and %s: %i", async (_, status, options) => {
    const response = await rejected(options);
    expect([response.status, response.body.result.status]).toEqual([status, status === 200]);
  });

  test.each(["POST", "GET"])("stops reading a body that never ends, of %s", async (method) => {
    let pulled = 0;
    const endless = new ReadableStream({
      pull(controller) {
        pulled++;
        controller.enqueue(new Uint8Array(64 * 1_024).fill(0x20));
      },
    });
    await using instance = await testInstance();
    const options = { body: endless, headers: JSON_TYPE };
    expect((await instance.request(method, "/smtpserver/a", options)).status).toBe(413);
    expect(pulled).toBeLessThan(10);
  });
});
