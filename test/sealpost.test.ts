import { afterAll, describe, expect, test } from "bun:test";
import { decode } from "hono/jwt";
import { createSealpost, type Sealpost, type SealpostOptions } from "sealpost";
import { openDrivers } from "sealpost/bun";
import { directory } from "sealpost/plugins/directory";
import { emailToken } from "sealpost/plugins/email-token";
import { type Misbehavior, stall, startSmtpServer } from "../src/testing/smtp/index.ts";
import { CHEAP } from "./fixtures/instance.ts";
import { temporaryFolder } from "./fixtures/process/folder.ts";

const folder = temporaryFolder();
afterAll(() => folder[Symbol.dispose]());

const ADMIN = { username: "admin", password: "correct horse" };

async function start(options: Partial<SealpostOptions> = {}): Promise<Sealpost> {
  const drivers = await openDrivers({ databaseUrl: ":memory:" });
  const sealpost = createSealpost({ ...drivers, passwordCost: CHEAP, ...options });
  await sealpost.start();
  return sealpost;
}

async function logIn({ app }: Sealpost, headers: Readonly<Record<string, string>> = {}): Promise<string> {
  const response = await app.request("/auth", { method: "POST", body: new URLSearchParams(ADMIN), headers });
  const { result } = (await response.json()) as {
    readonly result: { readonly value: { readonly token: string } };
  };
  return result.value.token;
}

async function read({ app }: Sealpost, path: string, token: string) {
  const response = await app.request(path, { headers: { Authorization: token } });
  return (await response.json()) as { readonly result: { readonly value: never } };
}

describe("createSealpost()", () => {
  test("needs only drivers, and has the server's defaults: tokens for an hour, passwords shown", async () => {
    await using sealpost = await start();
    await sealpost.makeFirstAdmin(ADMIN);
    const token = await logIn(sealpost);
    const { payload } = decode(token);
    expect(Number(payload.exp) - Number(payload.iat)).toBe(3_600);

    const body = new URLSearchParams({ server: "mail.example.org", password: "shown" });
    await sealpost.app.request("/smtpserver/a", { method: "POST", body, headers: { Authorization: token } });
    const { value } = (await read(sealpost, "/smtpserver/", token)).result;
    expect(value).toMatchObject({ a: { password: "shown" } });
  });

  test("registers one handler for each method of a path, so that the start is short", async () => {
    await using sealpost = await start({ plugins: [directory(), emailToken()] });
    const names = sealpost.app.routes
      .filter(({ path }) => path !== "/*")
      .map(({ method, path }) => `${method} ${path}`);
    expect(names.toSorted()).toEqual([...new Set(names)].toSorted());
    expect(names).toContain("POST /token/init");
  });

  test("uses its options, and treats undefined as absent", async () => {
    const absent = { auditDays: undefined, hostName: undefined, revealSecrets: undefined } as object;
    await using sealpost = await start({ tokenSeconds: 60, ...absent });
    await sealpost.makeFirstAdmin(ADMIN);
    const { payload } = decode(await logIn(sealpost));
    expect(Number(payload.exp) - Number(payload.iat)).toBe(60);
    await sealpost.prune();
  });

  test("re-encrypts everything with the first key", async () => {
    await using sealpost = await start();
    // The check value and the token secret, both encrypted with the only key.
    expect(await sealpost.rekey()).toEqual({ resealed: 0, current: 2 });
  });

  test("identifies its clients by peerAddress and trustedProxies", async () => {
    await using sealpost = await start({ peerAddress: () => "10.0.0.1", trustedProxies: ["10.0.0.0/8"] });
    await sealpost.makeFirstAdmin(ADMIN);
    const token = await logIn(sealpost, { "X-Forwarded-For": "192.0.2.7" });
    const { value } = (await read(sealpost, "/audit/", token)).result;
    expect(value).toMatchObject({ auditdata: [{ client: "192.0.2.7" }] });
  });

  test("identifies its clients by clientAddress first", async () => {
    await using sealpost = await start({ peerAddress: () => "10.0.0.1", clientAddress: () => "192.0.2.8" });
    await sealpost.makeFirstAdmin(ADMIN);
    const { value } = (await read(sealpost, "/audit/", await logIn(sealpost))).result;
    expect(value).toMatchObject({ auditdata: [{ client: "192.0.2.8" }] });
  });

  test("rejects a trusted proxy that is not an address", async () => {
    await expect(start({ trustedProxies: ["proxy.example.org"] })).rejects.toMatchObject({
      code: "bad_setting",
      parameter: "trustedProxies",
    });
  });
});

describe("makeFirstAdmin()", () => {
  test("creates one admin and no second", async () => {
    await using sealpost = await start();
    expect(await sealpost.makeFirstAdmin(ADMIN)).toBe(true);
    expect(await sealpost.makeFirstAdmin({ username: "other", password: "other" })).toBe(false);
    expect(await logIn(sealpost)).toBeString();
  });

  test.each([
    { username: "", password: "x" },
    { username: "x", password: "" },
  ])("rejects %p", async (admin) => {
    await using sealpost = await start();
    await expect(sealpost.makeFirstAdmin(admin)).rejects.toThrow(TypeError);
  });
});

test("start() may be called again", async () => {
  await using sealpost = await start();
  await sealpost.start();
  expect((await sealpost.app.request("/readyz")).status).toBe(200);
});

