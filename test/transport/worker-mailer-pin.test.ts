import { describe, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { readdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const FOLDER = dirname(fileURLToPath(import.meta.resolve("worker-mailer/package.json")));
// The file that the build of the Worker uses.
const text = await Bun.file(join(FOLDER, "dist", "index.js")).text();

test("driver and observer of worker-mailer stay within 250 lines", async () => {
  const folder = join(import.meta.dir, "..", "..", "src", "transport", "worker-mailer");
  const files = await readdir(folder);
  const texts = await Promise.all(files.map((name) => Bun.file(join(folder, name)).text()));
  expect(texts.join("").split("\n").length - 1).toBeLessThanOrEqual(250);
});

// If one of these fails, read the changes of the package before you adapt the observer.
describe("worker-mailer is the version that the observer knows:", () => {
  test("its version is pinned exactly", async () => {
    const own = await Bun.file(join(import.meta.dir, "..", "..", "package.json")).json();
    expect(own.dependencies["worker-mailer"]).toBe("1.2.1");
    expect((await Bun.file(join(FOLDER, "package.json")).json()).version).toBe("1.2.1");
  });

  test("its code is the same, octet for octet", () => {
    const sha256 = "352cf19d2b89117b3b8e20b4e6649a5abac53c042cc612cf93bca3783da8086a";
    expect(createHash("sha256").update(text).digest("hex")).toBe(sha256);
  });

  test("it writes the commands of the observer, the mechanisms hidden from it, and two that are denied", () => {
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

  test("it imports sockets once", () => {
    expect([...text.matchAll(/require\("([^"]+)"\)|import\(/g)].map(([, from]) => from)).toEqual([
      "cloudflare:sockets",
    ]);
  });
});
