import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { run } from "./debian.ts";
import { freePort, type Peer, type PeerOptions, peerFolder, startPeer, USER } from "./peer.ts";

const VERSION = "2.1.3";
const JAR = join(
  homedir(),
  `.m2/repository/com/icegreen/greenmail-standalone/${VERSION}/greenmail-standalone-${VERSION}.jar`,
);
const KEYSTORE_PASSWORD = "changeit";

export function greenMailObstacle(): string | null {
  const missing = ["java", "mvn", "openssl"].find((program) => Bun.which(program) === null);
  return missing === undefined ? null : `${missing} is not installed`;
}

/** Starts GreenMail with implicit TLS. It logs the messages that it accepts. */
export async function startGreenMail({ tls }: PeerOptions): Promise<Peer> {
  if (!existsSync(JAR)) {
    run(["mvn", "-q", "dependency:get", `-Dartifact=com.icegreen:greenmail-standalone:${VERSION}`]);
  }
  const folder = peerFolder();
  const port = await freePort();
  const at = (name: string): string => join(folder.path, name);
  await Bun.write(at("tls.pem"), tls.cert);
  await Bun.write(at("tls.key"), tls.key);
  const keystore = at("tls.p12");
  const input = ["-in", at("tls.pem"), "-inkey", at("tls.key")];
  run(["openssl", "pkcs12", "-export", ...input, "-out", keystore, "-passout", `pass:${KEYSTORE_PASSWORD}`]);
  const settings = {
    "smtps.hostname": "127.0.0.1",
    "smtps.port": port,
    users: `${USER.username}:${USER.password}@example.net`,
    "tls.keystore.file": keystore,
    "tls.keystore.password": KEYSTORE_PASSWORD,
    verbose: "",
  };
  const flags = Object.entries(settings).map(([name, value]) => `-Dgreenmail.${name}=${value}`);
  const command = ["java", ...flags, "-jar", JAR];
  const peer = await startPeer({ command, port, folder, files: [], isImplicitTls: true });
  // It listens before it has the user.
  await peer.until(/(Creating user )/g, 1);
  return peer;
}
