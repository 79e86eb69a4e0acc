import { describe, expect, test } from "bun:test";
import PostalMime from "postal-mime";
import { directory } from "sealpost/plugins/directory";
import { type TestInstance, testInstance } from "../../fixtures/instance.ts";
import { isInstalled } from "../../fixtures/smime/openssl.ts";
import { recipient } from "../../fixtures/smime/recipient.ts";

const OLD = "ann@example.org";
const NEW = "ann@example.net";

/** An instance with a definition and ann in its directory. */
async function started({ definition = true, plugin = directory() } = {}) {
  const instance = await testInstance({ plugins: [plugin] });
  const { request } = instance;
  const json = { server: "mail.example.org", sender: "app@example.org" };
  if (definition) await request("POST", "/smtpserver/default", { json });
  await request("POST", "/user/", { json: { username: "ann", email: OLD, givenname: "Ann" } });
  const put = (change: object, options: object = {}) =>
    request("PUT", "/user/", { json: { user: "ann", ...change }, ...options });
  return {
    ...instance,
    put,
    hold: (email = NEW, more: object = {}) => put({ email, confirm_email: true, ...more }),
    async email() {
      const users = (await request("GET", "/user/", { query: { username: "ann" } })).value;
      return (users as { email: string }[])[0]?.email;
    },
    mailTo: (address: string) => mailTo(instance, address),
    async code(address = NEW) {
      return /\b\d{8}\b/.exec((await mailTo(instance, address)).at(-1)?.text ?? "")?.[0] ?? "";
    },
    [Symbol.asyncDispose]: instance[Symbol.asyncDispose],
  };
}

async function mailTo({ services, sent }: TestInstance, address: string) {
  const signal = new AbortController().signal;
  await services.drain({ signal, endsMs: performance.now() + 10_000, messageTimeoutMs: 1_000 });
  const theirs = sent.filter(({ recipient }) => recipient === address);
  return Promise.all(theirs.map(({ bytes }) => PostalMime.parse(bytes)));
}

