import { appendFileSync, copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { KeyPair } from "../../src/testing/smtp/index.ts";
import { type Folder, temporaryFolder } from "../fixtures/process/folder.ts";
import { run } from "./debian.ts";

const POLL_MS = 30;
const START_MS = 30_000;

export const DOMAIN = "example.net";
export const USER = { username: "mailer", password: "a password" };
/** The local part that every server rejects with 550. */
export const UNKNOWN = "unknown";

/** A certificate for `localhost` that is its own authority. OpenSMTPD cannot use a key of a curve. */
export function createPeerCertificate(): KeyPair {
  const folder = mkdtempSync(join(tmpdir(), "peer-tls-"));
  try {
    const request = [
      "req",
      "-x509",
      "-newkey",
      "rsa:2048",
      "-nodes",
      "-keyout",
      "key.pem",
      "-out",
      "cert.pem",
    ];
    const name = ["-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"];
    run(["openssl", ...request, ...name], folder);
    const read = (file: string): string => readFileSync(join(folder, file), "utf8");
    return { key: read("key.pem"), cert: read("cert.pem") };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

export interface PeerOptions {
  readonly tls: KeyPair;
}

/** A running mail server by other authors, on 127.0.0.1. */
export interface Peer extends AsyncDisposable {
  readonly port: number;
  log(): string;
  /** Waits until log or mailbox have a number of matches. @returns all of them. */
  until(pattern: RegExp, count: number): Promise<readonly string[]>;
}

export interface PeerProgram {
  readonly command: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly port: number;
  /** Files that show what happened: logs and mailboxes. */
  readonly files: readonly string[];
  readonly folder: Folder;
  /** Whether it waits for a TLS handshake before the greeting. */
  readonly isImplicitTls?: true;
}

/** Starts a program and waits until it greets, or takes connections. */
export async function startPeer({
  command,
  env = {},
  port,
  files,
  folder,
  isImplicitTls,
}: PeerProgram): Promise<Peer> {
  const { PATH = "" } = process.env;
  const child = Bun.spawn([...command], { env: { PATH, ...env }, stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  const collect = async (stream: ReadableStream<Uint8Array>): Promise<void> => {
    for await (const chunk of stream) output += new TextDecoder().decode(chunk);
  };
  void collect(child.stdout);
  void collect(child.stderr);
  const log = (): string =>
    [output, ...files.filter((file) => existsSync(file)).map((file) => readFileSync(file, "latin1"))].join(
      "\n",
    );
  const wait = async <T>(look: () => T | null | Promise<T | null>): Promise<T> => {
    for (const endsMs = performance.now() + START_MS; performance.now() < endsMs; await Bun.sleep(POLL_MS)) {
      const found = await look();
      if (found !== null) return found;
      if (child.exitCode !== null) break;
    }
    throw new Error(`${command.join(" ")} did not get there: ${log()}`);
  };
  await wait(() => greets(port, isImplicitTls === true));
  return {
    port,
    log,
    until: (pattern, count) =>
      wait(() => {
        const matches = [...log().matchAll(pattern)].map(([, group = ""]) => group);
        return matches.length >= count ? matches : null;
      }),
    async [Symbol.asyncDispose]() {
      child.kill();
      await child.exited;
      folder[Symbol.dispose]();
    },
  };
}

/** Returns whether a server on the port greets or only accepts the connection. `null` if neither. */
async function greets(port: number, isConnectionEnough: boolean): Promise<true | null> {
  const { promise, resolve } = Promise.withResolvers<true | null>();
  const socket = await Bun.connect({
    hostname: "127.0.0.1",
    port,
    socket: { data: () => resolve(true), error: () => resolve(null), close: () => resolve(null) },
  }).catch(() => null);
  if (socket === null) return null;
  if (isConnectionEnough) resolve(true);
  try {
    return await promise;
  } finally {
    socket.end();
  }
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === "object" && address !== null ? address.port : 0;
}

/** A folder that programs of other users may enter. */
export function peerFolder(): Folder {
  const folder = temporaryFolder();
  Bun.spawnSync(["chmod", "755", folder.path]);
  return folder;
}

/** The command that runs a program where further users exist, in a mount namespace. */
export function withUsers(
  folder: string,
  users: readonly string[],
  mounts: readonly string[],
  command: string,
) {
  for (const [index, file] of ["passwd", "group"].entries()) {
    copyFileSync(`/etc/${file}`, join(folder, file));
    for (const [number, user] of users.entries()) {
      const id = 64_000 + number;
      const line = index === 0 ? `${user}:x:${id}:${id}::/nonexistent:/usr/sbin/nologin` : `${user}:x:${id}:`;
      appendFileSync(join(folder, file), `${line}\n`);
    }
  }
  const binds = ["passwd", "group"].map((file) => `mount --bind ${folder}/${file} /etc/${file}`);
  return ["unshare", "-m", "sh", "-c", [...binds, ...mounts, `exec ${command}`].join(" && ")];
}
