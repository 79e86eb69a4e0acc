import { describe, expect, test } from "bun:test";
import { testInstance } from "../fixtures/instance.ts";

const SERVER = { server: "mail.example.org", sender: "app@example.org" };
const RECIPIENT = "ann@example.net";
const MISSPELLED = { code: "unknown_parameter", parameter: "usrname" };

describe("an unknown parameter", () => {
  test("is named with the nearest known name when a definition is saved, and does not prevent saving", async () => {
    await using instance = await testInstance();
    const json = { ...SERVER, usrname: "u" };
    const { status, value, detail } = await instance.request("POST", "/smtpserver/a", { json });
    expect([status, value]).toEqual([200, true]);
    expect(detail).toEqual({
      warnings: [
        expect.stringContaining(
          "usrname is not known and has no effect: the nearest known name is username.",
        ),
      ],
      notices: [MISSPELLED],
    });
  });

  test("is named after other notices, sentence by sentence", async () => {
    await using instance = await testInstance();
    const json = { ...SERVER, username: "u", usrname: "u" };
    const { detail } = await instance.request("POST", "/smtpserver/a", { json });
    expect(detail?.warnings).toEqual([
      expect.stringContaining("clear text"),
      expect.stringContaining("usrname"),
    ]);
    expect(detail?.notices).toEqual([{ code: "clear_text", parameter: "tls" }, MISSPELLED]);
  });

  test("is named in the response to a test", async () => {
    await using instance = await testInstance();
    const form = { ...SERVER, recipient: RECIPIENT, usrname: "u" };
    const { value, detail } = await instance.request("POST", "/smtpserver/send_test_email", { form });
    expect(value).toBe(true);
    expect(detail).toMatchObject({ delivery: { outcome: "sent" }, notices: [MISSPELLED] });
  });

  test("never has its value shown", async () => {
    await using instance = await testInstance();
    const json = { ...SERVER, passwort: "hunter2" };
    const { text } = await instance.request("POST", "/smtpserver/a", { json });
    expect(text).toContain("the nearest known name is password.");
    expect(text).not.toContain("hunter2");
  });
});

test("the identifier may be in the body as well as in the path", async () => {
  await using instance = await testInstance();
  const json = { ...SERVER, identifier: "a" };
  const { detail } = await instance.request("POST", "/smtpserver/a", { json });
  expect(detail).toBeUndefined();
});
