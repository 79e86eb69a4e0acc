import { describe, expect, test } from "bun:test";
import type { InStatement } from "@libsql/client";
import { sql } from "drizzle-orm";
import { Epoch } from "../../src/storage/epoch.ts";
import { ADMINS, SERVERS } from "../../src/storage/kept-tables.ts";
import { type Connections, LibsqlDatabase } from "../../src/storage/libsql-database.ts";
import { migrate } from "../../src/storage/migrate.ts";
import { MIGRATIONS } from "../../src/storage/migrations/index.ts";
import { createSealedRepository } from "../../src/storage/sealed-values.ts";
import { createSmtpServerRepository, type SmtpServerRow } from "../../src/storage/smtp-servers.ts";
import { connectLimited } from "../../src/testing/limited-database.ts";
import { openEmptyDatabase } from "../fixtures/database.ts";

const ROW: SmtpServerRow = {
  id: "1",
  identifier: "a",
  server: "mail.example.org",
  port: 25,
  username: "",
  password: "v1.old.nonce.sealed",
  sender: "",
  tls: false,
  timeout: 10,
  enqueueJob: false,
  description: "",
  smime: false,
  dontSendOnError: false,
  smimePss: false,
  smimeEncrypt: false,
  privateKey: "",
  privateKeyPassword: "",
  signingKey: "",
  certificate: "",
  maxConnections: 5,
  mailsPerMinute: 0,
  pipelining: "auto",
  authMechanism: "auto",
  provider: "",
  apiUrl: "",
  auth: "password",
  oauthFlow: "client_credentials",
  oauthTokenUrl: "",
  oauthAuthorizationUrl: "",
  oauthDeviceUrl: "",
  oauthClientId: "",
  oauthClientSecret: "",
  oauthPrivateKey: "",
  oauthCertificate: "",
  oauthServiceAccount: "",
  oauthRefreshToken: "",
  oauthScope: "",
  oauthMechanism: "auto",
  tlsCertificate: "",
  tlsPrivateKey: "",
  etagSeed: "seed",
  version: 1,
};

const randomBytes = (length: number) => crypto.getRandomValues(new Uint8Array(length));
const changed = sql`UPDATE smtp_server SET description = 'changed', version = version + 1`;

async function open(connections?: Connections) {
  const database =
    connections === undefined ? openEmptyDatabase({ randomBytes }) : new LibsqlDatabase(connections);
  await migrate(database, MIGRATIONS, { now: () => new Date() });
  const epoch = new Epoch(database);
  return Object.assign(database, { epoch, servers: createSmtpServerRepository(database, epoch) });
}

describe("find()", () => {
  test("is current in each request, before all definitions are kept and afterwards", async () => {
    await using database = await open();
    const { epoch, servers } = database;
    const described = () => epoch.run(async () => (await servers.find("a"))?.description);
    expect(await described()).toBeUndefined();
    await database.commit([servers.insert(ROW)]);
    expect(await described()).toBe("");
    await database.commit([database.write.run(changed)]);
    expect(await described()).toBe("changed");
    expect(await epoch.run(servers.list)).toHaveLength(1);
    await database.commit([servers.update({ ...ROW, description: "again", version: 3 }, [])]);
    expect(await described()).toBe("again");
    await database.commit([servers.remove({ id: "1", version: 3 })]);
    expect(await described()).toBeUndefined();
  });

  test("is the basis of a commit, which a change in between stops", async () => {
    await using database = await open();
    const { epoch, servers } = database;
    await database.commit([servers.insert(ROW)]);
    await epoch.run(async () => {
      const remove = () => epoch.commit([SERVERS], [database.write.run(sql`DELETE FROM smtp_server`)]);
      expect((await servers.find("a"))?.version).toBe(1);
      await database.commit([database.write.run(changed)]);
      expect(await remove()).toBeNull();
      expect((await servers.find("a"))?.version).toBe(2);
      expect(await remove()).not.toBeNull();
    });
  });

  test("reads the first definition alone, and keeps all with the second", async () => {
    const { reader, ...connections } = connectLimited({ randomBytes });
    const rows: number[] = [];
    const run: typeof reader.run = (operation, options) =>
      reader.run((client) => {
        const batch: typeof client.batch = async (...statements) => {
          const results = await client.batch(...statements);
          const found = results.filter(({ columns }) => columns.includes("etag_seed"));
          rows.push(...found.map((result) => result.rows.length));
          return results;
        };
        return operation({ execute: (statement: InStatement) => client.execute(statement), batch });
      }, options);
    await using database = await open({
      ...connections,
      reader: { run, close: () => reader.close() },
    });
    const { epoch, servers } = database;
    for (const name of ["a", "b", "c"])
      await database.commit([servers.insert({ ...ROW, id: name, identifier: name })]);
    await epoch.run(async () => {
      await epoch.rows(ADMINS);
      await servers.find("b");
    });
    expect(rows).toEqual([1]);
    expect((await epoch.run(() => servers.find("c")))?.id).toBe("c");
    expect(rows).toEqual([1, 3]);
    expect((await epoch.run(() => servers.find("a")))?.id).toBe("a");
    expect(await epoch.run(servers.list)).toHaveLength(3);
    expect(rows).toEqual([1, 3]);
  });
});

test("update() keeps the form of a secret that a key rotation re-encrypted meanwhile", async () => {
  await using database = await open();
  const { servers } = database;
  const place = { table: "smtp_server", row: "1", column: "password", value: ROW.password };
  await database.commit([servers.insert(ROW)]);
  await database.commit([createSealedRepository(database).replace(place, "v1.new.nonce.sealed")]);
  await database.commit([servers.update({ ...ROW, description: "saved", version: 2 }, ["password"])]);
  const stored = await servers.find("a");
  expect(stored).toMatchObject({ description: "saved", version: 2, password: "v1.new.nonce.sealed" });
});
