import type { Context } from "hono";
import * as v from "valibot";
import type { Env } from "../contracts/env.ts";
import { type Servers, serverNotFound } from "../mail/servers/definitions.ts";
import type { TestMail } from "../mail/servers/test.ts";
import { needsRecipient } from "../mail/servers/test.ts";
import { noticeDetail, respond } from "../wire/envelope.ts";
import { IDEMPOTENCY_HEADER } from "../wire/operation.ts";
import { route } from "../wire/route.ts";
import { definitionTag, EXAMPLE, identifierParams, TEST_ROUTE, toServerInput } from "./smtpserver-schema.ts";
import {
  readTest,
  storedTestParams,
  testDetail,
  testParams,
  toCheckDetail,
  toTestDetail,
} from "./smtpserver-test-schema.ts";

/** What the OpenAPI document says about both tests. */
const TEST = {
  method: "POST",
  right: "smtpserver_write",
  response: v.boolean(),
  detail: testDetail,
  description: "With `until`, checks the server up to this point and sends nothing.",
  tag: definitionTag,
  headers: { "Idempotency-Key": `${IDEMPOTENCY_HEADER["Idempotency-Key"]}. A check ignores it` },
} as const;

/** Tests of definitions, unsaved and stored: a message, or with `until` a check that sends nothing. */
export function smtpServerTestRoutes(deps: {
  readonly servers: Pick<Servers, "get">;
  readonly testMail: TestMail;
}) {
  const { servers, testMail } = deps;
  return [
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
        const input = toServerInput(body);
        setAuditTarget(c, identifier, test);
        if (test.until !== null) {
          const checked = await testMail.checkUnsaved(input, identifier, test, c.get("actor"));
          const detail = { ...toCheckDetail(checked, input), ...noticeDetail(c.get("notices")) };
          return respond(checked.receipt.successful, { detail });
        }
        const { recipient } = test;
        const result = await testMail.sendUnsaved(input, { identifier, recipient }, c.get("actor"), {
          idempotencyKey: c.req.header("idempotency-key"),
          idempotencyContent: JSON.stringify(body),
        });
        const detail = {
          ...toTestDetail(result, input, input.enqueueJob),
          ...noticeDetail(c.get("notices")),
        };
        return respond(result.state !== "failed", { detail });
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
        if (test.until !== null) {
          const checked = await testMail.checkStored(identifier, test, c.get("actor"));
          const detail = { ...toCheckDetail(checked, server), ...noticeDetail(c.get("notices")) };
          return respond(checked.receipt.successful, { detail });
        }
        const { recipient } = test;
        const queue = body.enqueue_job;
        const result = await testMail.sendStored({ identifier, recipient }, c.get("actor"), {
          queue,
          idempotencyKey: c.req.header("idempotency-key"),
          idempotencyContent: JSON.stringify([identifier, body]),
        });
        const detail = { ...toTestDetail(result, server, queue), ...noticeDetail(c.get("notices")) };
        return respond(result.state !== "failed", { detail });
      },
    ),
  ];
}

/** Sets the subject of the audit row, in case the request is rejected. */
function setAuditTarget(
  c: Context<Env>,
  identifier: string,
  { until, recipient }: ReturnType<typeof readTest>,
): void {
  const isUsed = needsRecipient(until ?? undefined);
  c.set("auditTarget", { identifier, recipient: isUsed ? (recipient?.address ?? "") : "" });
}
