import { expect, test } from "bun:test";
import { Epoch } from "../../src/storage/epoch.ts";
import { migrate } from "../../src/storage/migrate.ts";
import { MIGRATIONS } from "../../src/storage/migrations/index.ts";
import { createSealedRepository } from "../../src/storage/sealed-values.ts";
import { createSmtpServerRepository, type SmtpServerRow } from "../../src/storage/smtp-servers.ts";
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

test("update() keeps the form of a secret that a key rotation re-encrypted meanwhile", async () => {
  const randomBytes = (length: number) => crypto.getRandomValues(new Uint8Array(length));
  await using database = openEmptyDatabase({ randomBytes });
  await migrate(database, MIGRATIONS, { now: () => new Date() });
  const servers = createSmtpServerRepository(database, new Epoch(database));
  const place = { table: "smtp_server", row: "1", column: "password", value: ROW.password };
  await database.commit([servers.insert(ROW)]);
  await database.commit([createSealedRepository(database).replace(place, "v1.new.nonce.sealed")]);
  await database.commit([servers.update({ ...ROW, description: "saved", version: 2 }, ["password"])]);
  const stored = await servers.find("a");
  expect(stored).toMatchObject({ description: "saved", version: 2, password: "v1.new.nonce.sealed" });
});
