import type { Context } from "hono";
import {
  type Env,
  IDEMPOTENCY_HEADER,
  language,
  missingParameter,
  nameKey,
  type RateLimit,
  respond,
  route,
  type Statement,
} from "sealpost/plugin";
import * as v from "valibot";
import type { CheckCode } from "./check.ts";
import type { TokenContext } from "./config.ts";
import { eventDataOf, type OwnerQuery, type Owners, type Pins, type PinTargets } from "./owners.ts";
import {
  checkParams,
  isSent,
  toChallengeDetail,
  toFailures,
  triggerParams,
  validateDetail,
} from "./schema.ts";
import type { OwnedToken } from "./store.ts";
import { LANGUAGES, TEXTS } from "./texts.ts";
import type { Trigger, TriggerResult } from "./trigger.ts";

const tag = { name: "Validation", description: "Codes as a second factor: sending and checking them" };
const WINDOW_SECONDS = 600;
/** Maximum failures of one client per window with one name, and in total: the same as for the login of admins. */
const MAX_FAILURES_PER_NAME = 10;
const MAX_FAILURES_PER_CLIENT = 100;
const TRIGGER_RIGHT = "triggerchallenge";

/** Creates the routes that send and check codes. */
export function validateRoutes(deps: {
  readonly ctx: TokenContext;
  readonly owners: Owners;
  readonly pins: Pins;
  readonly trigger: Trigger;
  readonly checkCode: CheckCode;
}) {
  const { ctx, owners, pins, trigger, checkCode } = deps;

  /** Attempts are counted before they are decided, so that parallel attempts cannot exceed the limit. */
  const limitsOf = (c: Context<Env>, named: OwnerQuery): readonly RateLimit[] => {
    const name = named.user === "" ? `serial ${named.serial}` : `user ${nameKey(owners.fullName(named))}`;
    const limit = { windowSeconds: WINDOW_SECONDS };
    return [
      ...ctx.limits.perClient(c, { ...limit, key: "check", max: MAX_FAILURES_PER_CLIENT }),
      ...ctx.limits.perClient(c, { ...limit, key: `check ${name}`, max: MAX_FAILURES_PER_NAME }),
    ];
  };
  function wrongPinRow(c: Context<Env>, targets: readonly OwnedToken[]): Statement {
    const identifier = targets.map(({ token }) => token.serial).join(",");
    return ctx.audit.row(c, { success: false, identifier, info: "no token opens with this PIN" });
  }

  const notTriggered = (c: Context<Env>) => TEXTS[language(c, LANGUAGES)].notTriggered;

  /** Returns the tokens with this PIN. It compares one PIN, regardless of the number of tokens. */
  async function openedBy(
    c: Context<Env>,
    pin: string,
    { targets, hasOldPins }: PinTargets,
  ): Promise<readonly OwnedToken[]> {
    const withPin = targets.filter(({ token }) => token.pinHash !== "");
    const known = withPin[0]?.token.pinHash ?? null;
    const { ok } = await pins.verify(c, pin, known, { hasOldPins });
    return ok ? withPin.filter(({ token }) => token.pinHash === known) : [];
  }

  /** Sets the event data of the request. */
  function setEventData(
    c: Context<Env>,
    targets: readonly OwnedToken[],
    serial: string,
    authentication: string,
  ): void {
    const rows = targets.map(({ token }) => token);
    c.set("eventData", { ...eventDataOf(rows, serial), authentication });
  }

  /** Builds the audit row of a trigger. */
  function rowOf(c: Context<Env>, { issued, unsent }: TriggerResult): Statement {
    const serials = [...issued, ...unsent].map(({ serial }) => serial);
    const info = [verdictOf(issued).toLowerCase(), ...unsent.map(({ serial, code }) => `${serial}: ${code}`)];
    const entry = { success: issued.length > 0, identifier: serials.join(","), info: info.join("; ") };
    return ctx.audit.row(c, entry);
  }

  /** The response after codes were sent or not. @param isAdmin the response says why codes were not sent. */
  function triggered<V>(
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

  return [
    route(
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
        tag,
        errors: [409],
        headers: IDEMPOTENCY_HEADER,
      },
      async (c, { body: params }) => {
        assertNamed(params);
        const all = await owners.tokensOf(params);
        const targets = all.filter(({ token }) => params.type === undefined || token.type === params.type);
        const result = await ctx.idempotent(c, params, () => trigger(c, targets, (sent) => [rowOf(c, sent)]));
        return triggered(c, targets, result, { value: result.issued.length, isAdmin: true });
      },
    ),
    route(
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
        tag,
        errors: [409, 429],
        headers: IDEMPOTENCY_HEADER,
      },
      async (c, { body: { pass, transaction_id, state, ...named } }) => {
        assertNamed(named);
        const limits = limitsOf(c, named);
        const transactionId = transaction_id || state;
        if (transactionId !== "") {
          const targets = await owners.tokensIn(transactionId, named);
          const attempt = { transactionId, code: pass, limits };
          const { accepted, token, message } = await checkCode(c, targets, attempt);
          const authentication = accepted ? "ACCEPT" : "REJECT";
          setEventData(c, targets, token?.serial ?? "", authentication);
          const about = accepted && token ? { serial: token.serial, type: token.type } : {};
          return respond(accepted, { detail: { message, ...about }, authentication });
        }
        await ctx.limits.consume(...limits);
        const { refund } = await ctx.limits.plan(...limits);
        const found = await owners.tokensForPin(named);
        const { targets } = found;
        const opened = await openedBy(c, pass, found).catch(async (error) => {
          // There was no verdict.
          await ctx.store.append(...refund());
          throw error;
        });
        // With no token that opens, too: what is wrong with the key must not tell that the PIN is right.
        const result = await ctx.idempotent(c, [named, pass], () =>
          trigger(c, opened, (sent) =>
            opened.length === 0
              ? [wrongPinRow(c, targets)]
              : [rowOf(c, sent), ...(sent.issued.length > 0 ? refund() : [])],
          ),
        );
        if (opened.length === 0) {
          setEventData(c, targets, targets[0]?.token.serial ?? "", "REJECT");
          return respond(false, { detail: { message: notTriggered(c) }, authentication: "REJECT" });
        }
        const isAdmin = result.unsent.length > 0 && (await ctx.guard.isAllowed(c, TRIGGER_RIGHT));
        return triggered(c, opened, result, { value: false, isAdmin });
      },
    ),
  ];
}

function verdictOf(issued: TriggerResult["issued"]): "CHALLENGE" | "REJECT" {
  return issued.length > 0 ? "CHALLENGE" : "REJECT";
}

function assertNamed({ user, serial }: Pick<OwnerQuery, "user" | "serial">): void {
  if (user === "" && serial === "") throw missingParameter("user");
}
