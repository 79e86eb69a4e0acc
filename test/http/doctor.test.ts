import { describe, expect, test } from "bun:test";
import { sql } from "drizzle-orm";
import { recovery } from "sealpost/plugins/recovery";
import type { Transport } from "../../src/contracts/transport.ts";
import { FINDINGS } from "../../src/domain/findings.ts";
import { HINTS } from "../../src/domain/hints/index.ts";
import { filled } from "../../src/domain/notices.ts";
import { DEFAULT_PLUGINS } from "../../src/runtime/default-plugins.ts";
import { createMemoryTransport, type MemoryTransport } from "../../src/transport/memory.ts";
import { type TestInstance, testInstance } from "../fixtures/instance.ts";
import { leaf, SENDER } from "../fixtures/smime/authority.ts";
import { privateKey } from "../fixtures/smime/keys.ts";
import { drain, PASSWORD, queue, save } from "./mail-support.ts";

interface Finding {
  readonly name: string;
  readonly ok: boolean;
  readonly message: string;
  readonly problems: readonly { readonly code: string; readonly values: Readonly<Record<string, string>> }[];
}
const SENTENCES: Readonly<Record<string, string>> = { ...HINTS, ...FINDINGS };
const NAMES = [
  ...["settings", "base_url", "plugins", "keys", "database", "clock", "queue"],
  ...["dns", "ports", "servers", "certificates", "tokens", "oauth"],
];

async function findings(instance: TestInstance): Promise<readonly Finding[]> {
  const { status, value, text } = await instance.request("GET", "/system/doctor");
  if (status !== 200) throw new Error(text);
  return value as readonly Finding[];
}
const problems = async (instance: TestInstance) =>
  Object.fromEntries(
    (await findings(instance)).filter(({ ok }) => !ok).map((one) => [one.name, one.message]),
  );
const run = ({ database }: TestInstance, statement: ReturnType<typeof sql>) =>
  database.commit([database.write.run(statement)]);
const check = (instance: TestInstance, until = "connect") =>
  instance.request("POST", "/smtpserver/office/send_test_email", { json: { until } });

type Step = (instance: TestInstance, transport: MemoryTransport) => Promise<unknown>;
/** What is wrong, the check that finds it, and what it says. */
const PROBLEMS: readonly (readonly [name: string, what: string, step: Step, message: string | RegExp])[] = [
  [
    "settings",
    "a stored value that is no longer valid",
    (instance) => run(instance, sql`INSERT INTO plugin_config VALUES ('email.validtime', '"soon"', '')`),
    "The stored value of email.validtime is no longer valid, and the default is used: set it again.",
  ],
  [
    "base_url",
    "recovery without a URL for its links",
    (instance) => instance.request("POST", "/system/setConfig", { json: { "recovery.enabled": true } }),
    "set SEALPOST_BASE_URL",
  ],
  [
    "plugins",
    "a setting that names no definition",
    (instance) => instance.request("POST", "/system/setConfig", { json: { "email.identifier": "gone" } }),
    "No SMTP server is named gone, but email-token send through it: create it or change their settings.",
  ],
  [
    "keys",
    "a password that no key decrypts",
    (instance) => run(instance, sql`UPDATE smtp_server SET password = 'first:AAAA', version = version + 1`),
    "The password of office cannot be decrypted: enter it again.",
  ],
  [
    "clock",
    "a clock that was set back",
    async ({ clock }) => clock.advance(-30),
    "An audit row is from the future, 2026-06-01 12:00 UTC: synchronize the clocks by NTP.",
  ],
  [
    "queue",
    "a message that no worker sends",
    async (instance) => {
      await queue(instance);
      instance.clock.advance(700);
    },
    "A message has been due since 2026-06-01 12:00 UTC: check that a worker runs, and the servers in this report.",
  ],
  [
    "queue",
    "a message that can be retried",
    async (instance) => {
      await queue(instance);
      await instance.request("DELETE", "/smtpserver/office");
      await drain(instance);
    },
    "Messages that failed because of their server or definition: 1. Correct it, see GET /mail/?state=failed and, for those that an earlier attempt may have sent, ?state=unknown, and POST /mail/<id>/retry within 24 hours.",
  ],
  [
    "queue",
    "a message that can be retried, and may have been sent",
    async (instance, transport) => {
      transport.fail({ phase: "data", code: "closed", outcome: "unknown" });
      await queue(instance);
      await drain(instance);
      await instance.request("DELETE", "/smtpserver/office");
      instance.clock.advance(1_800);
      await drain(instance);
    },
    "Messages that failed because of their server or definition: 1. Correct it, see GET /mail/?state=failed and, for those that an earlier attempt may have sent, ?state=unknown, and POST /mail/<id>/retry within 24 hours.",
  ],
  [
    "dns",
    "a name without address",
    async (_, transport) => transport.fail({ phase: "dns", code: "dns_not_found" }),
    "default (mail.example.org:25): dns_not_found. No IP address is known for mail.example.org. Check the spelling of server.",
  ],
  [
    "ports",
    "a port where nothing listens",
    async (_, transport) => transport.fail({ phase: "connect", code: "refused" }),
    /^default \(mail\.example\.org:25\): refused\. Nothing is listening/,
  ],
  [
    "ports",
    "a target that the egress rules deny",
    async (_, transport) => transport.fail({ phase: "policy", code: "egress_denied" }),
    /^default .*: egress_denied\. .*SEALPOST_EGRESS/,
  ],
  [
    "servers",
    "a circuit that is open",
    async (instance, transport) => {
      transport.fail({ phase: "connect", code: "refused", times: 5 });
      for (let time = 0; time < 5; time++) await check(instance);
    },
    "office fails with refused. Messages that wait: 0. Test the definition and correct it.",
  ],
  [
    "certificates",
    "a certificate that ends soon",
    async (instance) => {
      const key = await privateKey("p256");
      const certificate = await leaf({ key, notAfter: "20260620120000Z" });
      const signing = { smime: true, private_key: key, certificate, sender: SENDER };
      await save(instance, "office", signing);
    },
    "certificate of office ends on 2026-06-20 12:00 UTC: get a new certificate.",
  ],
  [
    "tokens",
    "an API key that has ended",
    async (instance) => {
      const json = { name: "shop", rights: ["auditlog"], expires_at: "2026-06-02T12:00:00Z" };
      await instance.request("POST", "/apikey/", { json });
    },
    "The API key shop ends on 2026-06-02 12:00 UTC: create a new one, and delete this one.",
  ],
  [
    "oauth",
    "a definition without what gets a token",
    (instance) => save(instance, "office", { auth: "oauth2", tls: true }),
    /^office: oauth_token_url is missing/,
  ],
];

