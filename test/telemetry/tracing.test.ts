import { describe, expect, test } from "bun:test";
import { SpanKind, SpanStatusCode } from "@opentelemetry/api";
import { Secret } from "../../src/domain/secret.ts";
import type { ResolvedServer } from "../../src/domain/smtp-server.ts";
import { measureDeliveries } from "../../src/mail/measure.ts";
import { loadTracer } from "../../src/runtime/local/open-telemetry.ts";
import { NO_METER } from "../../src/telemetry/meter.ts";
import { NO_TRACER } from "../../src/telemetry/tracer.ts";
import { reply, startSmtpServer } from "../../src/testing/smtp/index.ts";
import { createMemoryTransport } from "../../src/transport/memory.ts";
import { type TestInstance, testInstance } from "../fixtures/instance.ts";
import { ACCEPTED } from "../fixtures/receipts.ts";
import { drain } from "../http/mail-support.ts";
import { makeTransport } from "../transport/support.ts";
import { exported, idOf, record } from "./spans.ts";

const SENDER = "app@example.org";
const TO = { to: [{ name: "Ann", address: "ann@example.net" }], subject: "Private", text: "code 4711" };
const PASSWORD = "hunter2";
/** What no span may have. */
const PRIVATE = /@|%40|\bann\b|Ann|Private|4711|hunter2|app\b/;

const SERVER: ResolvedServer = {
  ...{ host: "mail.example.org", port: 25, security: "none", username: "", timeoutMs: 1_000 },
  ...{ identifier: "office", poolKey: "1", sender: SENDER, dontSendOnError: false, enqueueJob: false },
  ...{ password: Secret.EMPTY, signing: null },
};
const milliseconds = ([seconds, nanoseconds]: readonly [number, number]) => seconds * 1e3 + nanoseconds / 1e6;

const save = ({ request }: TestInstance, server: string, name = "office") =>
  request("POST", `/smtpserver/${name}`, { json: { server, sender: SENDER } });

describe("an inline message", () => {
  test("is a delivery inside its submission, with the attributes of the conventions", async () => {
    using recording = await record();
    await using smtp = await startSmtpServer();
    await using instance = await testInstance({ transport: makeTransport(), tracer: recording.tracer });
    await save(instance, `127.0.0.1:${smtp.port}`);
    await instance.services.submit("office", TO);
    expect(recording.tree()).toEqual(["submit > deliver", "submit"]);
    const { attributes, kind, status } = recording.span("deliver");
    expect({ kind, status }).toEqual({ kind: SpanKind.CLIENT, status: { code: SpanStatusCode.UNSET } });
    expect(attributes).toEqual({
      "messaging.system": "smtp",
      "messaging.operation.name": "deliver",
      "messaging.operation.type": "send",
      "messaging.destination.name": "office",
      "network.protocol.name": "smtp",
      "server.address": "127.0.0.1",
      "server.port": smtp.port,
      "sealpost.recipients": 1,
      "sealpost.round_trips": expect.any(Number),
      "sealpost.warm": false,
    });
    expect(recording.span("submit").attributes).toEqual({
      "messaging.operation.name": "submit",
      "sealpost.mode": "inline",
      "sealpost.state": "delivered",
      "sealpost.recipients": 1,
    });
  });

  test("has the phases of a delivery that fails, of which the last has the error", async () => {
    using recording = await record();
    const rejection = "550 5.1.1 No such user <ann@example.net>, code 4711";
    await using smtp = await startSmtpServer({ script: { rcpt: reply(rejection) } });
    await using instance = await testInstance({ transport: makeTransport(), tracer: recording.tracer });
    await save(instance, `127.0.0.1:${smtp.port}`);
    await instance.services.submit("office", { ...TO, bcc: [{ name: "", address: "bob@example.net" }] });
    const steps = ["connect", "greeting", "ehlo", "sender", "recipient"].map((name) => `deliver > ${name}`);
    expect(recording.tree().filter((path) => steps.includes(path))).toEqual(steps);
    expect(recording.tree().slice(-2)).toEqual(["submit > deliver", "submit"]);
    for (const name of ["submit", "deliver"]) {
      expect(recording.span(name).attributes).toMatchObject({
        "error.type": "recipient_rejected",
        "sealpost.phase": "recipient",
        "sealpost.outcome": "not-sent",
        "sealpost.smtp.reply_code": 550,
        "sealpost.smtp.enhanced": "5.1.1",
      });
      expect(recording.span(name).status.code).toBe(SpanStatusCode.ERROR);
    }
    expect(recording.span("recipient").attributes).toEqual({ "error.type": "recipient_rejected" });
    expect(recording.span("sender").attributes).toEqual({});
    expect(exported(recording.spans())).not.toMatch(PRIVATE);
  });

  test("that is slow has the phases as well, which end with the delivery", async () => {
    using recording = await record();
    const timingMs = { connect: 900, data: 200 };
    const deliver = measureDeliveries(
      async () => [{ recipient: "ann@example.net", receipt: { ...ACCEPTED, timingMs } }],
      { meter: NO_METER, tracer: recording.tracer },
    );
    const { signal } = new AbortController();
    const mail = { server: SERVER, from: SENDER, recipients: ["ann@example.net"], bytes: new Uint8Array() };
    await deliver(mail, { signal });
    expect(recording.tree()).toEqual(["deliver > connect", "deliver > data", "deliver"]);
    const [connect, data] = [recording.span("connect"), recording.span("data")];
    expect([connect, data].map(({ duration }) => Math.round(milliseconds(duration)))).toEqual([900, 200]);
    expect(milliseconds(data.startTime)).toBeCloseTo(milliseconds(connect.endTime), 0);
    await deliver(mail, { signal, until: "auth" });
    expect(recording.all("deliver")).toHaveLength(1);
  });

  test("that is invalid ends its span with the code of the error", async () => {
    using recording = await record();
    await using instance = await testInstance({ tracer: recording.tracer });
    const invalid = { ...TO, to: [{ name: "", address: "ann@example.net\r\n" }] };
    await expect(instance.services.submit("office", invalid)).rejects.toThrow();
    expect(recording.span("submit").attributes).toEqual({ "error.type": "invalid_parameter" });
    expect(exported(recording.spans())).not.toMatch(PRIVATE);
  });
});

