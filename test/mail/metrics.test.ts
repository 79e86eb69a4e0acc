import { describe, expect, test } from "bun:test";
import { reply, startSmtpServer } from "../../src/testing/smtp/index.ts";
import { createMemoryTransport } from "../../src/transport/memory.ts";
import { type TestInstance, testInstance } from "../fixtures/instance.ts";
import { leaf, SENDER } from "../fixtures/smime/authority.ts";
import { privateKey } from "../fixtures/smime/keys.ts";
import { isInstalled } from "../fixtures/smime/openssl.ts";
import { CLIENT, startTokenServer } from "../fixtures/token-server.ts";
import { BUSY, drain, queue } from "../http/mail-support.ts";
import { samplesOf, scrape } from "../telemetry/scrape.ts";
import { makeTransport } from "../transport/support.ts";

const TO = { to: [{ name: "", address: "ann@example.net" }], subject: "Private", text: "code 4711" };

const save = ({ request }: TestInstance, json: object, name = "office") =>
  request("POST", `/smtpserver/${name}`, { json: { server: "mail.example.org", sender: SENDER, ...json } });
const metric = async (instance: TestInstance, name: string) => samplesOf(await scrape(instance), name);

describe("the metrics of mail", () => {
  test("count connections, round trips and phases of real deliveries", async () => {
    await using smtp = await startSmtpServer();
    await using instance = await testInstance({ transport: makeTransport() });
    await save(instance, { server: `127.0.0.1:${smtp.port}` });
    for (let i = 0; i < 3; i++) await instance.services.submit("office", TO);
    const samples = await scrape(instance);
    expect(samplesOf(samples, "sealpost_connections_total")).toEqual({
      '{server="office",kind="cold"}': 1,
      '{server="office",kind="warm"}': 2,
    });
    expect(samplesOf(samples, "sealpost_connections_open")).toEqual({ '{server="office"}': 1 });
    expect(samplesOf(samples, "sealpost_mail_duration_seconds_count")).toEqual({ '{server="office"}': 3 });
    expect(samplesOf(samples, "sealpost_round_trips_count")).toEqual({ '{server="office"}': 3 });
    expect(samples.get('sealpost_round_trips_bucket{server="office",le="12.0"}')).toBe(3);
    expect(samples.get('sealpost_phase_duration_seconds_count{server="office",phase="data"}')).toBe(3);
    expect(samples.get('sealpost_phase_duration_seconds_count{server="office",phase="greeting"}')).toBe(1);
    expect(samplesOf(samples, "sealpost_mails_total")).toEqual({
      '{server="office",result="sent",mode="inline"}': 3,
    });
    expect([...samples.keys()].join()).not.toMatch(/ann|Private|4711|127\.0\.0\.1/);
  });

  test("count failures by phase and code", async () => {
    await using smtp = await startSmtpServer({ script: { rcpt: reply("550 5.1.1 No such user") } });
    await using instance = await testInstance({ transport: makeTransport() });
    await save(instance, { server: `127.0.0.1:${smtp.port}` });
    await instance.services.submit("office", TO);
    expect(await metric(instance, "sealpost_phase_failures_total")).toEqual({
      '{server="office",phase="recipient",code="recipient_rejected"}': 1,
    });
    expect(await metric(instance, "sealpost_mails_total")).toEqual({
      '{server="office",result="failed",mode="inline"}': 1,
    });
  });

  test("count attempts of queued messages, each recipient for itself", async () => {
    const transport = createMemoryTransport();
    await using instance = await testInstance({ transport });
    await save(instance, {});
    transport.fail({ phase: "recipient", code: "rate_limited", retryable: true, reply: BUSY });
    transport.fail({ phase: "recipient", code: "recipient_rejected" });
    transport.fail({ phase: "data", code: "closed", outcome: "unknown" });
    await queue(instance, ["a@example.net", "b@example.net", "c@example.net"], "office", {
      onUnknown: "stop",
    });
    await drain(instance);
    instance.clock.advance(1_800);
    await drain(instance);
    expect(await metric(instance, "sealpost_mails_total")).toEqual({
      '{server="office",result="deferred",mode="queued"}': 1,
      '{server="office",result="failed",mode="queued"}': 1,
      '{server="office",result="unknown",mode="queued"}': 1,
      '{server="office",result="sent",mode="queued"}': 1,
    });
    expect(await metric(instance, "sealpost_queue_mails")).toEqual({});
  });

  test("tell tests from mail, and do not show the name of an unsaved definition", async () => {
    await using instance = await testInstance();
    await save(instance, {});
    const json = { recipient: "ann@example.net" };
    await instance.request("POST", "/smtpserver/office/send_test_email", { json });
    await instance.request("POST", "/smtpserver/send_test_email", {
      json: { ...json, server: "mail.example.org", sender: SENDER, identifier: "made up" },
    });
    await instance.services.submit("no such definition", TO);
    expect(await metric(instance, "sealpost_mails_total")).toEqual({
      '{server="office",result="sent",mode="test"}': 1,
      '{server="unsaved",result="sent",mode="test"}': 1,
      '{server="unsaved",result="failed",mode="inline"}': 1,
    });
  });

  test.skipIf(!isInstalled("openssl"))("time signatures, and count those that fail", async () => {
    await using instance = await testInstance();
    const key = await privateKey("p256");
    const identity = { smime: true, private_key: key, certificate: await leaf({ key }) };
    await save(instance, { ...identity, dont_send_on_error: true });
    await instance.services.submit("office", TO);
    expect(await metric(instance, "sealpost_sign_duration_seconds_count")).toEqual({
      '{algorithm="p256"}': 1,
    });
    const stranger = { name: "", address: "stranger@example.org" };
    await instance.services.submit("office", { ...TO, from: stranger });
    expect(await metric(instance, "sealpost_phase_failures_total")).toEqual({
      '{server="office",phase="sign",code="sign_sender"}': 1,
    });
  });

  test("count token requests, and show when the token ends", async () => {
    await using tokens = await startTokenServer();
    await using instance = await testInstance({ transport: makeTransport() });
    const oauth = {
      ...{ server: "127.0.0.1:1", tls: true, username: "box@example.com", auth: "oauth2" },
      ...{ oauth_token_url: tokens.tokenUrl, oauth_client_id: CLIENT.id },
    };
    await save(instance, { ...oauth, oauth_client_secret: CLIENT.secret });
    await save(instance, { ...oauth, oauth_client_secret: "wrong" }, "broken");
    for (const name of ["office", "broken"])
      await instance.request("POST", `/smtpserver/${name}/send_test_email`, { json: { until: "oauth" } });
    expect(await metric(instance, "sealpost_oauth_token_requests_total")).toEqual({
      '{server="office",result="ok"}': 1,
      '{server="broken",result="oauth_client"}': 1,
    });
    const { '{server="office"}': end = 0, ...others } = await metric(
      instance,
      "sealpost_oauth_token_expiry_seconds",
    );
    expect(others).toEqual({});
    expect(end * 1_000).toBeGreaterThan(instance.clock.now.getTime());
  });
});