describe("queued mail of a host app", () => {
  const TO = [{ name: "", address: "ann@example.net" }];
  const MESSAGE = { to: TO, subject: "Queued", text: "Queued\n" };

  async function startOn(port: number, options: Partial<SealpostOptions> = {}): Promise<Sealpost> {
    const sealpost = await start(options);
    await sealpost.makeFirstAdmin(ADMIN);
    const body = new URLSearchParams({
      server: `127.0.0.1:${port}`,
      sender: "a@example.org",
      enqueue_job: "1",
    });
    const headers = { Authorization: await logIn(sealpost) };
    const saved = await sealpost.app.request("/smtpserver/main", { method: "POST", body, headers });
    expect(saved.status).toBe(200);
    return sealpost;
  }

  test("is sent by the worker that start() starts", async () => {
    const arrived = Promise.withResolvers<void>();
    await using server = await startSmtpServer({ script: { body: notifying(arrived.resolve) } });
    await using sealpost = await startOn(server.port);
    await sealpost.start();
    expect((await sealpost.submit("main", MESSAGE)).state).toBe("queued");
    await arrived.promise;
    expect(server.messages).toHaveLength(1);
  });

  test("is recorded when the instance is disposed of during the delivery", async () => {
    const arrived = Promise.withResolvers<() => void>();
    await using server = await startSmtpServer({
      script: { body: (_peer, reply) => arrived.resolve(reply) },
    });
    const drivers = await openDrivers({ databaseUrl: `file:${folder.path}/in-flight.db` });
    const sealpost = await startOn(server.port, drivers);
    const result = await sealpost.submit("main", MESSAGE);
    const reply = await arrived.promise;
    const disposing = sealpost[Symbol.asyncDispose]();
    reply();
    await disposing;
    expect(server.messages).toHaveLength(1);
    await using next = await start({
      ...(await openDrivers({ databaseUrl: `file:${folder.path}/in-flight.db` })),
      worker: false,
    });
    const mailId = result.state === "queued" ? result.mailId : "";
    const { value } = (await read(next, `/mail/${mailId}`, await logIn(next))).result;
    expect(value).toMatchObject({ state: "sent", attempts: [{ outcome: "sent" }] });
  });

  test("waits for drain() without a worker", async () => {
    await using server = await startSmtpServer();
    await using sealpost = await startOn(server.port, { worker: false });
    await sealpost.submit("main", MESSAGE);
    await sealpost.drain({ timeMs: 0 });
    await sealpost.drain({ signal: AbortSignal.abort() });
    expect(server.messages).toHaveLength(0);
    await sealpost.drain();
    expect(server.messages).toHaveLength(1);
  });

  test("is kept for mailDays", async () => {
    const now = { current: new Date("2026-06-01T12:00:00Z") };
    const { platform, ...drivers } = await openDrivers({ databaseUrl: ":memory:" });
    const moved = { ...drivers, platform: { ...platform, now: () => now.current } };
    await using server = await startSmtpServer();
    await using sealpost = await startOn(server.port, {
      ...moved,
      worker: false,
      mailDays: 2,
      tokenSeconds: 604_800,
    });
    const token = await logIn(sealpost);
    await sealpost.submit("main", MESSAGE);
    await sealpost.drain();
    const count = async () => {
      await sealpost.prune();
      const { value } = (await read(sealpost, "/mail/", token)).result;
      return (value as { readonly count: number }).count;
    };
    now.current = new Date("2026-06-03T11:00:00Z");
    expect(await count()).toBe(1);
    now.current = new Date("2026-06-03T13:00:00Z");
    expect(await count()).toBe(0);
  });
});

test("a wake completes when its message is claimed, so that an engine can give the next one to another worker", async () => {
  const listening = Promise.withResolvers<(mailId: string) => Promise<void>>();
  const wake = {
    name: "test",
    sweepMs: 3_600_000,
    notify: async () => undefined,
    async listen(on: (mailId: string) => Promise<void>, { signal }: { readonly signal: AbortSignal }) {
      listening.resolve(on);
      await new Promise((resolve) => signal.addEventListener("abort", resolve));
    },
    [Symbol.asyncDispose]: async () => undefined,
  };
  await using server = await startSmtpServer({ script: { greeting: stall() } });
  const sealpost = await start({ wake });
  await sealpost.makeFirstAdmin(ADMIN);
  const headers = { Authorization: await logIn(sealpost) };
  const settings = {
    server: `127.0.0.1:${server.port}`,
    sender: "a@example.org",
    enqueue_job: "1",
    timeout: "1",
  };
  await sealpost.app.request("/smtpserver/main", {
    method: "POST",
    body: new URLSearchParams(settings),
    headers,
  });
  const to = [{ name: "", address: "ann@example.net" }];
  const result = await sealpost.submit("main", { to, subject: "Queued", text: "Queued\n" });
  const mailId = result.state === "queued" ? result.mailId : "";
  const state = async () => (await read(sealpost, `/mail/${mailId}`, headers.Authorization)).result.value;
  expect(await state()).toMatchObject({ state: "queued" });
  await (await listening.promise)(mailId);
  expect(await state()).toMatchObject({ state: "sending" });
  await sealpost[Symbol.asyncDispose]();
});

/** Resolves a promise when it replies. */
function notifying(arrived: () => void): Misbehavior {
  return (_peer, reply) => {
    reply();
    arrived();
  };
}
