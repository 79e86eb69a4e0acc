import { describe, expect, test } from "bun:test";
import { decode } from "hono/jwt";
import { createSealpost, type Sealpost, type SealpostOptions } from "sealpost";
import { openDrivers } from "sealpost/bun";
import { CHEAP } from "./fixtures/instance.ts";

const ADMIN = { username: "admin", password: "correct horse" };

async function start(options: Partial<SealpostOptions> = {}): Promise<Sealpost> {
  const drivers = await openDrivers({ databaseUrl: ":memory:" });
  const sealpost = createSealpost({ ...drivers, passwordCost: CHEAP, ...options });
  await sealpost.start();
  return sealpost;
}

async function logIn({ app }: Sealpost, headers: Readonly<Record<string, string>> = {}): Promise<string> {
  const answer = await app.request("/auth", { method: "POST", body: new URLSearchParams(ADMIN), headers });
  const { result } = (await answer.json()) as {
    readonly result: { readonly value: { readonly token: string } };
  };
  return result.value.token;
}

async function read({ app }: Sealpost, path: string, token: string) {
  const answer = await app.request(path, { headers: { Authorization: token } });
  return (await answer.json()) as { readonly result: { readonly value: never } };
}

describe("createSealpost()", () => {
  test("takes drivers alone, and the server's defaults: an hour's token, passwords shown", async () => {
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

  test("takes its settings, and an option that is undefined as absent", async () => {
    const absent = { auditDays: undefined, hostName: undefined, revealSecrets: undefined } as object;
    await using sealpost = await start({ tokenSeconds: 60, ...absent });
    await sealpost.makeFirstAdmin(ADMIN);
    const { payload } = decode(await logIn(sealpost));
    expect(Number(payload.exp) - Number(payload.iat)).toBe(60);
    await sealpost.prune();
  });

  test("seals everything with the first key when asked to", async () => {
    await using sealpost = await start();
    // The check value and the token secret, which the only key has sealed.
    expect(await sealpost.rekey()).toEqual({ resealed: 0, current: 2 });
  });

  test("knows its clients by peerAddress and trustedProxies", async () => {
    await using sealpost = await start({ peerAddress: () => "10.0.0.1", trustedProxies: ["10.0.0.0/8"] });
    await sealpost.makeFirstAdmin(ADMIN);
    const token = await logIn(sealpost, { "X-Forwarded-For": "192.0.2.7" });
    const { value } = (await read(sealpost, "/audit/", token)).result;
    expect(value).toMatchObject({ auditdata: [{ client: "192.0.2.7" }] });
  });

  test("knows its clients by clientAddress before all else", async () => {
    await using sealpost = await start({ peerAddress: () => "10.0.0.1", clientAddress: () => "192.0.2.8" });
    await sealpost.makeFirstAdmin(ADMIN);
    const { value } = (await read(sealpost, "/audit/", await logIn(sealpost))).result;
    expect(value).toMatchObject({ auditdata: [{ client: "192.0.2.8" }] });
  });

  test("refuses a trusted proxy that is no address", async () => {
    await expect(start({ trustedProxies: ["proxy.example.org"] })).rejects.toMatchObject({
      code: "bad_setting",
      parameter: "trustedProxies",
    });
  });
});

describe("makeFirstAdmin()", () => {
  test("makes one admin and no second", async () => {
    await using sealpost = await start();
    expect(await sealpost.makeFirstAdmin(ADMIN)).toBe(true);
    expect(await sealpost.makeFirstAdmin({ username: "other", password: "other" })).toBe(false);
    expect(await logIn(sealpost)).toBeString();
  });

  test.each([
    { username: "", password: "x" },
    { username: "x", password: "" },
  ])("refuses %p", async (admin) => {
    await using sealpost = await start();
    await expect(sealpost.makeFirstAdmin(admin)).rejects.toThrow(TypeError);
  });
});

test("start() may be called again", async () => {
  await using sealpost = await start();
  await sealpost.start();
  expect((await sealpost.app.request("/readyz")).status).toBe(200);
});
