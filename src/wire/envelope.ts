import * as v from "valibot";
import { NOTICE_CODES, type Notice } from "../domain/notices.ts";
import type { SealpostError } from "../errors.ts";
import { VERSION } from "../version.ts";
import { described } from "./schemas.ts";

/** JSON-RPC id of ordinary responses, and of those that authenticate. */
type EnvelopeId = 1 | 2;

/** Every success response. `detail` is absent if the response has none. */
export interface SuccessEnvelope<T, D = undefined> {
  readonly jsonrpc: "2.0";
  readonly id: EnvelopeId;
  readonly result: { readonly status: true; readonly value: T };
  readonly detail?: D;
  /** Seconds since the epoch. */
  readonly time: number;
  readonly version: string;
  readonly versionnumber: string;
}

/** Every error response. */
interface ErrorEnvelope {
  readonly jsonrpc: "2.0";
  readonly id: 1;
  readonly result: {
    readonly status: false;
    readonly error: { readonly code: number; readonly message: string };
  };
  readonly detail: { readonly [key: string]: unknown } | null;
  readonly time: number;
  readonly version: string;
}

const PRODUCT = `sealpost ${VERSION}`;

export function success<T>(value: T, now: Date): SuccessEnvelope<T>;
export function success<T, D>(value: T, now: Date, detail: D): SuccessEnvelope<T, D>;
export function success<T, D>(value: T, now: Date, detail?: D): SuccessEnvelope<T, D> {
  return {
    jsonrpc: "2.0",
    id: 1,
    result: { status: true, value },
    ...(detail === undefined ? {} : { detail }),
    time: now.getTime() / 1000,
    version: PRODUCT,
    versionnumber: VERSION,
  };
}

/** Returns the text of a response whose value is serialized already. */
export type SuccessText = (now: Date) => string;

/** Like {@link success}, for a value that is serialized once and sent many times. */
export function successText(value: unknown, detail?: unknown): SuccessText {
  const details = detail === undefined ? "" : `,"detail":${JSON.stringify(detail)}`;
  const start = `{"jsonrpc":"2.0","id":1,"result":{"status":true,"value":${JSON.stringify(value)}}${details},"time":`;
  const end = `,"version":${JSON.stringify(PRODUCT)},"versionnumber":${JSON.stringify(VERSION)}}`;
  return (now) => start + now.getTime() / 1000 + end;
}

export type Verdict = "ACCEPT" | "CHALLENGE" | "REJECT";

/** A response with more than a value. Created by {@link respond}. */
export interface Success<V, D = undefined, A = undefined> {
  readonly [SUCCESS]: true;
  readonly value: V;
  readonly detail: D;
  readonly authentication: A;
}
const SUCCESS = Symbol("success");

/**
 * Returns a response with more than a value, for the handler of a route.
 * @param detail `undefined`: the response has none.
 * @param authentication the verdict of a route that authenticates; it also changes the JSON-RPC id.
 */
export function respond<V, D = undefined, A extends Verdict | undefined = undefined>(
  value: V,
  { detail, authentication }: { readonly detail?: D; readonly authentication?: A },
): Success<V, D, A> {
  return { [SUCCESS]: true, value, detail: detail as D, authentication: authentication as A };
}

/** Whether a handler returned more than a value. */
function isSuccess(result: unknown): result is Success<unknown, unknown, Verdict | undefined> {
  return typeof result === "object" && result !== null && SUCCESS in result;
}

/** The envelope of a value with its detail and its verdict. */
export type Envelope<V, D = undefined, A = undefined> = A extends Verdict
  ? Authenticated<SuccessEnvelope<V, D>>
  : SuccessEnvelope<V, D>;

type Authenticated<E extends SuccessEnvelope<unknown, unknown>> = ReturnType<typeof authenticated<E>>;

/** The success envelope of what a handler returned. @param notices come after those of the handler. */
export function envelopeOf(result: unknown, now: Date, notices: readonly Notice[] = []) {
  if (!isSuccess(result)) return success(result, now, withNotices(undefined, notices));
  const envelope = success(result.value, now, withNotices(result.detail, notices));
  return result.authentication ? authenticated(envelope, result.authentication) : envelope;
}

function withNotices(detail: unknown, notices: readonly Notice[]) {
  const added = noticeDetail(notices);
  if (added === undefined) return detail;
  const given = v.parse(v.looseObject(noticeEntries), detail ?? {});
  return {
    ...given,
    warnings: [...(given.warnings ?? []), ...added.warnings],
    notices: [...(given.notices ?? []), ...added.notices],
  };
}

/** Adds the verdict of a route that authenticates, and its JSON-RPC id. */
function authenticated<E extends SuccessEnvelope<unknown, unknown>>(envelope: E, authentication: Verdict) {
  return { ...envelope, id: 2 as const, result: { ...envelope.result, authentication } };
}

export function failure(error: SealpostError, now: Date, detail: ErrorEnvelope["detail"]): ErrorEnvelope {
  return {
    jsonrpc: "2.0",
    id: 1,
    result: { status: false, error: { code: error.number, message: error.message } },
    detail,
    time: now.getTime() / 1000,
    version: PRODUCT,
  };
}

/** The entries of `detail` for notices. Both are absent without notices. */
export const noticeEntries = {
  warnings: v.optional(described(v.array(v.string()), "Sentences")),
  notices: v.optional(
    described(
      v.array(v.object({ code: v.picklist(NOTICE_CODES), parameter: v.string() })),
      "A code for each sentence",
    ),
  ),
};

/** The entry of `detail` for changes by which mail of plugins goes elsewhere. Absent if it concerns none. */
export const usedByEntries = {
  used_by: v.optional(described(v.array(v.string()), "Plugins that send through it")),
};

/** Adds the names of plugins to `detail`, if there are any. */
export function usedByDetail<D extends object>(usedBy: readonly string[], detail?: D) {
  return usedBy.length > 0 ? { ...detail, used_by: usedBy } : detail;
}

/** Returns `warnings` and `notices` for `detail`, or `undefined` without notices. */
export function noticeDetail(notices: readonly Notice[]) {
  if (notices.length === 0) return undefined;
  return {
    warnings: notices.map(({ text }) => text),
    notices: notices.map(({ code, parameter }) => ({ code, parameter })),
  };
}