describe("a new address with confirm_email", () => {
  test("waits for the code that is sent to it, and the old address gets notices", async () => {
    await using it = await started();
    const held = await it.hold(NEW, { surname: "Lee" });
    expect([held.status, held.value, held.detail]).toEqual([
      200,
      true,
      { valid_until: "2026-06-01T13:00:00.000Z" },
    ]);
    expect(await it.email()).toBe(OLD);
    const [notice] = await it.mailTo(OLD);
    expect(notice?.subject).toBe("A new address for your account");
    expect(`${notice?.text}`).not.toContain(NEW);
    const code = await it.code();
    expect(code).toMatch(/^\d{8}$/);
    expect(notice?.text).not.toContain(code);

    const confirmed = await it.put({ confirm: code });
    expect([confirmed.status, confirmed.value]).toEqual([200, true]);
    expect(await it.email()).toBe(NEW);
    expect((await it.request("GET", "/user/", { query: { email: "ANN@example.net" } })).value).toMatchObject([
      { surname: "Lee", givenname: "Ann" },
    ]);
    expect((await it.mailTo(OLD)).map(({ subject }) => subject)).toEqual([
      "A new address for your account",
      "The address of your account was changed",
    ]);
    expect((await it.put({ confirm: code })).value).toBe(false);
    expect(await it.mailTo(NEW)).toHaveLength(1);
  });

  test("takes a code with blanks and hyphens, also together with the address", async () => {
    await using it = await started();
    await it.hold();
    const code = await it.code();
    expect((await it.put({ email: "eve@example.net", confirm: code })).value).toBe(false);
    const spaced = `${code.slice(0, 4)} - ${code.slice(4)}`;
    expect((await it.put({ email: NEW.toUpperCase(), confirm_email: true, confirm: spaced })).value).toBe(
      true,
    );
    expect(await it.email()).toBe(NEW);
  });

  test("is void after five wrong codes, even parallel ones, and one of several right ones wins", async () => {
    await using it = await started();
    await it.hold();
    const first = await it.code();
    const wrong = await Promise.all(Array.from({ length: 5 }, () => it.put({ confirm: "00000000x" })));
    expect(wrong.map(({ status, value }) => [status, value])).toEqual(Array(5).fill([200, false]));
    expect(wrong[0]?.detail).toEqual({ message: "The code is wrong, used or has expired" });
    expect((await it.put({ confirm: first })).value).toBe(false);
    await it.hold();
    const code = await it.code();
    const right = await Promise.all(Array.from({ length: 4 }, () => it.put({ confirm: code })));
    expect(right.filter(({ value }) => value === true)).toHaveLength(1);
    expect(await it.email()).toBe(NEW);
  });

  test("expires, and is replaced by a newer one", async () => {
    await using it = await started({ plugin: directory({ validSeconds: 300 }) });
    await it.hold();
    const late = await it.code();
    it.clock.advance(301);
    expect((await it.put({ confirm: late })).value).toBe(false);
    await it.hold("first@example.net");
    const first = await it.code("first@example.net");
    await it.hold("second@example.net");
    expect((await it.put({ confirm: first })).value).toBe(false);
    expect((await it.put({ confirm: await it.code("second@example.net") })).value).toBe(true);
    expect(await it.email()).toBe("second@example.net");
  });

  test("is void when the address changes without it, and when the user is deleted", async () => {
    await using it = await started();
    await it.hold();
    const code = await it.code();
    await it.put({ email: "ann@example.com" });
    expect((await it.put({ confirm: code })).value).toBe(false);
    await it.hold();
    const rows = () => it.database.read.all("SELECT 1 FROM directory_email_change");
    expect(await rows()).toHaveLength(1);
    await it.request("DELETE", "/user/default/ann");
    expect(await rows()).toHaveLength(0);
    expect((await it.put({ confirm: code })).value).toBe(false);
  });

  test("belongs to its user", async () => {
    await using it = await started();
    await it.request("POST", "/user/", { json: { username: "bea", email: "bea@example.org" } });
    await it.hold();
    const code = await it.code();
    await it.put({ user: "bea", email: "bea@example.net", confirm_email: true });
    expect((await it.put({ user: "bea", confirm: code })).value).toBe(false);
    expect((await it.put({ confirm: code })).value).toBe(true);
  });

  test("changes nothing if the code cannot be sent, and says why", async () => {
    await using it = await started({ definition: false });
    const { status, value, detail } = await it.hold(NEW, { surname: "Lee" });
    expect([status, value, detail]).toEqual([
      200,
      false,
      {
        message: "The message with the code could not be sent; nothing was changed",
        failures: [expect.objectContaining({ code: "server_unknown" })],
      },
    ]);
    expect((await it.request("GET", "/user/")).value).toMatchObject([{ email: OLD, surname: "" }]);
    const { value: changed } = await it.put({ email: NEW });
    expect([changed, await it.email()]).toEqual([true, NEW]);
  });

  test("keeps waiting if the code for another address cannot be sent", async () => {
    await using it = await started();
    await it.hold();
    const code = await it.code();
    await it.put({ confirm: "00000000" });
    const waiting = () => it.database.read.all("SELECT * FROM directory_email_change");
    const before = await waiting();
    await it.request("DELETE", "/smtpserver/default");
    expect((await it.hold("other@example.net")).value).toBe(false);
    expect(await waiting()).toEqual(before);
    expect((await it.put({ confirm: code })).value).toBe(true);
    expect(await it.email()).toBe(NEW);
  });

  test("keeps waiting when a request repeats the values that are stored", async () => {
    await using it = await started();
    await it.hold();
    const code = await it.code();
    const same = { email: OLD.toUpperCase(), certificate: "", phone: "", givenname: "Anna" };
    expect((await it.put(same)).value).toBe(true);
    expect((await it.put({ confirm: code })).value).toBe(true);
    expect(await it.email()).toBe(NEW);
  });

  test("goes through the definition of directory.identifier, with the admin's texts", async () => {
    await using it = await started({ plugin: directory({ noticeText: "{username} moves" }) });
    const json = { server: "other.example.org", sender: "people@example.org" };
    await it.request("POST", "/smtpserver/people", { json });
    const settings = { "directory.identifier": "people", "directory.text": "Code {code} for {email}" };
    expect((await it.request("POST", "/system/setConfig", { json: settings })).status).toBe(200);
    await it.request("DELETE", "/smtpserver/default");
    await it.hold();
    const [message] = await it.mailTo(NEW);
    expect([message?.from?.address, message?.text?.trim()]).toEqual([
      "people@example.org",
      `Code ${await it.code()} for ${NEW}`,
    ]);
    expect((await it.mailTo(OLD))[0]?.text?.trim()).toBe("ann moves");
  });

  test("is limited: a client can have three messages an hour sent to an address or for a user", async () => {
    await using it = await started();
    for (const email of ["1@example.net", "2@example.net", "3@example.net"]) {
      expect((await it.hold(email)).status).toBe(200);
    }
    const fourth = await it.hold("4@example.net", { surname: "Lee" });
    expect([fourth.status, fourth.error?.code]).toEqual([429, 429]);
    expect((await it.request("GET", "/user/")).value).toMatchObject([{ surname: "" }]);
    expect(await it.mailTo("4@example.net")).toHaveLength(0);
    const others = ["bea", "cy", "dee", "eve"];
    for (const username of others) await it.request("POST", "/user/", { json: { username } });
    const results = [];
    for (const user of others) results.push((await it.hold(NEW, { user })).status);
    expect(results).toEqual([200, 200, 200, 429]);
  });

  test("needs an email, only the name next to the code, and no code in a query", async () => {
    await using it = await started();
    for (const [change, name] of [
      [{ confirm_email: true }, "email"],
      [{ confirm_email: true, email: "" }, "email"],
      [{ confirm_email: "maybe", email: NEW }, "confirm_email"],
      [{ confirm: "12345678", surname: "Lee" }, "surname"],
    ] as const) {
      const { status, error } = await it.put(change);
      expect([status, error?.code, error?.message.includes(name)]).toEqual([400, 905, true]);
    }
    const { error } = await it.request("PUT", "/user/", { query: { user: "ann", confirm: "12345678" } });
    expect(error?.message).toContain("confirm");
    expect((await it.put({ user: "nobody", confirm: "12345678" })).value).toBe(false);
  });

  test("leaves no code in the database, the audit log and an error", async () => {
    await using it = await started();
    await it.hold();
    const code = await it.code();
    const stored = JSON.stringify(await it.database.read.all("SELECT * FROM directory_email_change"));
    expect(stored).not.toContain(code);
    const audited = (await it.request("GET", "/audit/?page_size=100")).text;
    expect(audited).toContain("email waits for its code");
    expect(audited).not.toContain(code);
  });
});

