import { describe, expect, test } from "bun:test";
import PostalMime from "postal-mime";
import { compose } from "../../src/message/compose.ts";
import { bytesOf, IDENTITY, MESSAGE, textOf } from "./fixtures/composed.ts";

describe("compose()", () => {
  test("writes these fields, in RFC 5322 form, and no other", async () => {
    const text = await textOf({ replyTo: [{ name: "Help, please", address: "help@example.org" }] });
    expect(text).toBe(
      [
        "From: Sealpost <otp@example.org>",
        "To: user@example.net",
        'Reply-To: "Help, please" <help@example.org>',
        "Subject: Your code",
        "Date: Mon, 01 Jun 2026 12:00:00 +0000",
        "Message-ID: <1@example.org>",
        "MIME-Version: 1.0",
        "Auto-Submitted: auto-generated",
        "Content-Transfer-Encoding: 7bit",
        "Content-Type: text/plain; charset=utf-8",
        "",
        "Your code is 123456.",
        "",
      ].join("\r\n"),
    );
  });

  test("writes Reply-To only when there is one", async () => {
    expect(await textOf()).not.toContain("Reply-To");
    expect(await textOf({ replyTo: [] })).not.toContain("Reply-To");
  });

  test("lists every recipient in To and none in Bcc", async () => {
    const to = ["a", "b", "c"].map((local) => ({ name: "", address: `${local}@example.net` }));
    const { headers } = await compose({ ...MESSAGE, to }, IDENTITY);
    expect(headers).toContain("To: a@example.net, b@example.net, c@example.net\r\n");
    expect(headers).not.toMatch(/^bcc:/im);
  });

  test("turns text and HTML into multipart/alternative, text first, with the identity's boundary", async () => {
    const text = await textOf({ html: "<b>123456</b>" });
    expect(text).toContain('Content-Type: multipart/alternative; boundary="=_-abc123-Part_1"');
    expect(text.indexOf("text/plain")).toBeLessThan(text.indexOf("text/html"));
    const parsed = await PostalMime.parse(text);
    expect(parsed.text?.trim()).toBe("Your code is 123456.");
    expect(parsed.html).toContain("<body>\n<b>123456</b>\n</body>");
  });

  test("turns HTML alone into text/html", async () => {
    const { text: _, ...rest } = MESSAGE;
    const { entity } = await compose({ ...rest, html: "<b>1</b>" }, IDENTITY);
    expect(new TextDecoder().decode(entity)).toContain(
      "\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<!doctype html>\r\n",
    );
  });

  test("accepts an empty text", async () => {
    expect((await PostalMime.parse(await bytesOf({ text: "" }))).text?.trim() ?? "").toBe("");
  });

  test("gives the text CRLF line ends before it is encoded", async () => {
    const text = await textOf({ text: "a\nb\rc\r\nd" });
    expect(text).toEndWith("\r\n\r\na\r\nb\r\nc\r\nd\r\n");
    const encoded = await textOf({ text: "漢\n字\r漢\r\n字" });
    const body = encoded.slice(encoded.indexOf("\r\n\r\n")).trim();
    expect(Buffer.from(body, "base64").toString()).toBe("漢\r\n字\r\n漢\r\n字");
  });

  test("writes an address whose local part is not ASCII as UTF-8 (RFC 6532)", async () => {
    const text = await textOf({ to: [{ name: "Jörg", address: "jörg@example.net" }] });
    expect(text).toContain("To: =?UTF-8?Q?J=C3=B6rg?= <jörg@example.net>\r\n");
  });

  for (const [name, unsafe] of Object.entries({
    CR: "a\rb",
    LF: "a\nBcc: x@example.org",
    "CR LF": "a\r\nBcc: x@example.org",
    NUL: "a\0b",
    ESC: "a\x1b[2Jb",
    NEL: "a\u0085b",
    "line separator": "a\u2028b",
  })) {
    test(`rejects ${name} in subject, names and addresses`, async () => {
      const box = { name: unsafe, address: "a@example.org" };
      await expect(bytesOf({ subject: unsafe })).rejects.toThrow(TypeError);
      await expect(bytesOf({ to: [box] })).rejects.toThrow(TypeError);
      await expect(bytesOf({ replyTo: [box] })).rejects.toThrow(TypeError);
      await expect(bytesOf({}, { from: box })).rejects.toThrow(TypeError);
      await expect(bytesOf({ to: [{ name: "", address: `${unsafe}@example.org` }] })).rejects.toThrow(
        TypeError,
      );
      await expect(bytesOf({}, { messageId: `<${unsafe}@example.org>` })).rejects.toThrow(TypeError);
      await expect(bytesOf({}, { boundary: unsafe })).rejects.toThrow(TypeError);
    });
  }

  test("rejects a message without recipient, or without content", async () => {
    await expect(bytesOf({ to: [] })).rejects.toThrow(TypeError);
    await expect(compose({ to: MESSAGE.to, subject: "x" }, IDENTITY)).rejects.toThrow(TypeError);
  });

  test("rejects addresses that would read as several, dates without four digits, and odd Message-IDs", async () => {
    for (const bad of ["a@example.org, b@example.org", "a@example.org>", "<a@example.org", "a", ""]) {
      await expect(bytesOf({ to: [{ name: "", address: bad }] })).rejects.toThrow(TypeError);
    }
    for (const bad of [Number.NaN, Date.UTC(-1, 0), Date.UTC(10_000, 0)]) {
      await expect(bytesOf({}, { date: new Date(bad) })).rejects.toThrow(TypeError);
    }
    for (const bad of ["1@example.org", "<1>", "<1@é>", "<1@a> <2@a>", `<${"1".repeat(1000)}@a>`]) {
      await expect(bytesOf({}, { messageId: bad })).rejects.toThrow(TypeError);
    }
  });
});

