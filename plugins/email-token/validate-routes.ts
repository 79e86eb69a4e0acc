import type { Context } from "hono";
import {
  type Env,
  IDEMPOTENCY_HEADER,
  language,
  missingParameter,
  type RateLimit,
  respond,
  route,
  tagged,
} from "sealpost/plugin";
import * as v from "valibot";
import type { CheckCode } from "./check.ts";
import type { TokenContext } from "./config.ts";
import { eventDataOf, type OwnerQuery, type Owners } from "./owners.ts";
import type { TriggerByPin } from "./pin.ts";
import {
  checkParams,
  isSent,
  pollDetail,
  pollParams,
  toChallengeDetail,
  toFailures,
  triggerParams,
  validateDetail,
} from "./schema.ts";
import type { OwnedToken } from "./store.ts";
import { LANGUAGES, TEXTS } from "./texts.ts";
import { type Trigger, type TriggerResult, triggerRow, verdictOf } from "./trigger.ts";

const TAG = { name: "Validation", description: "Codes as a second factor: sending and checking them" };
const WINDOW_SECONDS = 600;
/** Maximum failures of one client per window with one name, and in total: the same as for the login of admins. */
const PER_CLIENT_AND_NAME = { max: 10, windowSeconds: WINDOW_SECONDS };
const PER_CLIENT = { max: 100, windowSeconds: WINDOW_SECONDS };
const TRIGGER_RIGHT = "triggerchallenge";

interface ValidateDeps extends Pick<TokenContext, "guard" | "audit" | "limits" | "idempotent"> {
  readonly owners: Owners;
  readonly trigger: Trigger;
  readonly triggerByPin: TriggerByPin;
  readonly checkCode: CheckCode;
}

/** Creates the routes that send and check codes. */
export function validateRoutes(deps: ValidateDeps) {
  return tagged(TAG, [triggerRoute(deps), checkRoute(deps), ...pollRoutes()]);
}

function triggerRoute(deps: ValidateDeps) {
  const { audit, idempotent, owners, trigger } = deps;
  return route(
    {
      method: "POST",
      path: "/validate/triggerchallenge",
      right: TRIGGER_RIGHT,
      isProvedByRead: true,
      parameters: { body: triggerParams },
      response: v.number(),
      detail: validateDetail,
      summary: "Send codes to a user",
      description: "The value is the number of challenges.",
      operationId: "triggerChallenge",
      errors: [409],
      headers: IDEMPOTENCY_HEADER,
    },
    async (c, { body: params }) => {
      assertNamed(params);
      const all = await owners.usableTokens(params);
      const targets = all.filter(({ token }) => params.type === undefined || token.type === params.type);
      const result = await idempotent(c, params, () =>
        trigger(c, targets, (sent) => [triggerRow(audit, c, sent)]),
      );
      return respondTo(c, targets, result, { value: result.issued.length, isAdmin: true });
    },
  );
}

function checkRoute(deps: ValidateDeps) {
  const { guard, owners, triggerByPin, checkCode } = deps;
  return route(
    {
      method: "POST",
      path: "/validate/check",
      open: true,
      parameters: { body: checkParams },
      response: v.boolean(),
      detail: validateDetail,
      summary: "Check a code, or request one",
      description: "With `transaction_id`, checks a code. Without it, sends codes if `pass` is the PIN.",
      operationId: "validateCheck",
      errors: [409, 429],
      headers: IDEMPOTENCY_HEADER,
    },
    async (c, { body: { pass, transaction_id, state, ...named } }) => {
      assertNamed(named);
      if (pass === undefined) throw missingParameter("pass");
      const rateLimits = limitsOf(deps, c, named, pass);
      const transactionId = transaction_id || state;
      if (transactionId !== "") {
        // An empty code is no guess: it must not use up an attempt.
        const targets = pass === "" ? [] : await owners.tokensIn(transactionId, named);
        const attempt = { transactionId, code: pass, limits: rateLimits };
        const { accepted, token, message } = await checkCode(c, targets, attempt);
        const authentication = accepted ? "ACCEPT" : "REJECT";
        setEventData(c, targets, token?.serial ?? "", authentication);
        const about = accepted && token ? { serial: token.serial, type: token.type } : {};
        return respond(accepted, { detail: { message, ...about }, authentication });
      }
      const { targets, opened, result } = await triggerByPin(c, pass, named, rateLimits);
      if (opened.length === 0) {
        setEventData(c, targets, targets[0]?.token.serial ?? "", "REJECT");
        return respond(false, { detail: { message: notTriggered(c) }, authentication: "REJECT" });
      }
      const isAdmin = result.unsent.length > 0 && (await guard.isAllowed(c, TRIGGER_RIGHT));
      return respondTo(c, opened, result, { value: false, isAdmin });
    },
  );
}

/** Clients wait for push tokens by polling. A code is never confirmed elsewhere, so the response does not depend on the id. */
function pollRoutes() {
  const shared = {
    method: "GET",
    open: true,
    response: v.boolean(),
    detail: pollDetail,
    description: "The value is `false`, because a code is entered at `/validate/check`.",
  } as const;
  const poll = () =>
    respond(false, { detail: { challenge_status: "pending" as const }, authentication: "REJECT" });
  return [
    route(
      {
        ...shared,
        path: "/validate/polltransaction",
        parameters: { query: pollParams },
        summary: "Poll a transaction",
      },
      poll,
    ),
    route(
      {
        ...shared,
        path: "/validate/polltransaction/:transaction_id",
        parameters: { path: pollParams },
        summary: "Poll one transaction",
      },
      poll,
    ),
  ];
}

/** Attempts are counted before they are decided, so that parallel attempts cannot exceed the limit. */
function limitsOf(
  { limits, owners }: ValidateDeps,
  c: Context<Env>,
  query: OwnerQuery,
  pass: string,
): readonly RateLimit[] {
  // No guess, but work.
  if (pass === "") return limits.perClient(c, { key: "check empty", ...PER_CLIENT });
  const name = query.user === "" ? `serial ${query.serial}` : `user ${owners.fullName(query)}`;
  return [
    ...limits.perClient(c, { key: "check", ...PER_CLIENT }),
    ...limits.perClient(c, { key: `check ${name}`, ...PER_CLIENT_AND_NAME }),
  ];
}

/** Responds to a trigger. @param isAdmin whether the response has the reasons why codes were not sent. */
function respondTo<V>(
  c: Context<Env>,
  targets: readonly OwnedToken[],
  { issued, unsent }: TriggerResult,
  { value, isAdmin }: { readonly value: V; readonly isAdmin: boolean },
) {
  const verdict = verdictOf(issued);
  setEventData(c, targets, [...issued, ...unsent][0]?.serial ?? "", verdict);
  const detail = isSent(issued) ? toChallengeDetail(issued) : { message: notTriggered(c) };
  const failures = unsent.length > 0 && isAdmin ? { failures: toFailures(unsent) } : {};
  return respond(value, { detail: { ...detail, ...failures }, authentication: verdict });
}

function setEventData(
  c: Context<Env>,
  targets: readonly OwnedToken[],
  serial: string,
  authentication: string,
): void {
  const rows = targets.map(({ token }) => token);
  c.set("eventData", { ...eventDataOf(rows, serial), authentication });
}

function notTriggered(c: Context<Env>): string {
  return TEXTS[language(c, LANGUAGES)].notTriggered;
}

function assertNamed({ user, serial }: Pick<OwnerQuery, "user" | "serial">): void {
  if (user === "" && serial === "") throw missingParameter("user");
}
