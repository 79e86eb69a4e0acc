import { afterAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { OBJECT_ENTRY } from "../../../tools/workers/build.ts";
import { OBJECTS, serveWorker } from "../../../tools/workers/serve.ts";
import { signCall } from "../../fixtures/operator-call.ts";
import { logIn, request } from "../../fixtures/process/api.ts";
import { Child, type Environment } from "../../fixtures/process/child.ts";
import { temporaryFolder } from "../../fixtures/process/folder.ts";
import { followCommands, pageCommands } from "../../fixtures/process/page.ts";
import { runCli, startSealpost } from "../../fixtures/process/sealpost.ts";
import { builtWorker } from "../../fixtures/worker-bundle.ts";
import {
  ADMIN,
  bindingsFor,
  KEYS,
  PASSWORD,
  startDatabase,
  startWorker,
  TEST_MS,
} from "./fixtures/sealpost.ts";

setDefaultTimeout(TEST_MS);

const bundle = await builtWorker(OBJECT_ENTRY);
const bindings = { SEALPOST_KEYS: KEYS, SEALPOST_ADMIN_PASSWORD: PASSWORD };
const start = (more: Environment = {}) =>
  serveWorker({ bundle, bindings: { ...bindings, ...more }, services: OBJECTS });
const worker = await start();
const { origin } = worker.url;
const folder = temporaryFolder();
afterAll(async () => {
  await worker[Symbol.asyncDispose]();
  folder[Symbol.dispose]();
});

const cli = (args: readonly string[], env: Environment = { SEALPOST_KEYS: KEYS }, url = origin) =>
  runCli([...args, "--url", url], { folder: folder.path, env });

/** A signed call, of which a test changes a part. */
async function signed(
  changes: {
    readonly method?: string;
    readonly path?: string;
    readonly host?: string;
    readonly keys?: string;
    readonly body?: string;
    readonly age?: number;
    readonly headers?: Readonly<Record<string, string>>;
  } = {},
) {
  const {
    method = "GET",
    path = "/operator/api/admin/",
    keys = KEYS,
    body = "",
    age = 0,
    headers = {},
  } = changes;
  const host = changes.host ?? worker.url.host;
  return signCall({ method, path, host, keys, body, time: new Date(Date.now() - age * 1_000), headers });
}

const call = (authorization: string, init: RequestInit = {}, path = "/operator/api/admin/") =>
  request<unknown>(origin + path, { ...init, headers: { ...init.headers, authorization } });

describe("the command line with the keys of a Worker", () => {
  test("uses its API with every right, and each call is in the audit log", async () => {
    const added = await cli(["admin", "add", "second"]);
    expect(added).toMatchObject({ code: 0, stderr: "" });
    const password = added.stdout.split(": ")[1]?.trim() ?? "";
    expect(await logIn(origin, "second", password)).toBeDefined();
    expect((await cli(["admin", "list"])).stdout).toContain("second");
    expect(await cli(["admin", "disable", "second"])).toMatchObject({ code: 0 });
    expect((await cli(["queue", "status"])).stdout).toContain("No message waits");
    const api = await logIn(origin, ADMIN, PASSWORD);
    const rows = (await api.audit()).filter(({ administrator }) => administrator === "operator key test");
    expect(rows.map(({ action }) => action)).toContain("operator GET /admin");
    expect(rows.map(({ info }) => info)).toContain("POST /operator/api/admin/second");
  });

  test("works by the commands of docs/cli.md", async () => {
    const [, , commands = ""] = await pageCommands("docs/cli.md");
    const here = commands.replaceAll("https://sealpost.example.org", origin);
    const { rest } = await followCommands(here, folder.path, { SEALPOST_KEYS: KEYS });
    expect(rest).toContain("Password of anna: ");
    rmSync(join(folder.path, "sealpost.jsonl"));
  });

  test("reaches a Worker on a database server, too, but no server", async () => {
    await using sqld = await startDatabase();
    await using other = await startWorker(bindingsFor(sqld.url));
    const env = { SEALPOST_KEYS: KEYS };
    expect((await cli(["admin", "list"], env, other.origin)).stdout).toContain("admin");
    const file = join(folder.path, "libsql.jsonl");
    expect(await cli(["backup", file], env, other.origin)).toMatchObject({ code: 0, stderr: "" });
    rmSync(file);
    using data = temporaryFolder();
    await using server = await startSealpost({ folder: data.path, env });
    const rejected = await cli(["admin", "list"], env, server.url);
    expect(rejected.stderr).toContain("takes no operator key, as only Workers do: set SEALPOST_API_KEY");
  });

  test("creates an API key for the admin that it names, and starts no sign-in for one", async () => {
    const create = ["apikey", "create", "program", "--rights", "auditlog"];
    expect((await cli([...create, "--admin", "nobody"])).stderr).toContain(
      "The requested Admin could not be found.",
    );
    const created = await cli([...create, "--admin", ADMIN]);
    expect(created.stdout).toStartWith("sp_");
    const env = { SEALPOST_KEYS: KEYS, SEALPOST_API_KEY: created.stdout.trim() };
    expect((await cli(["admin", "list"], env)).stderr).toContain("adminread");
    expect((await cli(["server", "login", "main"])).stderr).toContain("needs SEALPOST_API_KEY");
  });

  test("re-encrypts the secrets, and voids tokens at once", async () => {
    const api = await logIn(origin, ADMIN, PASSWORD);
    const rotated = await cli(["keys", "rotate", "--tokens"]);
    expect(rotated.stdout).toContain("0 re-encrypted with the first key");
    expect(rotated.stdout).not.toContain("Restart every server");
    expect(rotated.stdout).toStartWith(
      "A Worker with a database server accepts the old tokens and codes until",
    );
    expect((await api.call("GET", "/admin/")).status).toBe(401);
    expect((await (await logIn(origin, ADMIN, PASSWORD)).call("GET", "/admin/")).status).toBe(200);
  });

  test("says what to do with keys of another instance, without keys, and at a server that is no Worker", async () => {
    const other = { SEALPOST_KEYS: `test:${Buffer.alloc(32, 1).toString("base64")}` };
    expect((await cli(["admin", "list"], other)).stderr).toContain(
      "SEALPOST_KEYS needs a key of that instance",
    );
    expect((await cli(["backup", "none.jsonl"], {})).stderr).toContain("set SEALPOST_KEYS");
    expect((await cli(["queue", "status"], {})).stderr).toContain(
      "for a Worker, SEALPOST_KEYS serves as well",
    );
    expect(readdirSync(folder.path)).toEqual([]);
  });
});

describe("a call of the operator", () => {
  test("is accepted once", async () => {
    const authorization = await signed();
    expect((await call(authorization)).status).toBe(200);
    expect((await call(authorization)).status).toBe(401);
  });

  test("with anything else than what was signed is rejected, always in the same words", async () => {
    await using strict = await start();
    const at = strict.url.host;
    const wrong: readonly (readonly [authorization: string, init?: RequestInit, path?: string])[] = [
      [""],
      ["Sealpost-Operator"],
      [await signed({ host: at, age: 400 })],
      [await signed({ host: at, age: -400 })],
      [await signed({ host: at, keys: `other:${Buffer.alloc(32, 7).toString("base64")}` })],
      [await signed({ host: "other.example.org" })],
      [await signed({ host: at }), { method: "POST" }],
      [await signed({ host: at }), {}, "/operator/api/admin/?realm=x"],
      [await signed({ host: at, method: "POST" }), { method: "POST", body: "{}" }],
    ];
    const texts = new Set<string>();
    for (const [authorization, init, path = "/operator/api/admin/"] of wrong) {
      const { status, body } = await request(strict.url.origin + path, {
        ...init,
        headers: { authorization },
      });
      texts.add(JSON.stringify([status, body.result, body.detail]));
    }
    expect([...texts]).toEqual([
      JSON.stringify([
        401,
        {
          status: false,
          error: {
            code: 4304,
            message: "Authentication failure. The signature of the operator is not valid",
          },
        },
        null,
      ]),
    ]);
    const last = await request(`${strict.url.origin}/operator/api/admin/`, {
      headers: { authorization: "" },
    });
    expect(last.status).toBe(401);
    const limited = await request(`${strict.url.origin}/operator/api/admin/`, {
      headers: { authorization: await signed({ host: at, age: 400 }) },
    });
    expect(limited.status).toBe(429);
    const rightful = await request(`${strict.url.origin}/operator/api/admin/`, {
      headers: { authorization: await signed({ host: at }) },
    });
    expect(rightful.status).toBe(200);
  });

  test("passes on only headers that are signed", async () => {
    const api = await logIn(origin, ADMIN, PASSWORD);
    await api.save("kept", { server: "mail.example.org" });
    const path = "/operator/api/smtpserver/kept";
    const body = JSON.stringify({ server: "other.example.org" });
    const type = { "content-type": "application/json" };
    const wanted = await signed({ method: "POST", path, body, headers: { ...type, "if-none-match": "*" } });
    expect((await call(wanted, { method: "POST", body, headers: type }, path)).status).toBe(401);
    const again = await signed({ method: "POST", path, body, headers: { ...type, "if-none-match": "*" } });
    const init = { method: "POST", body, headers: { ...type, "if-none-match": "*" } };
    expect((await call(again, init, path)).status).toBe(412);
  });

  test("without a signature is rejected before its body is read, as if it were small", async () => {
    await using strict = await start();
    const sent = await request(`${strict.url.origin}/operator/restore/rows`, {
      method: "POST",
      headers: { authorization: "Sealpost-Operator", "content-type": "application/json" },
      body: "x".repeat(15.5 * 1_048_576),
    });
    expect([sent.status, sent.body.result.error?.code]).toEqual([401, 4304]);
  });

  test("takes a body as large as the route does", async () => {
    const api = await logIn(origin, ADMIN, PASSWORD);
    const statuses: unknown[] = [];
    for (const [path, bytes] of [
      ["/mail/", 9],
      ["/mail/", 15.5],
      ["/admin/large", 1],
    ] as const) {
      const large = { to: "user@example.org", text: "x".repeat(bytes * 1_048_576) };
      const body = JSON.stringify(large);
      const headers = { "content-type": "application/json" };
      const signedPath = `/operator/api${path}`;
      const authorization = await signed({ method: "POST", path: signedPath, body, headers });
      const ofOperator = await call(authorization, { method: "POST", body, headers }, signedPath);
      const ofAdmin = await api.call("POST", path, large);
      expect([path, ofOperator.status, ofOperator.body.result.error?.code]).toEqual([
        path,
        ofAdmin.status,
        ofAdmin.body.result.error?.code,
      ]);
      statuses.push(ofOperator.status);
    }
    expect(statuses.slice(1)).toEqual([413, 413]);
    expect(statuses[0]).not.toBe(413);
    const tooLarge = "x".repeat(15.5 * 1_048_576);
    const path = "/operator/restore/rows";
    const authorization = await signed({ method: "POST", path, body: tooLarge });
    expect((await call(authorization, { method: "POST", body: tooLarge }, path)).status).toBe(413);
  });

  test("takes the largest row of control characters after a page of other rows", async () => {
    const table = { name: "odd_row", columns: ["text"], rows: 2 };
    const rows = [["\u20ac".repeat(1_000_000)], ["\u0001".repeat(1_999_000)]];
    const body = JSON.stringify({ id: "0123456789abcdef", table, rows });
    const headers = { "content-type": "application/json" };
    const path = "/operator/restore/rows";
    const authorization = await signed({ method: "POST", path, body, headers });
    const { status, body: sent } = await call(authorization, { method: "POST", body, headers }, path);
    expect(status).toBe(409);
    expect(sent.result.error?.message).toContain("Another restore has begun");
  });

  test("with parameters of another kind is 905", async () => {
    const path = "/operator/restore/rows";
    const body = JSON.stringify({ id: "x'; DROP TABLE admin", table: {}, rows: [] });
    const headers = { "content-type": "application/json" };
    const authorization = await signed({ method: "POST", path, body, headers });
    const rejected = await call(authorization, { method: "POST", body, headers }, path);
    expect([rejected.status, rejected.body.result.error?.message]).toEqual([
      400,
      "ERR905: Invalid parameter: id: expected the ID of a backup or a restore",
    ]);
  });
});

test("the operator has every right in the routes of plugins, too", async () => {
  await using own = await start();
  const { origin: url, host } = own.url;
  const api = await logIn(url, ADMIN, PASSWORD);
  const headers = { "content-type": "application/json" };
  const post = async (path: string, parameters: Readonly<Record<string, unknown>>) => {
    const body = JSON.stringify(parameters);
    const given = { method: "POST", path: `/operator/api${path}`, body, headers };
    const authorization = await signed({ ...given, host });
    const { status, body: sent } = await request(url + given.path, {
      ...given,
      headers: { ...headers, authorization },
    });
    return [path, status, sent.result.error?.message];
  };
  const done = (path: string) => [path, 200, undefined];
  await api.save("default", { server: "mail.example.org" });
  const gateway = { name: "default", "option.MAILTO": "{phone}@sms.example.org" };
  expect((await api.call("POST", "/smsgateway/", gateway)).status).toBe(200);
  expect(await post("/user/", { username: "ann", email: "ann@example.org" })).toEqual(done("/user/"));
  const token = { user: "ann", type: "email", email: "elsewhere@example.org" };
  expect(await post("/token/init", token)).toEqual(done("/token/init"));
  const policy = { scope: "admin", action: "*, smtpserver_route", adminuser: ADMIN };
  expect((await api.call("POST", "/policy/all", policy)).status).toBe(200);
  const changed = { ...gateway, "option.MAILTO": "{phone}@other.example.org" };
  expect(await post("/smsgateway/", changed)).toEqual(done("/smsgateway/"));
});

test("an instance moves out of an object and into another, where a token goes on at once", async () => {
  const api = await logIn(origin, ADMIN, PASSWORD);
  await api.save("moved", {
    server: "mail.example.org",
    username: "u",
    password: "a secret of the provider",
  });
  const file = join(folder.path, "object.jsonl");
  expect(await cli(["backup", file])).toMatchObject({ code: 0, stderr: "" });
  await using other = await start();
  const restored = await cli(["restore", file], { SEALPOST_KEYS: KEYS }, other.url.origin);
  expect(restored).toMatchObject({ code: 0, stderr: "" });
  const { body } = await request<Record<string, { readonly password: string }>>(
    `${other.url.origin}/smtpserver/`,
    { headers: { Authorization: api.token } },
  );
  expect(body.result.value?.moved?.password).toBe("a secret of the provider");
  const again = await cli(["restore", file], { SEALPOST_KEYS: KEYS }, other.url.origin);
  expect(again.stderr).toContain("This instance has data (smtp_server)");
  const replaced = await cli(["restore", file, "--replace"], { SEALPOST_KEYS: KEYS }, other.url.origin);
  expect(replaced).toMatchObject({ code: 0, stderr: "" });
});

test("each key of a Worker signs, and a backup that is encrypted with another one is rejected", async () => {
  const other = `other:${Buffer.alloc(32, 1).toString("base64")}`;
  const file = join(folder.path, "keys.jsonl");
  expect((await cli(["backup", file])).code).toBe(0);
  await using both = await start({ SEALPOST_KEYS: `${other},${KEYS}` });
  for (const keys of [other, KEYS])
    expect(await cli(["admin", "list"], { SEALPOST_KEYS: keys }, both.url.origin)).toMatchObject({ code: 0 });
  await using foreign = await start({ SEALPOST_KEYS: other });
  const rejected = await cli(["restore", file], { SEALPOST_KEYS: other }, foreign.url.origin);
  expect(rejected.stderr).toContain('encrypted with key "test", which is not among the given keys (other)');
});

test("a call that was used before a restore is not accepted after it", async () => {
  await using own = await start();
  const { origin: url, host } = own.url;
  const file = join(folder.path, "nonces.jsonl");
  expect((await cli(["backup", file], { SEALPOST_KEYS: KEYS }, url)).code).toBe(0);
  const headers = { authorization: await signed({ host }) };
  expect((await request(`${url}/operator/api/admin/`, { headers })).status).toBe(200);
  expect((await cli(["restore", file, "--replace"], { SEALPOST_KEYS: KEYS }, url)).code).toBe(0);
  expect((await request(`${url}/operator/api/admin/`, { headers })).status).toBe(401);
});

test("a restore that is killed in the middle changes nothing, and runs again", async () => {
  await using other = await start();
  const api = await logIn(other.url.origin, ADMIN, PASSWORD);
  const file = join(folder.path, "killed.jsonl");
  expect((await cli(["backup", file])).code).toBe(0);
  const stopped = Promise.withResolvers<void>();
  // Lets the first rows pass, and no others.
  let batches = 0;
  await using proxy = Bun.serve({
    port: 0,
    async fetch(given) {
      const { pathname } = new URL(given.url);
      if (pathname === "/operator/restore/rows" && ++batches > 2) {
        stopped.resolve();
        await new Promise(() => undefined);
      }
      const { method, headers } = given;
      const init = { method, headers, body: await given.arrayBuffer() };
      return Response.json(await (await fetch(new URL(pathname, other.url), init)).json());
    },
  });
  const child = new Child("src/cli/index.ts", ["restore", file, "--url", `http://127.0.0.1:${proxy.port}`], {
    folder: folder.path,
    env: { SEALPOST_KEYS: KEYS },
  });
  await stopped.promise;
  child.signal("SIGKILL");
  await child.ended;
  expect(await api.list()).toEqual({});
  expect((await api.call("GET", "/admin/")).status).toBe(200);
  const again = await cli(["restore", file], { SEALPOST_KEYS: KEYS }, other.url.origin);
  expect(again).toMatchObject({ code: 0, stderr: "" });
});