describe("compose() with custom header fields", () => {
  test("writes them after the usual ones, encoded if necessary", async () => {
    const mail = await PostalMime.parse(
      await bytesOf({ headers: { "OTP-Token": "123456", "X-Note": "für dich" } }),
    );
    expect(mail.headers.filter(({ key }) => /^(otp|x)-/.test(key))).toMatchObject([
      { key: "otp-token", value: "123456" },
      { key: "x-note", value: expect.stringMatching(/^=\?UTF-8\?/) },
    ]);
  });

  for (const name of ["Bcc", "to", "Content-Type", "Resent-To", "DKIM-Signature", "X Note", "X:", "", "Ü"]) {
    test(`rejects ${JSON.stringify(name)}`, async () => {
      await expect(bytesOf({ headers: { [name]: "a@example.org" } })).rejects.toThrow(TypeError);
    });
  }

  test("writes Auto-Submitted once, whatever the caller passes", async () => {
    const text = await textOf({ headers: { "auto-submitted": "no", "X-Note": "a" } });
    expect(text.match(/^auto-submitted:.*$/gim)).toEqual(["Auto-Submitted: auto-generated"]);
  });

  test("leaves URLs and identifiers unchanged at any length", async () => {
    const url = `<https://example.org/?a==?utf-8?q?b?=&c=${"x".repeat(400)}>`;
    const ids = Array.from({ length: 8 }, (_, i) => `<${i}.${"y".repeat(40)}@example.org>`);
    const mail = await PostalMime.parse(
      await bytesOf({
        headers: { "List-Unsubscribe": url, References: ids.join("  "), "X-Long": "z".repeat(500) },
      }),
    );
    const values = Object.fromEntries(mail.headers.map(({ key, value }) => [key, value]));
    expect(values).toMatchObject({
      "list-unsubscribe": url,
      references: ids.join(" "),
      "x-long": "z".repeat(500),
    });
  });

  test("rejects characters that a URL or an identifier cannot hold", async () => {
    await expect(bytesOf({ headers: { References: "<é@example.org>" } })).rejects.toThrow(TypeError);
    await expect(bytesOf({ headers: { "List-Help": "x".repeat(901) } })).rejects.toThrow(TypeError);
  });

  test("rejects a line break in a value", async () => {
    await expect(bytesOf({ headers: { "X-Note": "a\r\nBcc: b@example.org" } })).rejects.toThrow(TypeError);
  });
});

describe("compose() with several kinds of recipients", () => {
  const boxes = (...locals: string[]) =>
    locals.map((local) => ({ name: "", address: `${local}@example.net` }));

  test("lists cc in Cc, and names bcc nowhere", async () => {
    const text = await textOf({ to: boxes("a"), cc: boxes("b", "c"), bcc: boxes("d") });
    expect(text).toContain("\r\nTo: a@example.net\r\nCc: b@example.net, c@example.net\r\n");
    expect(text).not.toMatch(/^bcc:|d@example\.net/im);
  });

  test("names undisclosed recipients if all are in bcc", async () => {
    const text = await textOf({ to: [], bcc: boxes("d") });
    expect(text).toContain("\r\nTo: undisclosed-recipients:;\r\n");
    expect(await textOf({ to: [], cc: boxes("c") })).not.toMatch(/^to:/im);
  });

  test("keeps a quoted local part on one line", async () => {
    const address = `"${"a ".repeat(30)}b"@example.net`;
    const to = [...boxes("x".repeat(60)), { name: "A B", address }];
    const { headers } = await compose({ ...MESSAGE, to }, IDENTITY);
    expect(headers).toContain(`<${address}>`);
    expect((await PostalMime.parse(await bytesOf({ to }))).to?.[1]?.name).toBe("A B");
  });
});

