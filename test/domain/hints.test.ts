import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { FINDINGS, joined, problem } from "../../src/domain/findings.ts";
import { codedHint, HINTS, hintText } from "../../src/domain/hints/index.ts";

const ROOT = join(import.meta.dir, "..", "..", "src");

/** Returns the sources that can name a hint. */
async function sources(): Promise<string> {
  const rooms = ["mail", "domain", "smtp", "oauth", "plugin"];
  const paths = rooms.flatMap((room) => [...new Bun.Glob(`${room}/**/*.ts`).scanSync(ROOT)]);
  const own = paths.filter((path) => !path.startsWith("domain/hints/") && path !== "domain/findings.ts");
  return (await Promise.all(own.map((path) => Bun.file(join(ROOT, path)).text()))).join("\n");
}

describe("a hint", () => {
  test("has the values that its text names, and no others", () => {
    const hint = codedHint("port_closed", { port: 2525, host: "mail.example.org" });
    expect(hint).toEqual({ code: "port_closed", values: { port: "2525" } });
    expect(hintText([hint, codedHint("clock_check")])).toBe(
      "Nothing is listening on port 2525. Try 587 (STARTTLS) or 465 (smtps://), or check the firewall. Check the clock of this machine.",
    );
  });

  test("is whole sentences, which some rule uses", async () => {
    const text = await sources();
    for (const [code, sentence] of Object.entries(HINTS)) {
      expect([code, sentence]).toEqual([code, expect.stringMatching(/^[A-Z{].*\.$/i)]);
      expect([code, text.includes(`"${code}"`)]).toEqual([code, true]);
    }
  });
});

describe("a problem of the instance", () => {
  test("has its values, and may be followed by a hint", () => {
    const first = problem("server_fails", { target: "main (mail.example.org:25)", code: "refused" });
    const hint = codedHint("clock_check");
    expect(joined([first, { text: hintText([hint]), sentences: [hint] }])).toEqual({
      text: "main (mail.example.org:25): refused. Check the clock of this machine.",
      sentences: [
        { code: "server_fails", values: { target: "main (mail.example.org:25)", code: "refused" } },
        { code: "clock_check", values: {} },
      ],
    });
  });

  test("has a code that no hint has, and that some check uses", async () => {
    const text = await sources();
    for (const code of Object.keys(FINDINGS)) {
      expect([code, code in HINTS, text.includes(`"${code}"`)]).toEqual([code, false, true]);
    }
  });
});
