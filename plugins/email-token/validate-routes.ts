import { type Context, Hono } from "hono";
import {
  authenticated,
  bodyParams,
  type Env,
  IDEMPOTENCY_HEADER,
  language,
  missingParameter,
  nameKey,
  operation,
  type RateLimit,
  type Statement,
  success,
} from "sealpost/plugin";
import * as v from "valibot";
import { type createCheckCode, dataOf } from "./check.ts";
import type { TokenContext } from "./config.ts";
import type { OwnerQuery, Owners, Pins, PinTargets } from "./owners.ts";
import {
  challengeDetail,
  checkParams,
  failuresOf,
  isIssued,
  triggerParams,
  validateDetail,
} from "./schema.ts";
import type { OwnedToken } from "./store.ts";
import { LANGUAGES, TEXTS } from "./texts.ts";
import type { createTrigger, Trigger } from "./trigger.ts";

const tag = "Validation";
const WINDOW_SECONDS = 600;
/** Failures of one client, with one name, in a window: as at the log-in of admins. */
const FAILURES_OF_NAME = 10;
const FAILURES_OF_CLIENT = 100;
const TRIGGER_RIGHT = "triggerchallenge";

/** Codes over HTTP: asked for by an admin's client or with a PIN, and checked. */
export function validateRoutes(parts: {
  readonly ctx: TokenContext;
  readonly owners: Owners;
  readonly pins: Pins;
  readonly trigger: ReturnType<typeof createTrigger>;
  readonly checkCode: ReturnType<typeof createCheckCode>;
}) {
  const { ctx, owners, pins, trigger, checkCode } = parts;

  /** Counted before it is known whether they fail, so that parallel ones do not slip through. */
  const limitsOf = (c: Context<Env>, named: OwnerQuery): readonly RateLimit[] => {
    const name = named.user === "" ? `serial ${named.serial}` : `user ${nameKey(owners.fullName(named))}`;
    const limit = { windowSeconds: WINDOW_SECONDS };
    return [
      ...ctx.limits.perClient(c, { ...limit, key: "check", max: FAILURES_OF_CLIENT }),
      ...ctx.limits.perClient(c, { ...limit, key: `check ${name}`, max: FAILURES_OF_NAME }),
    ];
  };
  function wrongPinRow(c: Context<Env>, targets: readonly OwnedToken[]): Statement {
    const identifier = targets.map(({ token }) => token.serial).join(",");
    return ctx.audit.row(c, { success: false, identifier, info: "no token opens with this PIN" });
  }

  const notTriggered = (c: Context<Env>) => TEXTS[language(c, LANGUAGES)].notTriggered;

  /** The tokens whose PIN this is; one PIN is compared, with whatever number of tokens. */
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

  /** What handlers of events are told. */
  function tell(
    c: Context<Env>,
    targets: readonly OwnedToken[],
    serial: string,
    authentication: string,
  ): void {
    const rows = targets.map(({ token }) => token);
    c.set("eventData", { ...dataOf(rows, serial), authentication });
  }

  /** The audit row of codes that were sent or not. */
  function rowOf(c: Context<Env>, { issued, unsent }: Trigger): Statement {
    const serials = [...issued, ...unsent].map(({ serial }) => serial);
    const info = [verdictOf(issued).toLowerCase(), ...unsent.map(({ serial, code }) => `${serial}: ${code}`)];
    const entry = { success: issued.length > 0, identifier: serials.join(","), info: info.join("; ") };
    return ctx.audit.row(c, entry);
  }

  /** The answer after codes were sent or not. */
  function answer(
    c: Context<Env>,
    targets: readonly OwnedToken[],
    { issued, unsent }: Trigger,
    said: { readonly value: unknown; readonly mayKnow: boolean },
  ) {
    const verdict = verdictOf(issued);
    tell(c, targets, [...issued, ...unsent][0]?.serial ?? "", verdict);
    const told = isIssued(issued) ? challengeDetail(issued) : { message: notTriggered(c) };
    const failures = unsent.length > 0 && said.mayKnow ? { failures: failuresOf(unsent) } : {};
    return authenticated(success(said.value, ctx.time.now(), { ...told, ...failures }), verdict);
  }

  return new Hono<Env>()
    .post(
      "/validate/triggerchallenge",
      operation({
        summary: "Send a code to the tokens of a user; the value is how many challenges there are",
        operationId: "triggerChallenge",
        tag,
        answer: v.number(),
        detail: validateDetail,
        body: triggerParams,
        refusals: [409],
        headers: IDEMPOTENCY_HEADER,
      }),
      ctx.guard.requireRight(TRIGGER_RIGHT, { isProvedByRead: true }),
      bodyParams(triggerParams),
      async (c) => {
        const params = c.req.valid("json");
        refuseNobody(params);
        const all = await owners.tokensOf(params);
        const targets = all.filter(({ token }) => params.type === undefined || token.type === params.type);
        const result = await ctx.idempotent(c, params, () =>
          trigger(c, targets, (triggered) => [rowOf(c, triggered)]),
        );
        return c.json(answer(c, targets, result, { value: result.issued.length, mayKnow: true }));
      },
    )
    .post(
      "/validate/check",
      operation({
        summary: "With transaction_id: check a code. Without: have codes sent, by the PIN",
        operationId: "validateCheck",
        tag,
        answer: v.boolean(),
        detail: validateDetail,
        body: checkParams,
        refusals: [409, 429],
        open: true,
        headers: IDEMPOTENCY_HEADER,
      }),
      bodyParams(checkParams),
      async (c) => {
        const { pass, transaction_id, state, ...named } = c.req.valid("json");
        refuseNobody(named);
        const limits = limitsOf(c, named);
        const transactionId = transaction_id || state;
        if (transactionId !== "") {
          const targets = await owners.tokensIn(transactionId, named);
          const attempt = { transactionId, code: pass, limits };
          const { accepted, token, message } = await checkCode(c, targets, attempt);
          const verdict = accepted ? "ACCEPT" : "REJECT";
          tell(c, targets, token?.serial ?? "", verdict);
          const about = accepted && token ? { serial: token.serial, type: token.type } : {};
          return c.json(authenticated(success(accepted, ctx.time.now(), { message, ...about }), verdict));
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
          trigger(c, opened, (triggered) =>
            opened.length === 0
              ? [wrongPinRow(c, targets)]
              : [rowOf(c, triggered), ...(triggered.issued.length > 0 ? refund() : [])],
          ),
        );
        if (opened.length === 0) {
          tell(c, targets, targets[0]?.token.serial ?? "", "REJECT");
          const detail = { message: notTriggered(c) };
          return c.json(authenticated(success(false, ctx.time.now(), detail), "REJECT"));
        }
        const mayKnow = result.unsent.length > 0 && (await ctx.guard.isAllowed(c, TRIGGER_RIGHT));
        return c.json(answer(c, opened, result, { value: false, mayKnow }));
      },
    );
}

function verdictOf(issued: Trigger["issued"]): "CHALLENGE" | "REJECT" {
  return issued.length > 0 ? "CHALLENGE" : "REJECT";
}

function refuseNobody({ user, serial }: Pick<OwnerQuery, "user" | "serial">): void {
  if (user === "" && serial === "") throw missingParameter("user");
}
