import { expect, setDefaultTimeout, test } from "bun:test";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { startSmtpServer } from "../../src/testing/smtp/index.ts";
import { session } from "../fixtures/process/api.ts";
import { TEST_MS } from "../fixtures/process/child.ts";
import { temporaryFolder } from "../fixtures/process/folder.ts";
import { type Sealpost, startSealpost } from "../fixtures/process/sealpost.ts";
import { outside } from "../storage/fixtures/database.ts";

setDefaultTimeout(TEST_MS);

async function startTogether(folder: string, count: number) {
  const starts = await Promise.allSettled(Array.from({ length: count }, () => startSealpost({ folder })));
  const servers = starts.flatMap((start) => (start.status === "fulfilled" ? [start.value] : []));
  const failures = starts.flatMap((start) => (start.status === "rejected" ? [String(start.reason)] : []));
  return {
    servers,
    failures,
    async [Symbol.asyncDispose]() {
      await Promise.all(servers.map((server) => server[Symbol.asyncDispose]()));
    },
  };
}

async function logIn(servers: readonly Sealpost[]) {
  const password = servers.flatMap((server) => server.password ?? []).join();
  return { password, api: await servers[0]?.logIn(password) };
}

test.each([2, 4])(
  "%d processes that start together create one admin, one key and one set of tables",
  async (count) => {
    using folder = temporaryFolder();
    await using together = await startTogether(folder.path, count);
    const { servers, failures } = together;
    expect(failures).toEqual([]);
    expect(servers.filter(({ password }) => password !== null)).toHaveLength(1);
    const data = join(folder.path, "data");
    expect(readdirSync(data).filter((name) => name.includes("keys"))).toEqual(["sealpost.keys"]);
    const path = join(data, "sealpost.db");
    expect(await outside(path, "SELECT count(*) AS n FROM admin")).toEqual([{ n: 1 }]);
    expect(await outside(path, "SELECT count(*) = count(DISTINCT name) AS once FROM migration")).toEqual([
      { once: 1 },
    ]);

    const { api } = await logIn(servers);
    for (const server of servers) {
      const there = session(server.url, api?.token ?? "");
      expect(
        (await there.save(new URL(server.url).port, { server: "mail.example.org", password: server.url }))
          .status,
      ).toBe(200);
    }
    for (const server of servers) {
      const found = await session(server.url, api?.token ?? "").list();
      for (const { url } of servers) expect(found[new URL(url).port]).toMatchObject({ password: url });
    }
  },
);

test("a change in one process applies to the next request of another", async () => {
  using folder = temporaryFolder();
  await using together = await startTogether(folder.path, 2);
  const [one, other] = together.servers;
  const { api } = await logIn(together.servers);
  const there = session(other?.url ?? "", api?.token ?? "");
  await using first = await startSmtpServer();
  await using second = await startSmtpServer();
  const sender = "otp@example.org";
  const stored = {
    identifier: "moving",
    sender,
    recipient: "you@example.net",
    password: "__CENSORED__",
    username: "u",
  };
  for (const smtp of [first, second]) {
    const definition = {
      server: `127.0.0.1:${smtp.port}`,
      username: "u",
      sender,
      password: `for ${smtp.port}`,
    };
    expect((await api?.save("moving", definition))?.status).toBe(200);
    expect((await there.list()).moving).toMatchObject(definition);
    // The stored password is borrowed for the stored host only, so this passes only if the other process knows the new host.
    expect((await there.test({ ...stored, server: definition.server })).body.detail?.delivery?.code).toBe(
      "auth_not_offered",
    );
  }
  expect((await api?.call("DELETE", "/smtpserver/moving"))?.body.result.value).toBe(true);
  expect(await there.list()).toEqual({});
  expect(one?.url).not.toBe(other?.url);
});

test("a policy saved in one process applies to the next request of another", async () => {
  using folder = temporaryFolder();
  await using together = await startTogether(folder.path, 2);
  const { api } = await logIn(together.servers);
  const there = session(together.servers[1]?.url ?? "", api?.token ?? "");
  expect((await there.call("GET", "/smtpserver/")).status).toBe(200);
  const policy = { scope: "admin", action: ["policyread", "policywrite", "policydelete"] };
  expect((await api?.call("POST", "/policy/no-mail", policy))?.status).toBe(200);
  expect((await there.call("GET", "/smtpserver/")).status).toBe(403);
});
