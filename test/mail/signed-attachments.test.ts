import { describe, expect, test } from "bun:test";
import PostalMime from "postal-mime";
import type { Message } from "sealpost";
import { type TestInstance, testInstance } from "../fixtures/instance.ts";
import { SENDER, sender } from "../fixtures/smime/authority.ts";
import { isInstalled } from "../fixtures/smime/openssl.ts";
import { gpgsmVerify, opensslVerify, splitSigned } from "../fixtures/smime/verify.ts";
import { DOWN, queueInstance } from "./fixtures/queue.ts";

const PDF = new Uint8Array([0, 10, 13, 255, 26]);
const MESSAGE: Message = {
  to: "Ann <ann@example.net>",
  cc: ["bob@bücher.example"],
  bcc: "audit@example.net",
  subject: "Report für Ann",
  text: "From here on: read the report. \n.\nEnde für heute\n",
  html: '<p>Report <img src="cid:logo"></p>',
  language: "de",
  attachments: [
    { content: PDF, filename: "Bericht „1“.pdf" },
    { content: "name;code\r\nAnn;1\n", filename: "codes.csv" },
    { content: new Uint8Array([137, 80, 78, 71]), filename: "logo.png", contentId: "logo" },
  ],
  headers: { References: "<1@example.org>", "List-Unsubscribe": "<https://example.org/u>", "X-Ticket": "7" },
};

async function save(instance: TestInstance, identifier: string, json: object = {}) {
  const { key, certificate, intermediate } = await sender("rsa");
  const definition = {
    ...{ server: "mail.example.org", sender: SENDER, smime: true, dont_send_on_error: true },
    ...{ private_key: key, certificate: certificate + intermediate.certificate, ...json },
  };
  expect((await instance.request("POST", `/smtpserver/${identifier}`, { json: definition })).status).toBe(
    200,
  );
}

/** Header names and values of an entity, the first of each. */
function fieldsOf(text: string): Readonly<Record<string, string>> {
  const header = text.slice(0, text.indexOf("\r\n\r\n")).replace(/\r\n[ \t]+/g, " ");
  return Object.fromEntries(
    header.split("\r\n").map((line) => {
      const [name = "", ...value] = line.split(": ");
      return [name.toLowerCase(), value.join(": ")];
    }),
  );
}

describe.skipIf(!isInstalled("openssl"))("a signed message with attachments", () => {
  test("is verified by openssl, with everything under the signature", async () => {
    await using instance = await testInstance();
    await save(instance, "a");
    expect(await instance.services.submit("a", MESSAGE)).toMatchObject({
      ...{ state: "delivered", smime: { signed: true } },
    });
    const { root } = await sender("rsa");
    for (const { bytes } of instance.sent) {
      const verified = await opensslVerify(bytes, root);
      expect(verified.stderr).toContain("successful");
      const signed = await PostalMime.parse(verified.stdout);
      expect(signed.html).toContain('<html lang="de">');
      expect(signed.attachments.map(({ filename }) => filename)).toEqual([
        ...["logo.png", "Bericht „1“.pdf", "codes.csv"],
      ]);
      expect(verified.stdout).not.toContain("audit@example.net");
    }
    const [first] = instance.sent;
    const [outside, inside] = [
      fieldsOf(new TextDecoder().decode(first?.bytes)),
      fieldsOf(splitSigned(first?.bytes ?? new Uint8Array()).content),
    ];
    for (const name of ["cc", "auto-submitted", "references", "list-unsubscribe", "x-ticket", "subject"]) {
      expect([name, inside[name]]).toEqual([name, outside[name] ?? "absent"]);
    }
    expect(inside["content-type"]).toContain('hp="clear"');
  });

  test("has no line that a relay would change", async () => {
    await using instance = await testInstance();
    await save(instance, "a");
    await instance.services.submit("a", MESSAGE);
    const { content } = splitSigned(instance.sent[0]?.bytes ?? new Uint8Array());
    const lines = content.split("\r\n");
    expect(lines.filter((line) => /^From |[ \t]$|^\.$|[^\t\x20-\x7e]/.test(line))).toEqual([]);
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(998);
  });

  test("is composed and signed again for the next definition when the first one's server is down", async () => {
    await using instance = await queueInstance();
    await save(instance, "a");
    await save(instance, "b", { server: "two.example.org", sender: `Two <${SENDER}>` });
    const { length } = [MESSAGE.to, MESSAGE.cc, MESSAGE.bcc];
    instance.fail({ ...DOWN, times: length }, "mail.example.org");
    await instance.queue({ queue: true }, MESSAGE, ["a", "b"]);
    await instance.drain();
    expect(instance.got.map(({ server }) => server.host)).toEqual(Array(length).fill("two.example.org"));
    const verified = await opensslVerify(
      instance.got[0]?.bytes ?? new Uint8Array(),
      (await sender("rsa")).root,
    );
    expect(verified.stderr).toContain("successful");
    const signed = await PostalMime.parse(verified.stdout);
    expect(signed.from?.name).toBe("Two");
    expect(new Uint8Array(signed.attachments[1]?.content as ArrayBuffer)).toEqual(PDF);
  });

  test.skipIf(!isInstalled("gpgsm"))("is verified by gpgsm", async () => {
    await using instance = await testInstance();
    await save(instance, "a");
    await instance.services.submit("a", MESSAGE);
    const { root } = await sender("rsa");
    const verified = await gpgsmVerify(instance.sent[0]?.bytes ?? new Uint8Array(), root);
    expect(verified.stdout).toContain("GOODSIG");
  });
});