describe.skipIf(!isInstalled("openssl"))("a new address of a user with a certificate", () => {
  test("waits with its own certificate, and needs one that names it", async () => {
    await using it = await started();
    const [before, after] = [await recipient("p256", OLD), await recipient("p256", NEW)];
    await it.put({ certificate: before.certificate });
    const user = async () => (await it.request("GET", "/user/")).value;
    for (const certificate of [undefined, before.certificate]) {
      const { error } = await it.hold(NEW, { certificate });
      expect(error?.message).toStartWith("ERR905: Invalid parameter: certificate: ");
    }
    expect((await it.hold(NEW, { certificate: after.certificate, surname: "Lee" })).value).toBe(true);
    expect(await user()).toMatchObject([{ email: OLD, certificate: before.certificate, surname: "Lee" }]);
    expect((await it.request("GET", "/audit/")).text).toContain("email,certificate waits for its code");
    expect((await it.put({ confirm: await it.code() })).value).toBe(true);
    expect(await user()).toMatchObject([{ email: NEW, certificate: after.certificate }]);
  });

  test("loses its certificate only with the code", async () => {
    await using it = await started();
    const { certificate } = await recipient("p256", OLD);
    await it.put({ certificate });
    expect((await it.hold(NEW, { certificate: "" })).value).toBe(true);
    const user = async () => (await it.request("GET", "/user/")).value;
    expect(await user()).toMatchObject([{ email: OLD, certificate }]);
    expect((await it.put({ confirm: await it.code() })).value).toBe(true);
    expect(await user()).toMatchObject([{ email: NEW, certificate: "" }]);
  });
});

describe("the old address", () => {
  test("gets a notice when the address changes or goes, and none otherwise", async () => {
    await using it = await started();
    await it.put({ email: "ann@EXAMPLE.org", phone: "+49 170 1" });
    expect(await it.mailTo(OLD)).toHaveLength(0);
    await it.put({ email: NEW }, { headers: { "Accept-Language": "de" } });
    expect((await it.mailTo(OLD)).map(({ subject }) => subject)).toEqual([
      "Die Adresse Ihres Kontos wurde geändert",
    ]);
    await it.put({ email: "" });
    expect(await it.mailTo(NEW)).toHaveLength(1);
    await it.put({ email: OLD });
    expect(it.sent).toHaveLength(2);
  });

  test("gets at most ten notices an hour", async () => {
    await using it = await started();
    for (let index = 0; index < 11; index++) {
      await it.put({ email: NEW });
      await it.put({ email: OLD });
    }
    expect(await it.mailTo(OLD)).toHaveLength(10);
  });
});