describe("compose() with attachments", () => {
  const pdf = {
    content: new Uint8Array([0, 1, 2, 255]),
    filename: "Übersicht „1“.pdf",
    contentType: "application/pdf",
    contentId: null,
  };
  const logo = {
    content: new Uint8Array([137, 80]),
    filename: "logo.png",
    contentType: "image/png",
    contentId: "logo",
  };

  test("a reader gets files unchanged, with their names and types", async () => {
    const notes = {
      ...pdf,
      content: Buffer.from("From me \n.\n"),
      filename: "notes.txt",
      contentType: "text/plain",
    };
    const mail = await PostalMime.parse(await bytesOf({ html: "<p>1</p>", attachments: [pdf, notes] }));
    expect(mail.text?.trim()).toBe("Your code is 123456.");
    expect(mail.html).toContain("<p>1</p>");
    const [first, second] = mail.attachments;
    expect(first).toMatchObject({
      filename: pdf.filename,
      mimeType: "application/pdf",
      disposition: "attachment",
    });
    expect(first?.content).toEqual(pdf.content.buffer);
    expect(second).toMatchObject({ filename: "notes.txt", mimeType: "text/plain" });
    expect(Buffer.from(second?.content as ArrayBuffer).toString()).toBe("From me \n.\n");
  });

  test("puts an image that HTML refers to into multipart/related with the HTML", async () => {
    const text = await textOf({ html: '<img src="cid:logo">', attachments: [logo, pdf] });
    expect(text).toMatch(/multipart\/mixed[\s\S]*multipart\/alternative[\s\S]*multipart\/related/);
    const [image] = (await PostalMime.parse(text)).attachments;
    expect(image).toMatchObject({ contentId: "<logo>", disposition: "inline", related: true });
  });

  test("a reader gets a long text with signs of other encodings unchanged", async () => {
    const long = "a=3D b {html} {boundary}\r\n".repeat(6_000);
    const mail = await PostalMime.parse(await bytesOf({ text: long, html: long, attachments: [pdf] }));
    const expected = long.trimEnd().replaceAll("\r\n", "\n");
    expect(mail.text?.trimEnd()).toBe(expected);
    expect(mail.html).toContain(expected);
  });

  test("attaches an image without HTML that refers to it", async () => {
    const [image] = (await PostalMime.parse(await bytesOf({ attachments: [logo] }))).attachments;
    expect(image).toMatchObject({ disposition: "attachment", filename: "logo.png" });
  });

  test("accepts an empty file, and a message that is only a file", async () => {
    const empty = { ...pdf, content: new Uint8Array(0) };
    const mail = await PostalMime.parse(await bytesOf({ text: "", attachments: [empty] }));
    expect(mail.attachments).toHaveLength(1);
    expect(mail.attachments[0]?.content).toEqual(new ArrayBuffer(0));
  });

  test("quotes a name that starts with a star, which Python reads as none", async () => {
    const files = ["*star.txt", "*", "a; name=*b; c.txt", "**.tar.gz"].map((filename) => ({
      ...pdf,
      filename,
    }));
    const text = await textOf({ attachments: files });
    expect(text).toContain('Content-Disposition: attachment; filename="*star.txt"\r\n');
    expect(text).not.toMatch(/name=\*(?!b)/);
    const { attachments } = await PostalMime.parse(text);
    expect(attachments.map(({ filename }) => filename)).toEqual(files.map(({ filename }) => filename));
  });

  test("starts the value of a long Content-ID on the line of its name", async () => {
    const contentId = "x".repeat(200);
    const text = await textOf({ html: "<p>1</p>", attachments: [{ ...logo, contentId }] });
    expect(text).toContain(`Content-ID: <${contentId}>\r\n`);
  });

  test("writes ASCII lines that no program changes", async () => {
    const text = await textOf({ text: "From me \nü\n.\n", html: "<p>é</p>", attachments: [logo, pdf] });
    expect(text).toMatch(/^[\r\n\x20-\x7e]*$/);
    const body = text.slice(text.indexOf("\r\n\r\n")).split("\r\n");
    expect(body.filter((line) => /^From |[ \t]$|^\.$/.test(line))).toEqual([]);
  });
});
