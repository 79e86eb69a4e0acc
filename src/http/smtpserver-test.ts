import type { Context } from "hono";
import * as v from "valibot";
import type { Env } from "../contracts/env.ts";
import type { Mailbox } from "../domain/mailbox.ts";
import type { ServerCheck } from "../mail/servers/check.ts";
import { type Servers, serverNotFound } from "../mail/servers/definitions.ts";
import { needsRecipient, type TestMail } from "../mail/servers/test.ts";
import type { OwnSubmitOptions } from "../mail/submission.ts";
import type { HintedDefinition } from "../wire/delivery.ts";
import { noticeDetail, respond } from "../wire/envelope.ts";
import { assertServers, serverLimitOf } from "../wire/guard.ts";
import { IDEMPOTENCY_HEADER } from "../wire/operation.ts";
import { route, tagged } from "../wire/route.ts";
import { definitionTag, EXAMPLE, identifierParams, TEST_ROUTE, toServerInput } from "./smtpserver-schema.ts";
import {
  type MessageTest,
  readTest,
  storedTestParams,
  testDetail,
  testParams,
  toCheckDetail,
  toTestDetail,
} from "./smtpserver-test-schema.ts";

/** The declaration that both tests share. */
const TEST = {
  method: "POST",
  right: "smtpserver_write",
  response: v.boolean(),
  detail: testDetail,
  description: "With `until`, checks the server up to this point and sends nothing.",
  headers: { "Idempotency-Key": `${IDEMPOTENCY_HEADER["Idempotency-Key"]}. A check ignores it` },
} as const;

/** Tests of definitions, unsaved and stored: a message, or with `until` a check that sends nothing. */
export function smtpServerTestRoutes(deps: {
  readonly servers: Pick<Servers, "get">;
  readonly testMail: TestMail;
}) {
  const { servers, testMail } = deps;
  return tagged(definitionTag, [
    route(
      {
        ...TEST,
        path: `/smtpserver/${TEST_ROUTE}`,
        parameters: { body: testParams },
        summary: "Test an unsaved definition",
        operationId: "sendTestEmail",
        errors: [409],
        example: { body: { ...EXAMPLE, identifier: "main", recipient: "you@example.org" }, value: true },
      },
      async (c, { body }) => {
        const { identifier } = body;
        const test = readTest(body);
        setAuditTarget(c, identifier, test);
        await assertStored(c, identifier, servers);
        const { input, notices } = await testMail.fill(toServerInput(body), identifier);
        c.set("notices", [...notices, ...c.get("notices")]);
        return run(c, test, {
          certificate: body.recipient_certificate,
          testMail,
          server: input,
          isQueueing: input.enqueueJob,
          content: body,
          check: (check) => testMail.checkUnsaved(input, identifier, check, c.get("actor"), c.req.raw.signal),
          send: (recipient, options) =>
            testMail.sendUnsaved(input, { identifier, recipient }, c.get("actor"), options),
        });
      },
    ),
    route(
      {
        ...TEST,
        path: `/smtpserver/:identifier/${TEST_ROUTE}`,
        parameters: { path: identifierParams, body: storedTestParams },
        summary: "Test a stored definition",
        operationId: "testSmtpServer",
        errors: [404, 409],
        example: { body: { recipient: "you@example.org" }, value: true },
      },
      async (c, { path: { identifier }, body }) => {
        const test = readTest(body);
        setAuditTarget(c, identifier, test);
        const server = await servers.get(identifier);
        if (server === null) throw serverNotFound();
        const queue = body.enqueue_job;
        return run(c, test, {
          certificate: body.recipient_certificate,
          testMail,
          server,
          isQueueing: queue,
          content: [identifier, body],
          check: (check) => testMail.checkStored(identifier, check, c.get("actor"), c.req.raw.signal),
          send: (recipient, options) =>
            testMail.sendStored({ identifier, recipient }, c.get("actor"), { queue, ...options }),
        });
      },
    ),
  ]);
}

/** Runs a test of the definition `server`. @param content the content for which an idempotency key is valid */
async function run(
  c: Context<Env>,
  test: MessageTest | ServerCheck,
  {
    certificate,
    testMail,
    server,
    isQueueing,
    content,
    check,
    send,
  }: {
    /** Certificate of the recipient; empty if none was given. */
    readonly certificate: string;
    readonly testMail: Pick<TestMail, "assertCertificate">;
    readonly server: HintedDefinition;
    readonly isQueueing: boolean;
    readonly content: unknown;
    check(test: ServerCheck): ReturnType<TestMail["checkStored"]>;
    send(
      recipient: Mailbox,
      options: Pick<OwnSubmitOptions, "idempotencyKey" | "idempotencyContent" | "certificates" | "signal">,
    ): ReturnType<TestMail["sendStored"]>;
  },
) {
  const isGiven = certificate !== "" && test.recipient !== null;
  const certificates = isGiven ? { [test.recipient.address]: certificate } : undefined;
  if (certificates) await testMail.assertCertificate(certificates);
  if (test.until !== null) {
    const { result, notices } = await check(test);
    const detail = { ...(await toCheckDetail(result, server)), ...noticeDetail(notices) };
    return respond(result.receipt.successful, { detail });
  }
  const idempotencyKey = c.req.header("idempotency-key");
  const { result, notices } = await send(test.recipient, {
    idempotencyKey,
    // A client that has a key comes back for the result.
    signal: idempotencyKey === undefined ? c.req.raw.signal : undefined,
    idempotencyContent: JSON.stringify(content),
    certificates,
  });
  const detail = {
    ...(await toTestDetail(result, server, isQueueing)),
    ...noticeDetail(notices),
  };
  return respond(result.state !== "failed", { detail });
}

/**
 * Asserts that a key that is limited to some definitions tests one of them, because any other would lead anywhere.
 * @throws {SealpostError} `action_denied`.
 */
async function assertStored(
  c: Context<Env>,
  identifier: string,
  servers: Pick<Servers, "get">,
): Promise<void> {
  if (!serverLimitOf(c).isLimited) return;
  assertServers(c, (await servers.get(identifier)) === null ? [] : [identifier]);
}

/** Sets the subject of the audit row, in case the request is rejected. */
function setAuditTarget(
  c: Context<Env>,
  identifier: string,
  { until, recipient }: MessageTest | ServerCheck,
): void {
  const isUsed = needsRecipient(until ?? undefined);
  c.set("auditTarget", { identifier, recipient: isUsed ? (recipient?.address ?? "") : "" });
}
