import { expect, setDefaultTimeout, test } from "bun:test";
import { openDatabase } from "../../src/storage/open-database.ts";
import { realRandomBytes, testInstance } from "../fixtures/instance.ts";
import { Child, TEST_MS } from "../fixtures/process/child.ts";
import { temporaryFolder } from "../fixtures/process/folder.ts";
import { CLIENT, startTokenServer } from "../fixtures/token-server.ts";

setDefaultTimeout(TEST_MS);

/** A database file with the definition `main`, and a token server. */
async function shared(flow: "client_credentials" | "refresh_token") {
  const folder = temporaryFolder();
  const url = `file:${folder.path}/sealpost.db`;
  const server = await startTokenServer();
  const database = openDatabase({ url, randomBytes: realRandomBytes });
  const instance = await testInstance({ database });
  const json = {
    server: "smtps://mail.example.org",
    username: "box@example.com",
    auth: "oauth2",
    oauth_token_url: server.tokenUrl,
    oauth_client_id: CLIENT.id,
    oauth_client_secret: CLIENT.secret,
    oauth_flow: flow,
    oauth_refresh_token: server.createRefreshToken(),
  };
  /** Another version of the definition needs another access token. */
  const save = async () => void (await instance.request("POST", "/smtpserver/main", { json }));
  await save();
  return {
    server,
    save,
    startProcess: () => new Child("test/flow/fixtures/oauth-process.ts", [url], { folder: folder.path }),
    async [Symbol.asyncDispose]() {
      await instance[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
      folder[Symbol.dispose]();
    },
  };
}

/** Returns the access tokens that a process got, and kills it before it uses them. */
async function gotAndKilled(child: Child): Promise<string | undefined> {
  const [, tokens] = await child.printed(/^got (.*)$/m);
  child.signal("SIGKILL");
  await child.ended;
  return tokens;
}

test("two processes with 25 callers each request one token", async () => {
  await using context = await shared("client_credentials");
  const { server, startProcess } = context;
  const [first, second] = await Promise.all([startProcess(), startProcess()].map(gotAndKilled));
  expect(server.tokenRequests).toHaveLength(1);
  expect(first).toBe(server.issued[0] ?? "");
  expect(second).toBe(server.issued[0] ?? "");
});

test("a process killed before it uses its token loses no refresh token, even if the old one is void", async () => {
  await using context = await shared("refresh_token");
  const { server, save, startProcess } = context;
  server.rotation = "strict";
  for (let use = 0; use < 3; use++) {
    expect(await gotAndKilled(startProcess())).toBe(server.issued[use] ?? "");
    await save();
  }
  const used = server.tokenRequests.map(({ fields }) => fields.refresh_token);
  expect(new Set(used).size).toBe(3);
});

test("a process killed before the response arrives loses no refresh token that stays valid", async () => {
  await using context = await shared("refresh_token");
  const { server, save, startProcess } = context;
  server.rotation = "lenient";
  const arrived = Promise.withResolvers<void>();
  server.misbehave(({ proper }) => {
    proper();
    arrived.resolve();
    return "silence";
  });
  const waiting = startProcess();
  await arrived.promise;
  waiting.signal("SIGKILL");
  await waiting.ended;
  // Its lease ends with the old version.
  await save();
  expect(await gotAndKilled(startProcess())).toBe(server.issued[1] ?? "");
});