describe("a queued message", () => {
  test("is processed in a trace of its own, linked to the span that created it", async () => {
    using recording = await record();
    await using instance = await testInstance({ tracer: recording.tracer });
    await save(instance, "mail.example.org");
    const result = await instance.services.submit("office", TO, { queue: true });
    await drain(instance);
    expect(recording.tree()).toEqual(["submit > create", "submit", "process > deliver", "process"]);
    const [create, process] = [recording.span("create"), recording.span("process")];
    expect([create.kind, process.kind]).toEqual([SpanKind.PRODUCER, SpanKind.CONSUMER]);
    expect(process.links.map(({ context }) => context)).toMatchObject([
      { spanId: idOf(create), traceId: create.spanContext().traceId },
    ]);
    expect(process.spanContext().traceId).not.toBe(create.spanContext().traceId);
    const id = result.state === "queued" && result.mailId;
    for (const span of [create, process, recording.span("submit")])
      expect(span.attributes["messaging.message.id"]).toBe(id);
    expect(process.attributes).toMatchObject({ "sealpost.attempt": 1, "sealpost.recipients": 1 });
    expect(exported(recording.spans())).not.toMatch(PRIVATE);
  });

  test("is linked from each attempt", async () => {
    using recording = await record();
    const transport = createMemoryTransport();
    await using instance = await testInstance({ transport, tracer: recording.tracer });
    await save(instance, "mail.example.org");
    transport.fail({ phase: "greeting", code: "rate_limited", retryable: true });
    await instance.services.submit("office", TO, { queue: true });
    await drain(instance);
    instance.clock.advance(3_600);
    await drain(instance);
    const [first, second] = recording.all("process");
    expect(first?.attributes).toMatchObject({ "sealpost.attempt": 1, "error.type": "rate_limited" });
    expect(second?.attributes).toMatchObject({ "sealpost.attempt": 2 });
    const created = idOf(recording.span("create"));
    for (const span of [first, second]) expect(span?.links[0]?.context.spanId).toBe(created);
  });

  test("without an SDK stores no trace, and a later SDK finds nothing to link", async () => {
    await using instance = await testInstance({ tracer: await loadTracer() });
    await save(instance, "mail.example.org");
    await instance.services.submit("office", TO, { queue: true });
    using recording = await record();
    await drain(instance);
    expect(recording.span("process").links).toEqual([]);
  });

  test("of a batch is created inside the one submission", async () => {
    using recording = await record();
    await using instance = await testInstance({ tracer: recording.tracer });
    await save(instance, "mail.example.org");
    const message = { to: "ann@example.net", subject: "Private", text: "code 4711", server: "office" };
    const json = { messages: [message, message] };
    const { status } = await instance.request("POST", "/mail/batch", { json });
    expect(status).toBe(200);
    expect(recording.tree()).toEqual(["submit > create", "submit > create", "submit"]);
    expect(recording.span("submit").attributes["messaging.batch.message_count"]).toBe(2);
  });
});

describe("every attribute", () => {
  test("of tests, logins and mail of plugins is free of addresses, subjects, secrets and codes", async () => {
    using recording = await record();
    await using smtp = await startSmtpServer({ users: { [SENDER]: PASSWORD } });
    await using instance = await testInstance({ transport: makeTransport(), tracer: recording.tracer });
    const definition = {
      ...{ server: `127.0.0.1:${smtp.port}`, sender: SENDER, username: SENDER, recipient: "ann@example.net" },
    };
    for (const password of [PASSWORD, "wrong-hunter2"]) {
      await instance.request("POST", "/smtpserver/send_test_email", {
        json: { ...definition, password, identifier: "ann@example.net" },
      });
    }
    expect(
      recording.all("deliver").map(({ attributes }) => attributes["messaging.destination.name"]),
    ).toEqual(["unsaved", "unsaved"]);
    expect(recording.span("auth").attributes).toEqual({ "error.type": "auth_rejected" });
    expect(recording.all("submit").map(({ attributes }) => attributes["sealpost.mode"])).toEqual([
      "test",
      "test",
    ]);
    expect(exported(recording.spans())).not.toMatch(PRIVATE);
  });
});

describe("a tracer without an SDK", () => {
  test("gives the work no span, so nothing is described", async () => {
    for (const tracer of [NO_TRACER, await loadTracer()]) {
      expect(await tracer.run("process", async (span) => span, "00-0-0-00")).toBeNull();
    }
  });
});
