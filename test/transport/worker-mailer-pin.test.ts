import { describe, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { LIBRARY_LINES } from "../../src/transport/worker-mailer-guard.ts";

const FOLDER = dirname(fileURLToPath(import.meta.resolve("worker-mailer/package.json")));
const text = await Bun.file(join(FOLDER, "dist", "index.mjs")).text();

// When one of these fails, read what has changed in the package before the guard's table is brought in line.
describe("worker-mailer is the one that the guard knows:", () => {
  test("its version is pinned exactly", async () => {
    const own = await Bun.file(join(import.meta.dir, "..", "..", "package.json")).json();
    expect(own.dependencies["worker-mailer"]).toBe("1.2.1");
    expect((await Bun.file(join(FOLDER, "package.json")).json()).version).toBe("1.2.1");
  });

  test("its code is the same, octet for octet", () => {
    const sha256 = "ae2f484e270bb6e591d72737b38ad9443d796c232d82d095451c64f835dbdc6a";
    expect(createHash("sha256").update(text).digest("hex")).toBe(sha256);
  });

  test("what it can write is what the table of the guard holds, what is hidden from it, and two commands to end", () => {
    const written = [...text.matchAll(/writeLine\(([^)]*)\)/g)].map(([, what = ""]) =>
      what.replaceAll("$", ""),
    );
    expect(written.toSorted()).toEqual([
      '"AUTH CRAM-MD5"',
      '"AUTH LOGIN"',
      '"DATA"',
      '"EHLO 127.0.0.1"',
      '"HELO 127.0.0.1"',
      '"QUIT"',
      '"RSET"',
      '"STARTTLS"',
      "`AUTH PLAIN {e}`",
      "btoa(`{this.credentials.username} {l}`",
      "e",
      "e",
      "n",
      "r",
      "t",
    ]);
  });

  test("what the table of the guard holds is in its code", () => {
    for (const line of Object.keys(LIBRARY_LINES)) {
      const command = line.replace(/(PLAIN |<).*\r\n$/, "$1").trimEnd();
      expect(text).toContain(command);
    }
  });

  test("it asks for sockets by one import", () => {
    expect([...text.matchAll(/\bfrom ?"([^"]+)"|import\(/g)].map(([, from]) => from)).toEqual([
      "cloudflare:sockets",
    ]);
  });
});
