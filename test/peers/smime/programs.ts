import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { temporaryFolder } from "../../fixtures/process/folder.ts";
import { run as runProgram, scratchFile } from "../../fixtures/smime/openssl.ts";
import type { Recipient } from "../../fixtures/smime/recipient.ts";
import { run } from "../debian.ts";

const BOUNCY_CASTLE = "1.84";
const JARS = ["bcprov", "bcutil", "bcpkix"].map((name) => `${name}-jdk18on`);

/** An S/MIME reader by other authors. Both methods throw what it prints if it rejects the message. */
export interface SmimeReader {
  /** @param signature path of the detached signature. @returns the subject of the signer */
  verify(root: string, content: string, signature: string): Promise<string>;
  /** @param der the encrypted content. @returns the entity within */
  decrypt(der: Uint8Array, recipient: Recipient): Promise<string>;
}

export function obstacleOf(programs: readonly string[]): string | null {
  const missing = programs.find((program) => Bun.which(program) === null);
  return missing === undefined ? null : `${missing} is not installed`;
}

/** Compiles the reader that uses BouncyCastle, which Maven fetches once. */
export function buildBouncyCastle(): SmimeReader & Disposable {
  const files = JARS.map((name) =>
    join(homedir(), `.m2/repository/org/bouncycastle/${name}/${BOUNCY_CASTLE}/${name}-${BOUNCY_CASTLE}.jar`),
  );
  for (const [index, name] of JARS.entries()) {
    if (existsSync(files[index] ?? "")) continue;
    const artifact = `org.bouncycastle:${name}:${BOUNCY_CASTLE}`;
    run(["mvn", "-q", "dependency:get", "-Dtransitive=false", `-Dartifact=${artifact}`]);
  }
  const folder = temporaryFolder();
  const source = join(import.meta.dir, "java", "SmimeReader.java");
  run(["javac", "-d", folder.path, "-cp", files.join(":"), source]);
  const command = ["java", "-cp", [folder.path, ...files].join(":"), "SmimeReader"];
  return { ...reader(command), [Symbol.dispose]: () => folder[Symbol.dispose]() };
}

/** Compiles the reader that uses smallstep/pkcs7, which Go fetches once. */
export function buildGo(): SmimeReader & Disposable {
  const folder = temporaryFolder();
  const program = join(folder.path, "smimereader");
  run(["go", "build", "-o", program, "."], join(import.meta.dir, "go"));
  return { ...reader([program]), [Symbol.dispose]: () => folder[Symbol.dispose]() };
}

function reader(command: readonly string[]): SmimeReader {
  const output = async (...parameters: readonly string[]): Promise<string> => {
    const { code, stdout, stderr } = await runProgram([...command, ...parameters]);
    if (code !== 0) throw new Error(stderr);
    return stdout;
  };
  return {
    verify: (root, content, signature) =>
      output("verify", scratchFile(root), scratchFile(Buffer.from(content, "latin1")), signature),
    decrypt: (der, { key, certificate }) =>
      output("decrypt", scratchFile(key), scratchFile(certificate), scratchFile(der)),
  };
}
