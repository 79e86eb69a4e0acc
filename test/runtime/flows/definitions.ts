import { expect } from "bun:test";
import type { Flow } from "../flow.ts";

const DEFINITION = {
  server: "mail.example.org",
  port: 587,
  username: "mailer",
  password: "pässword ✓",
  sender: "otp@example.org",
  tls: true,
};
const CENSORED = "__CENSORED__";
/** As long as those of most clients. */
const BOUNDARY = "----------------------------boundary";

export const DEFINITIONS: readonly Flow[] = [
  {
    claim: "a definition is saved, listed, read, and deleted once",
    async run({ admin }) {
      const path = "/smtpserver/office%20%C3%A4";
      expect((await admin.save("office ä", DEFINITION)).body.result.value).toBe(true);
      expect((await admin.list())["office ä"]).toMatchObject(DEFINITION);
      expect((await admin.call("GET", path)).body.result.value).toMatchObject(DEFINITION);
      expect((await admin.call("DELETE", path)).body.result.value).toBe(true);
      expect((await admin.call("DELETE", path)).body.result.value).toBe(false);
      expect((await admin.call("GET", path)).status).toBe(404);
    },
  },
  {
    claim: "one of two changes to the same version of a definition gets 412",
    async run({ origin, admin }) {
      const send = (method: string, headers: Record<string, string> = {}, body?: unknown) =>
        fetch(`${origin}/smtpserver/tagged`, {
          method,
          headers: { Authorization: admin.token, "Content-Type": "application/json", ...headers },
          ...(body !== undefined && { body: JSON.stringify(body) }),
        });
      const made = await send("POST", { "If-None-Match": "*" }, DEFINITION);
      expect(made.status).toBe(200);
      expect((await send("POST", { "If-None-Match": "*" }, DEFINITION)).status).toBe(412);
      const tag = (await send("GET")).headers.get("ETag") ?? "";
      expect(tag).toMatch(/^"[\w-]+-1"$/);
      const changes = [1, 2].map((port) => send("POST", { "If-Match": tag }, { ...DEFINITION, port }));
      const statuses = (await Promise.all(changes)).map(({ status }) => status);
      expect(statuses.toSorted()).toEqual([200, 412]);
      expect((await send("DELETE", { "If-Match": tag })).status).toBe(412);
    },
  },
  {
    claim: "a multipart form that is cut off saves nothing, wherever it is cut",
    async run({ origin, admin }) {
      const part = (name: string, value: string) =>
        `--${BOUNDARY}\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`;
      const fields = { server: "mail.example.org", password: "pw", sender: "otp@example.org", tls: "true" };
      const whole = `${Object.entries(fields)
        .map(([name, value]) => part(name, value))
        .join("")}--${BOUNDARY}--\r\n`;
      const statusOf = async (body: string) => {
        const headers = {
          Authorization: admin.token,
          "Content-Type": `multipart/form-data; boundary="${BOUNDARY}"`,
        };
        return (await fetch(`${origin}/smtpserver/cut`, { method: "POST", headers, body })).status;
      };
      const cuts = [`--${BOUNDARY}--`, BOUNDARY, "true", "tls", "otp@"].map((mark) =>
        whole.slice(0, whole.lastIndexOf(mark)),
      );
      for (const cut of [...cuts, whole.replace(`${BOUNDARY}--`, BOUNDARY)])
        expect([cut, await statusOf(cut)]).toEqual([cut, 400]);
      expect((await admin.list()).cut).toBeUndefined();
      expect(await statusOf(whole)).toBe(200);
      expect((await admin.list()).cut).toMatchObject({ tls: true, sender: "otp@example.org" });
    },
  },
  {
    claim: "a multipart form may have any boundary that RFC 2046 allows",
    async run({ origin, admin }) {
      for (const boundary of ["b", "xYzZY", "----=_Part_1_2.3", "'()+_,-./:=? x", "=".repeat(70)]) {
        const description = `b, --${boundary}\r\n--\r\n-${boundary}--\r\nä`;
        const fields = { server: "mail.example.org", sender: "otp@example.org", description };
        const parts = Object.entries(fields).map(
          ([name, value]) =>
            `--${boundary}\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`,
        );
        const response = await fetch(`${origin}/smtpserver/bounded`, {
          method: "POST",
          headers: {
            Authorization: admin.token,
            "Content-Type": `multipart/form-data; boundary="${boundary}"`,
          },
          body: `${parts.join("")}--${boundary}--\r\n`,
        });
        expect([boundary, response.status, await response.text()]).toEqual([
          boundary,
          200,
          expect.stringContaining('"value":true'),
        ]);
        expect((await admin.list()).bounded).toMatchObject(fields);
      }
    },
  },
  {
    claim: "a change without a password keeps the password and shows it as before",
    async run({ admin }) {
      const { password, ...others } = DEFINITION;
      await admin.save("kept", DEFINITION);
      expect((await admin.save("kept", { ...others, description: "changed" })).status).toBe(200);
      expect((await admin.list()).kept).toMatchObject({ password, description: "changed" });
      expect((await admin.call("GET", "/smtpserver/?censor=1")).body.result.value).toMatchObject({
        kept: { password: CENSORED },
      });
    },
  },
  {
    claim: "SEALPOST_SECRETS=censor shows no password",
    setup: "censoring",
    async run({ admin }) {
      await admin.save("with", DEFINITION);
      await admin.save("without", { ...DEFINITION, password: "" });
      expect(await admin.list()).toMatchObject({ with: { password: CENSORED }, without: { password: "" } });
    },
  },
  {
    claim: "an invalid value is rejected with 905 and the name of the parameter",
    async run({ admin }) {
      for (const [name, value] of Object.entries({ port: "smtp", tls: "maybe", sender: "a@b\r\nBcc: c@d" })) {
        const { status, body } = await admin.save("wrong", { ...DEFINITION, [name]: value });
        expect([status, body.result.error?.code]).toEqual([400, 905]);
        expect(body.result.error?.message).toStartWith(`ERR905: Invalid parameter: ${name}`);
      }
    },
  },
  {
    claim: "data and tokens outlast a restart",
    setup: "alone",
    async run(instance) {
      await instance.admin.save("lasting", DEFINITION);
      await using again = await instance.restart();
      const { status } = await fetch(`${again.origin}/smtpserver/`, {
        headers: { Authorization: instance.admin.token },
      });
      expect(status).toBe(200);
      expect(await again.admin.list()).toMatchObject({ lasting: DEFINITION });
    },
  },
];
