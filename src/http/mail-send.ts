import type { Context } from "hono";
import type * as v from "valibot";
import type { Env } from "../contracts/env.ts";
import type { Platform } from "../contracts/platform.ts";
import { recipientsOf } from "../domain/mailbox.ts";
import { asRejection, SealpostError } from "../errors.ts";
import type { AssertSender } from "../mail/servers/allowed-senders.ts";
import type { Servers } from "../mail/servers/definitions.ts";
import type { SubmitFor, SubmitResult } from "../mail/submission.ts";
import type { BatchMessage, BatchResult, SubmitBatchFor } from "../mail/submit-batch.ts";
import { toDeliveryView } from "../wire/delivery.ts";
import { respond } from "../wire/envelope.ts";
import { assertServers } from "../wire/guard.ts";
import { IDEMPOTENCY_HEADER } from "../wire/operation.ts";
import { route, tagged } from "../wire/route.ts";
import { mailTag } from "./mail-schema.ts";
import {
  MAX_BATCH_BYTES,
  MAX_BATCH_MESSAGES,
  MAX_BODY_BYTES,
  type MailRequest,
  mailBatchParams,
  mailBatchView,
  mailSendDetail,
  mailSendParams,
  readBatchMessage,
  sentMailView,
  toMailRequest,
  withHttpNames,
} from "./mail-send-schema.ts";

interface MailSendDeps {
  readonly submitFor: SubmitFor;
  readonly submitBatchFor: SubmitBatchFor;
  readonly assertSender: AssertSender;
  readonly servers: Pick<Servers, "get">;
  readonly platform: Pick<Platform, "now">;
}

const SEND = { method: "POST", right: "mail_send", headers: IDEMPOTENCY_HEADER } as const;

/** Sending messages of the caller's own. */
export function mailSendRoutes(deps: MailSendDeps) {
  const { submitFor, submitBatchFor, platform } = deps;
  return tagged(mailTag, [
    route(
      {
        ...SEND,
        path: "/mail/",
        parameters: { body: mailSendParams },
        response: sentMailView,
        detail: mailSendDetail,
        summary: "Send a message",
        description: "Queues it, unless `queue` is `false`. `GET /mail/<id>` has its progress.",
        operationId: "sendMail",
        errors: [409, 413],
        maxBodyBytes: MAX_BODY_BYTES,
        example: {
          body: { server: "main", to: "you@example.org", subject: "Hello", text: "It works." },
          value: { id: "6f1c2f0e-6b1d-4c7a-9a43-0d3b7f1f5a11", state: "queued" },
        },
      },
      async (c, { body }) => {
        const request = toMailRequest(body, platform.now());
        const { servers, message, options } = request;
        c.set("auditTarget", auditTarget(request));
        await assertAllowed(c, request, deps);
        const submitted = submitFor(submitterOf(c))(servers, message, {
          ...options,
          idempotencyKey: c.req.header("idempotency-key"),
          idempotencyContent: JSON.stringify(body),
        });
        const result = await submitted.catch((error) => Promise.reject(withHttpNames(error)));
        return respond(toValue(result), { detail: await detailOf(result, deps) });
      },
    ),
    route(
      {
        ...SEND,
        path: "/mail/batch",
        parameters: { body: mailBatchParams },
        response: mailBatchView,
        summary: "Queue several messages",
        description:
          "In one commit. An invalid message does not affect the others: it has an error in its place.",
        operationId: "sendMailBatch",
        errors: [409, 413],
        maxBodyBytes: MAX_BATCH_BYTES,
      },
      async (c, { body: { messages } }) => {
        if (messages.length > MAX_BATCH_MESSAGES) {
          throw new SealpostError("too_large", `A batch has at most ${MAX_BATCH_MESSAGES} messages`);
        }
        const now = platform.now();
        const read: (BatchMessage | SealpostError)[] = [];
        for (const given of messages) read.push(await readAllowed(c, given, now, deps).catch(asRejection));
        return await submitBatchFor(submitterOf(c))(read, {
          idempotencyKey: c.req.header("idempotency-key"),
          idempotencyContent: JSON.stringify(messages),
          respond: (results) => results.map(toBatchValue),
        });
      },
    ),
  ]);
}

async function readAllowed(
  c: Context<Env>,
  given: Readonly<Record<string, unknown>>,
  now: Date,
  deps: MailSendDeps,
): Promise<MailRequest> {
  const request = readBatchMessage(given, now);
  await assertAllowed(c, request, deps);
  return request;
}

/** @throws {SealpostError} `action_denied` for a definition outside the API key, `invalid_parameter`. */
async function assertAllowed(
  c: Context<Env>,
  { servers, message }: MailRequest,
  { assertSender }: MailSendDeps,
): Promise<void> {
  assertServers(c, servers);
  await assertSender(servers, message.from ?? null);
}

function submitterOf(c: Context<Env>) {
  const actor = c.get("actor");
  return { name: `admin ${actor.administrator}@${actor.realm}`, actor };
}

function auditTarget({ servers, message: { to, cc, bcc } }: MailRequest) {
  return { identifier: servers.join(), recipient: recipientsOf({ to, cc, bcc }).join() };
}

function toValue(result: SubmitResult) {
  const { mailId = "" } = result;
  return { id: mailId, state: result.state === "delivered" ? ("sent" as const) : result.state };
}

function toBatchValue(result: BatchResult) {
  if (!(result instanceof SealpostError)) return toValue(result);
  const { number: code, message, parameter } = withHttpNames(result);
  return { error: { code, message, parameter } };
}

async function detailOf(
  result: SubmitResult,
  { servers }: MailSendDeps,
): Promise<v.InferOutput<typeof mailSendDetail>> {
  const { signed = false, encrypted = false } = result.smime ?? {};
  const smime = result.smime ? { smime: { signed, encrypted } } : {};
  if (result.state === "queued") return smime;
  const server = await servers.get(result.identifier);
  return { ...smime, ...(server && { delivery: await toDeliveryView(result, server) }) };
}
