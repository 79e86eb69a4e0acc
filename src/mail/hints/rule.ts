import type { Failure, FailureCode, Phase, Remedy, ServerReport, SmtpReply } from "../../domain/delivery.ts";
import { type CodedHint, type HintCode, type HintValues, hintText } from "../../domain/hints/index.ts";
import { wordsOf } from "../../domain/known-reply.ts";
import type { Endpoint, FurtherInput, ServerDefinition } from "../../domain/smtp-server.ts";

/** The values that a hint may refer to: the endpoint, the definition and the reply. */
export interface HintContext
  extends Endpoint,
    Pick<FurtherInput, "tlsCertificate" | "pipelining" | "authMechanism"> {
  /** `server` as given. A port inside it wins over `port`. */
  readonly server: string;
  readonly username: string;
  /** ID of a preset, or empty. */
  readonly provider: string;
  readonly auth: ServerDefinition["auth"];
  readonly reply: SmtpReply | null;
  /** Facts that the server showed. Absent if unknown. */
  readonly seen?: Pick<ServerReport, "greeting" | "extensions" | "mechanisms"> | undefined;
}

/** A change after which mail will arrive. */
export interface Hint {
  /** One or two sentences that name the parameter or setting to change. */
  readonly text: string;
  /** The sentences by code, for translations. */
  readonly sentences: readonly CodedHint[];
  /** `null` if no single parameter would fix the failure. */
  readonly remedy: Remedy | null;
}

/** Creates a hint of sentences. */
export function toHint(sentences: readonly CodedHint[], remedy: Remedy | null): Hint {
  return { text: hintText(sentences), sentences, remedy };
}

/** One row of the hint table. An absent field matches everything. */
export interface HintRule {
  readonly code?: FailureCode;
  readonly phase?: Phase;
  readonly outcome?: Failure["outcome"];
  readonly when?: (context: HintContext) => boolean;
  readonly hint: HintCode;
  readonly remedy?: Remedy | ((context: HintContext) => Remedy | null);
}

const IMPLICIT_TLS_PORT = 465;

export const isEncrypted = ({ security }: HintContext): boolean => security !== "none";
export const hasReply = ({ reply }: HintContext): boolean => reply !== null;
export const isPermanent = ({ reply }: HintContext): boolean => reply !== null && reply.code >= 500;
export const isTemporary = ({ reply }: HintContext): boolean => reply !== null && reply.code < 500;
export const hasClientCertificate = ({ security, tlsCertificate }: HintContext): boolean =>
  security !== "none" && Boolean(tlsCertificate);
export const usesToken = ({ auth }: HintContext): boolean => auth === "oauth2";
export const hasNoUsername = ({ username }: HintContext): boolean => username === "";

/** Whether the port expects TLS from the first byte (RFC 8314 7.3) but the definition does not use it. */
export const needsImplicitTls = ({ port, security }: HintContext): boolean =>
  port === IMPLICIT_TLS_PORT && security !== "implicit";

/** Whether the subject and detail of the enhanced status code match, such as `2.2`. */
export const hasDetail =
  (detail: RegExp) =>
  ({ reply }: HintContext): boolean =>
    reply?.enhanced != null && detail.test(reply.enhanced.slice(2));

export const hasWords =
  (words: RegExp) =>
  ({ reply }: HintContext): boolean =>
    reply !== null && words.test(wordsOf(reply));

/** Whether the server listed an extension in its reply to EHLO. `undefined` if that is unknown. */
function lists({ seen, security }: HintContext, keyword: string): boolean | undefined {
  const { clear, tls } = seen?.extensions ?? {};
  return seen?.greeting
    ? (security === "none" ? clear : tls)?.some((line) => line.toUpperCase() === keyword)
    : undefined;
}

/** Whether STARTTLS would fail, because the server does not offer it. */
export const lacksStartTls = (context: HintContext): boolean =>
  !isEncrypted(context) && lists(context, "STARTTLS") === false;

/** Whether STARTTLS was not finished: the server has listed nothing under TLS. */
export const isBeforeStartTls = ({ security, seen }: HintContext): boolean =>
  security === "starttls" && seen?.extensions.tls.length === 0;

/** Whether several commands left in one write. */
export const usesPipelining = (context: HintContext): boolean =>
  context.pipelining !== "off" && lists(context, "PIPELINING") === true;

/** Whether the server lists a login that only `auth_mechanism` excludes. */
export const excludesLogin = ({ authMechanism, seen }: HintContext): boolean =>
  (authMechanism ?? "auto") !== "auto" &&
  (seen?.mechanisms ?? []).some(
    (name) => /^(PLAIN|LOGIN|CRAM-MD5)$/.test(name) && name.toLowerCase() !== authMechanism,
  );

export const TLS_ON: Remedy = { parameter: "tls", value: true };

/** Returns the remedy for implicit TLS on the same host and the usual port. */
export function implicitTls({ host }: HintContext): Remedy {
  return { parameter: "server", value: implicitTlsUrl(host) };
}

function implicitTlsUrl(host: string): string {
  return `smtps://${bracketed(host)}`;
}

/** Returns the values that hints may name. */
export function hintValues({ host, port }: HintContext): HintValues {
  return { host, port, url: implicitTlsUrl(host) };
}

/** A `server` with a port inside. In an IPv6 address the port follows the brackets. */
const PORT_INSIDE = /^(?:smtps?:\/\/)?(?:\[[^\]]*\]|[^:]*):\d+$/i;

/** Returns the remedy for another port, in the parameter that has the current one. */
export function otherPort(port: number): (context: HintContext) => Remedy {
  return ({ host, server }) =>
    PORT_INSIDE.test(server)
      ? { parameter: "server", value: `${bracketed(host)}:${port}` }
      : { parameter: "port", value: port };
}

function bracketed(host: string): string {
  return host.includes(":") ? `[${host}]` : host;
}
