import { describe, expect, test } from "bun:test";
import { sql } from "drizzle-orm";
import { METRICS } from "../../src/telemetry/metrics.ts";
import { type TestInstance, testInstance } from "../fixtures/instance.ts";
import { leaf, SENDER } from "../fixtures/smime/authority.ts";
import { privateKey } from "../fixtures/smime/keys.ts";
import { isInstalled } from "../fixtures/smime/openssl.ts";
import { hasParser, parse, samplesOf, scrape } from "../telemetry/scrape.ts";
import { queue, save } from "./mail-support.ts";

const parserIsInstalled = hasParser();
if (!parserIsInstalled) console.warn("Skipped: GET /metrics by prometheus_client, which is not installed");
/** A name with everything that the format escapes. */
const AWKWARD = 'a\\b"c';
const HTTP = "sealpost_http_request_duration_seconds_count";

async function keyWith(instance: TestInstance, rights: string): Promise<string> {
  const { value } = await instance.request("POST", "/apikey/", { json: { name: "prometheus", rights } });
  return (value as { key: string }).key;
}

describe("GET /metrics", () => {
  test("needs a token, and the right", async () => {
    await using instance = await testInstance();
    expect((await instance.request("GET", "/metrics", { token: null })).status).toBe(401);
    const other = await keyWith(instance, "auditlog");
    expect((await instance.request("GET", "/metrics", { token: other })).status).toBe(403);
    const headers = { Authorization: `Bearer ${await keyWith(instance, "metrics_read")}` };
    const { status, headers: response } = await instance.request("GET", "/metrics", { token: null, headers });
    expect([status, response.get("content-type")]).toEqual([200, "text/plain; version=0.0.4; charset=utf-8"]);
  });

  test("shows the queue of the database, and its circuits", async () => {
    await using instance = await testInstance();
    await save(instance, "office");
    await queue(instance);
    instance.clock.advance(90);
    await queue(instance);
    const samples = await scrape(instance);
    expect(samplesOf(samples, "sealpost_queue_mails")).toEqual({ '{server="office",state="queued"}': 2 });
    expect(samplesOf(samples, "sealpost_queue_oldest_seconds")).toEqual({ '{server="office"}': 90 });
    expect(samplesOf(samples, "sealpost_circuit_state")).toEqual({ '{server="office"}': 0 });
  });

  test.skipIf(!isInstalled("openssl"))("shows when the certificate of a definition ends", async () => {
    await using instance = await testInstance();
    const key = await privateKey("p256");
    const certificate = await leaf({ key, notAfter: "20270131120000Z" });
    await save(instance, "office", { sender: SENDER, smime: true, private_key: key, certificate });
    const samples = await scrape(instance);
    expect(samplesOf(samples, "sealpost_certificate_not_after_seconds")).toEqual({
      '{server="office"}': Date.UTC(2027, 0, 31, 12) / 1_000,
    });
  });

  test("counts requests by their declared path, and never by their URL", async () => {
    await using instance = await testInstance();
    await instance.request("GET", "/mail/00000000-0000-4000-8000-000000000000");
    await instance.request("GET", "/no/such/path/4711");
    await instance.request("PROPFIND", "/mail/");
    const samples = await scrape(instance);
    expect(samplesOf(samples, HTTP)).toEqual({
      '{method="GET",route="/mail/<id>",status="404"}': 1,
      '{method="GET",route="other",status="404"}': 1,
      '{method="other",route="other",status="405"}': 1,
    });
    expect([...samples.keys()].join()).not.toMatch(/4711|PROPFIND/);
  });

  test("counts logins by result, without the name", async () => {
    await using instance = await testInstance();
    for (const password of ["wrong", "correct horse"])
      await instance.request("POST", "/auth", { json: { username: "admin", password } });
    const samples = await scrape(instance);
    expect(samplesOf(samples, "sealpost_login_total")).toEqual({
      '{result="wrong_credentials"}': 1,
      '{result="ok"}': 1,
    });
    expect(samplesOf(samples, "sealpost_audit_total")).toEqual({
      '{action="POST /auth",success="false"}': 1,
      '{action="POST /auth",success="true"}': 1,
    });
    expect(samples.get("sealpost_hashes_waiting")).toBe(0);
    expect(samples.get("sealpost_db_busy_total")).toBe(0);
  });

  test("counts the events that are in the audit log, not those whose commit failed or changed nothing", async () => {
    await using instance = await testInstance();
    await save(instance, "office");
    const { database } = instance;
    const commit = database.commit.bind(database);
    const remove = () => instance.request("DELETE", "/smtpserver/office");
    database.commit = () => Promise.reject(new Error("The disk is full"));
    expect((await remove()).status).toBe(500);
    database.commit = commit;
    expect((await remove()).status).toBe(200);
    expect((await instance.request("POST", "/mail/hold")).value).toBe(0);
    expect((await instance.request("POST", "/mail/release")).value).toBe(0);
    const rows = await database.read.all<{ label: string; count: number }>(
      sql`SELECT action AS label, count(*) AS count FROM audit WHERE success = 1 GROUP BY action`,
    );
    const counted = samplesOf(await scrape(instance), "sealpost_audit_total");
    expect(rows.map(({ label }) => label)).toContain("DELETE /smtpserver/<identifier>");
    for (const { label, count } of rows) expect(counted[`{action="${label}",success="true"}`]).toBe(count);
    const successes = Object.keys(counted).filter((labels) => labels.includes('success="true"'));
    expect(successes).toHaveLength(rows.length);
  });

  test("forgets a deleted definition", async () => {
    await using instance = await testInstance();
    await save(instance, "office");
    expect([...(await scrape(instance)).keys()].join()).toContain("office");
    await instance.request("DELETE", "/smtpserver/office");
    expect([...(await scrape(instance)).keys()].join()).not.toContain("office");
  });

  test.skipIf(!parserIsInstalled)("is read by the parser of prometheus_client, in both formats", async () => {
    await using instance = await testInstance();
    await save(instance, encodeURIComponent(AWKWARD));
    await queue(instance, ["user@example.net"], AWKWARD);
    await instance.request("GET", "/smtpserver/");
    for (const [format, accept] of [
      ["prometheus", "text/plain"],
      ["openmetrics", "application/openmetrics-text;version=1.0.0,text/plain;q=0.5"],
    ] as const) {
      const { text } = await instance.request("GET", "/metrics", { headers: { accept } });
      const families = parse(text, format);
      const known = new Set(Object.keys(METRICS).map((name) => name.replace(/_total$/, "")));
      for (const [name, { type, help }] of Object.entries(families)) {
        expect(known).toContain(name.replace(/_total$/, ""));
        expect([type, help]).not.toContain("unknown");
      }
      expect(families.sealpost_queue_mails?.samples[0]?.[1]).toEqual({ server: AWKWARD, state: "queued" });
      expect(families.sealpost_http_request_duration_seconds?.type).toBe("histogram");
    }
  });
});
