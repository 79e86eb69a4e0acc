import { describe, expect, test } from "bun:test";
import { Hono } from "hono";
import { sendRequest } from "../../fixtures/request.ts";
import { codeByMail, recoveryInstance, reset } from "./fixtures/users.ts";

async function hashOf(text: string): Promise<string> {
  const hash = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  return `'sha256-${new Uint8Array(hash).toBase64()}'`;
}

describe("GET /recover/reset", () => {
  test("allows only its own script and style, and reveals the link to no other site", async () => {
    await using instance = await recoveryInstance();
    const { headers, text, status } = await instance.request("GET", "/recover/reset", { token: null });
    expect([status, headers.get("content-type")]).toEqual([200, "text/html; charset=UTF-8"]);
    expect(headers.get("referrer-policy")).toBe("no-referrer");
    expect(headers.get("cache-control")).toBe("no-store");
    const policy = Object.fromEntries(
      (headers.get("content-security-policy") ?? "").split("; ").map((part) => part.split(/ (.*)/)),
    );
    const [[, script = ""] = [], ...others] = text.matchAll(/<script>(.*?)<\/script>/gs);
    const [, style = ""] = /<style>(.*?)<\/style>/s.exec(text) ?? [];
    expect(others).toEqual([]);
    expect(policy).toMatchObject({
      "default-src": "'none'",
      "script-src": await hashOf(script),
      "style-src": await hashOf(style),
      "connect-src": "'self'",
      "form-action": "'none'",
      "frame-ancestors": "'none'",
    });
    expect(text).not.toMatch(/ (style|on\w+)=|https?:/);
  });

  test("does not use up a code, no matter how often it is fetched", async () => {
    await using instance = await recoveryInstance();
    const code = await codeByMail(instance);
    const query = { user: "ann", realm: "default", code };
    for (let scan = 0; scan < 9; scan++)
      await instance.request("GET", "/recover/reset", { token: null, query });
    expect((await reset(instance, code)).value).toBe(true);
  });

  test("is described as a page in the OpenAPI document", async () => {
    await using instance = await recoveryInstance();
    const { text } = await instance.request("GET", "/openapi.json");
    const { content } = JSON.parse(text).paths["/recover/reset"].get.responses["200"];
    expect(Object.keys(content)).toEqual(["text/html"]);
  });

  test("is in English or German", async () => {
    await using instance = await recoveryInstance();
    const ask = (language: string) =>
      instance.request("GET", "/recover/reset", { token: null, headers: { "accept-language": language } });
    expect((await ask("de")).text).toContain('<html lang="de">');
    expect((await ask("de")).text).toContain("mindestens 8 Zeichen");
    expect((await ask("de")).text).toContain("nicht zu den häufigsten gehört");
    expect((await ask("fr")).text).toContain("at least 8 characters");
    expect((await ask("fr")).text).toContain("not one of the most common");
    expect((await ask("fr")).headers.get("vary")).toContain("Accept-Language");
  });
});

describe("the script of the page", () => {
  test("removes the code from the address bar immediately and posts it when the button is pressed", async () => {
    await using instance = await recoveryInstance({}, { baseUrl: "https://sealpost.test/mail" });
    const code = await codeByMail(instance);
    const host = new Hono().route("/mail", instance.app);
    const page = await openPage(
      host,
      new URL(`https://sealpost.test/mail/recover/reset#user=ann&realm=default&code=${code}`),
    );
    expect([page.address, page.element("form").hidden, page.element("name").value]).toEqual([
      "/mail/recover/reset",
      false,
      "ann@default",
    ]);
    expect(page.shown()).toEqual([]);
    page.element("password").value = "a new password";
    page.element("again").value = "another";
    await page.press();
    expect(page.shown()).toEqual(["differ"]);
    page.element("password").value = "short";
    page.element("again").value = "short";
    await page.press();
    expect(page.shown()).toEqual(["refused"]);
    page.element("password").value = "a new password";
    page.element("again").value = "a new password";
    await page.press();
    expect([page.shown(), page.element("form").hidden]).toEqual([["done"], true]);
    await page.press();
    expect(page.shown()).toEqual(["stale"]);
  });

  test("shows when the link is incomplete", async () => {
    await using instance = await recoveryInstance();
    const page = await openPage(instance.app, new URL("https://sealpost.test/recover/reset#user=ann"));
    expect([page.shown(), page.element("form").hidden]).toEqual([["incomplete"], true]);
  });
});

interface FakeElement {
  readonly id: string;
  hidden: boolean;
  value: string;
  disabled: boolean;
  addEventListener(name: string, listener: Listener): void;
}
type Listener = (event: { preventDefault(): void }) => Promise<void>;

/** The part of a browser that the script of the page needs. */
async function openPage(app: Parameters<typeof sendRequest>[0], url: URL) {
  const { text } = await sendRequest(app, "GET", url.pathname);
  const [, script = ""] = /<script>(.*?)<\/script>/s.exec(text) ?? [];
  let submit: Listener | undefined;
  const make = (id: string): FakeElement => ({
    ...{ id, hidden: true, value: "", disabled: false },
    addEventListener(_, listener) {
      submit = listener;
    },
  });
  const elements = new Map([...text.matchAll(/ id="(\w+)"/g)].map(([, id = ""]) => [id, make(id)]));
  const element = (id: string) => elements.get(id) ?? expect.unreachable(`no element ${id}`);
  const notes = [...text.matchAll(/<p id="(\w+)"/g)].map(([, id = ""]) => element(id));
  const page = { address: url.pathname + url.hash };
  const location = { hash: url.hash, pathname: url.pathname };
  const history = {
    replaceState(_: unknown, __: string, path: string) {
      page.address = path;
    },
  };
  const document = {
    documentElement: { lang: "en" },
    getElementById: element,
    querySelectorAll: () => notes,
  };
  const fetch = async (path: string, init: { readonly method: string; readonly body: string }) => {
    const response = await sendRequest(app, init.method, path, { json: JSON.parse(init.body) });
    return { status: response.status, json: async () => response.body };
  };
  new Function("location", "history", "document", "fetch", script)(location, history, document, fetch);
  return {
    element,
    get address() {
      return page.address;
    },
    shown: () => notes.filter(({ hidden }) => !hidden).map(({ id }) => id),
    press: async () => submit?.({ preventDefault: () => undefined }),
  };
}
