import { describe, expect, test } from "bun:test";
import { Hono } from "hono";
import { readParameters } from "../../src/wire/read-parameters.ts";
import { javaForm, netForm, pythonForm, radiusForm } from "../fixtures/client-forms.ts";
import { testInstance } from "../fixtures/instance.ts";

const KEYCLOAK = "privacyIDEA-Keycloak/1.8.0 Keycloak/26.5.6";
const TEXTS = ["s@lt", "1+1", "9%41", "ab cd", "50%off", "größe", "100%", "a&b=c", "%2541", "%zz%", "~*'()!"];

const app = new Hono().post("/", async (c) => c.json(Object.fromEntries(await readParameters(c))));

/** The text that the server reads from this body, or query, of this User-Agent. */
async function readBack(agent: string, body: string, type = "application/x-www-form-urlencoded") {
  const headers = { "user-agent": agent, ...(type && { "content-type": type }) };
  const [path, options] = type === "" ? [`/?${body}`, { headers }] : ["/", { headers, body }];
  const response = await app.request(path, { method: "POST", ...options });
  return ((await response.json()) as { text: string }).text;
}

describe("values are decoded as their client encoded them:", () => {
  test.each([
    [KEYCLOAK, javaForm],
    ["ENTRAID-via-keycloak/1.8.0", javaForm],
    ["privacyIDEA-Shibboleth/2.0 ShibbolethIdP/5", javaForm],
    ["privacyIDEA-Shibboleth-Plugin", javaForm],
    ["privacyIDEA-Gluu", javaForm],
    ["FreeRADIUS", radiusForm],
    ["freeradius/3", radiusForm],
    ["PAM/2.15.0", pythonForm],
    ["PrivacyIDEA-ADFS/1", netForm],
    ["privacyidea-cp/3.6", netForm],
    ["FreeRADIUSx", pythonForm],
    ["curl/8 FreeRADIUS", pythonForm],
    ["(privacyIDEA-Gluu) x", pythonForm],
    ["privacyIDEA-Gluu, x", pythonForm],
    ["", pythonForm],
  ])("%s", async (agent, form) => {
    for (const text of TEXTS) {
      expect(await readBack(agent, form({ text }))).toBe(text);
    }
  });

  test("a query of java-client", async () => {
    expect(await readBack(KEYCLOAK, javaForm({ text: "jörg + 9%41" }), "")).toBe("jörg + 9%41");
  });

  test("JSON is never decoded, even when it is sent as a form", async () => {
    const body = JSON.stringify({ text: "1+1%41" });
    for (const type of ["application/json", "application/x-www-form-urlencoded"])
      expect(await readBack(KEYCLOAK, body, type)).toBe("1+1%41");
  });

  test("what is not an escape of UTF-8 stays", async () => {
    expect(await readBack("FreeRADIUS", "text=100%25+%25ff+%2541+1%2B1")).toBe("100% %ff A 1+1");
    expect(await readBack("privacyIDEA-Gluu", "text=%25ff%2B%25C3%25B6")).toBe("%ff ö");
  });

  test("of a multipart form as well", async () => {
    const body = new FormData();
    body.set("text", "9%2541");
    const headers = { "user-agent": KEYCLOAK };
    const response = await app.request("/", { method: "POST", headers, body });
    expect(await response.json()).toEqual({ text: "9%41" });
  });

  test("a NUL that appears only then is rejected", async () => {
    await using instance = await testInstance();
    const headers = { "user-agent": "FreeRADIUS" };
    const form = { server: "mail.example.org", description: "%00" };
    const { error } = await instance.request("POST", "/smtpserver/a", { form, headers });
    expect(error?.message).toContain("description: expected Unicode text without NUL");
  });
});