describe("GET /system/doctor", () => {
  test("finds nothing wrong with an instance that works", async () => {
    await using instance = await testInstance();
    await save(instance);
    const all = await findings(instance);
    expect(all.map(({ name }) => name)).toEqual(NAMES);
    expect(all.filter(({ ok, message }) => !ok || !message.endsWith("."))).toEqual([]);
  });

  test.each(PROBLEMS)("%s: %s", async (name, _, step, message) => {
    const transport = createMemoryTransport();
    const without = DEFAULT_PLUGINS.filter((one) => one.name !== "recovery");
    await using instance = await testInstance({
      transport,
      baseUrl: "",
      plugins: [...without, recovery({ enabled: false })],
    });
    await save(instance);
    await save(instance, "default");
    await step(instance, transport);
    const found = await problems(instance);
    expect(Object.keys(found)).toEqual([name]);
    for (const one of await findings(instance)) {
      const sentences = one.problems.map(({ code, values }) => filled(SENTENCES[code] ?? "", values));
      expect(sentences.join(" ")).toBe(one.ok ? "" : one.message);
    }
    if (typeof message === "string") expect(found[name]).toContain(message);
    else expect(found[name]).toMatch(message);
  });

  test("connects to each server once, sends nothing, and changes no health and no audit row", async () => {
    const transport = createMemoryTransport();
    const asked: string[] = [];
    const counting: Transport = {
      ...transport,
      send: (delivery, options) => {
        asked.push(`${delivery.server.host} ${options.until} ${delivery.poolKey}`);
        return transport.send(delivery, options);
      },
    };
    await using instance = await testInstance({ transport: counting });
    await save(instance);
    await save(instance, "same");
    await save(instance, "other", { server: "relay.example.org" });
    transport.fail({ phase: "connect", code: "refused" });
    const before = (await instance.request("GET", "/audit/")).value;
    const text = JSON.stringify(await findings(instance));
    expect(asked.toSorted()).toEqual(["mail.example.org connect null", "relay.example.org connect null"]);
    expect(text).not.toContain(PASSWORD);
    const { detail } = await instance.request("GET", "/smtpserver/office");
    expect(detail?.health).toMatchObject({ failures: 0, last_failure: null });
    expect((await instance.request("GET", "/audit/")).value).toMatchObject({
      count: (before as { count: number }).count + 1,
    });
  });

  test("does not wait for servers that do not respond", async () => {
    const transport: Transport = {
      ...createMemoryTransport(),
      send: (_, { signal }) =>
        new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason))),
    };
    await using instance = await testInstance({ transport });
    for (let host = 0; host < 6; host++)
      await save(instance, `s${host}`, { server: `mail${host}.example.org` });
    const startedMs = performance.now();
    const { ports } = await problems(instance);
    expect(performance.now() - startedMs).toBeLessThan(4_500);
    expect(ports).toStartWith("s0 (mail0.example.org:25): not checked in time. Test the definition. s1");
    expect(ports).toEndWith("And 1 more.");
  });
});
