import { type Context, Hono } from "hono";
import * as v from "valibot";
import type { Env } from "../contracts/env.ts";
import type { Platform } from "../contracts/platform.ts";
import { type Servers, serverNotFound } from "../mail/servers/definitions.ts";
import type { TestMail } from "../mail/servers/test.ts";
import { needsRecipient } from "../mail/servers/test.ts";
import { success } from "../wire/envelope.ts";
import type { RequireRight } from "../wire/guard.ts";
import { allowOnly } from "../wire/not-found.ts";
import { noticeDetail } from "../wire/notices.ts";
import { IDEMPOTENCY_HEADER, operation } from "../wire/openapi.ts";
import { bodyParams, pathParams } from "../wire/validate.ts";
import { identifierParams, TEST_ROUTE, toServerInput } from "./smtpserver-schema.ts";
import { readTest, storedTestParams, testDetail, testParams } from "./smtpserver-test-schema.ts";
import { toCheckDetail, toTestDetail } from "./smtpserver-test-view.ts";

const WRITE = "smtpserver_write";

/** What the document of the interface says of both tests. */
const TEST_OPERATION = {
  tag: "SMTP servers",
  answer: v.boolean(),
  detail: testDetail,
  headers: { "Idempotency-Key": `${IDEMPOTENCY_HEADER["Idempotency-Key"]}; ignored by a check` },
} as const;

/** Tests of definitions, unsaved and stored: a message, or with `until` a check that sends nothing. */
export function smtpServerTestRoutes(deps: {
  readonly servers: Pick<Servers, "get">;
  readonly testMail: TestMail;
  readonly requireRight: RequireRight;
  readonly platform: Pick<Platform, "now">;
}) {
  const { servers, testMail, requireRight, platform } = deps;

  return new Hono<Env>()
    .post(
      `/${TEST_ROUTE}`,
      operation({
        ...TEST_OPERATION,
        summary: "Send a test message through an unsaved definition, or check its server without sending",
        operationId: "sendTestEmail",
        body: testParams,
        refusals: [409],
      }),
      requireRight(WRITE, `POST /smtpserver/${TEST_ROUTE}`),
      bodyParams(testParams),
      async (c) => {
        const params = c.req.valid("json");
        const { identifier } = params;
        const test = readTest(params);
        const input = toServerInput(params);
        setAuditTarget(c, identifier, test);
        if (test.until !== null) {
          const checked = await testMail.checkUnsaved(input, identifier, test, c.get("actor"));
          const detail = { ...toCheckDetail(checked, input), ...noticeDetail(c.get("notices")) };
          return c.json(success(checked.receipt.successful, platform.now(), detail));
        }
        const { recipient } = test;
        const result = await testMail.sendUnsaved(input, { identifier, recipient }, c.get("actor"), {
          idempotencyKey: c.req.header("idempotency-key"),
          idempotencyContent: JSON.stringify(params),
        });
        const detail = {
          ...toTestDetail(result, input, input.enqueueJob),
          ...noticeDetail(c.get("notices")),
        };
        return c.json(success(result.state !== "failed", platform.now(), detail));
      },
    )
    .all(`/${TEST_ROUTE}`, allowOnly("POST"))
    .post(
      `/:identifier/${TEST_ROUTE}`,
      operation({
        ...TEST_OPERATION,
        summary: "Send a test message through a stored definition, or check its server without sending",
        operationId: "testSmtpServer",
        body: storedTestParams,
        refusals: [404, 409],
      }),
      requireRight(WRITE, `POST /smtpserver/<identifier>/${TEST_ROUTE}`),
      pathParams(identifierParams),
      bodyParams(storedTestParams),
      async (c) => {
        const { identifier } = c.req.valid("param");
        const params = c.req.valid("json");
        const test = readTest(params);
        setAuditTarget(c, identifier, test);
        const server = await servers.get(identifier);
        if (server === null) throw serverNotFound();
        if (test.until !== null) {
          const checked = await testMail.checkStored(identifier, test, c.get("actor"));
          const detail = { ...toCheckDetail(checked, server), ...noticeDetail(c.get("notices")) };
          return c.json(success(checked.receipt.successful, platform.now(), detail));
        }
        const { recipient } = test;
        const queue = params.enqueue_job;
        const result = await testMail.sendStored({ identifier, recipient }, c.get("actor"), {
          queue,
          idempotencyKey: c.req.header("idempotency-key"),
          idempotencyContent: JSON.stringify([identifier, params]),
        });
        const detail = { ...toTestDetail(result, server, queue), ...noticeDetail(c.get("notices")) };
        return c.json(success(result.state !== "failed", platform.now(), detail));
      },
    )
    .all(`/:identifier/${TEST_ROUTE}`, allowOnly("POST"));
}

/** Names in the audit row of a rejected request what it was about. */
function setAuditTarget(
  c: Context<Env>,
  identifier: string,
  { until, recipient }: ReturnType<typeof readTest>,
): void {
  const isUsed = needsRecipient(until ?? undefined);
  c.set("auditTarget", { identifier, recipient: isUsed ? (recipient?.address ?? "") : "" });
}
