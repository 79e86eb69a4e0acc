import type { Failure, FailureCode, Phase, Remedy, SmtpReply } from "../../domain/delivery.ts";
import { type CodedHint, type HintCode, type HintValues, hintText } from "../../domain/hints/index.ts";
import type { Endpoint, ServerDefinition } from "../../domain/smtp-server.ts";

/** The values that a hint may refer to: the endpoint, the definition and the reply. */
export interface HintContext extends Endpoint {
  /** `server` as given. A port inside it wins over `port`. */
  readonly server: string;
  readonly username: string;
  /** ID of a preset, or empty. */
  readonly provider: string;
  readonly auth: ServerDefinition["auth"];
  /** PEM text of the client certificate, if the definition has one. */
  readonly tlsCertificate?: string | null | undefined;
  readonly reply: SmtpReply | null;
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
    reply !== null && words.test(reply.text);

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
