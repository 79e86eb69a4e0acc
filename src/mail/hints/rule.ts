import type { Failure, FailureCode, Phase, Remedy, SmtpReply } from "../../domain/delivery.ts";
import type { Endpoint } from "../../domain/smtp-server.ts";

/** What is known of the definition and the server, where a failure asks for a change. */
export interface HintContext extends Endpoint {
  /** `server` as given, which may hold a port that wins over `port`. */
  readonly server: string;
  readonly username: string;
  readonly reply: SmtpReply | null;
}

/** What to change so that mail arrives. */
export interface Hint {
  /** One or two sentences that name the parameter or setting to change. */
  readonly text: string;
  /** `null` if no single parameter would mend it. */
  readonly remedy: Remedy | null;
}

/** One row of the hint tables; an absent field matches everything. */
export interface HintRule {
  readonly code?: FailureCode;
  readonly phase?: Phase;
  readonly outcome?: Failure["outcome"];
  readonly when?: (context: HintContext) => boolean;
  readonly hint: string | ((context: HintContext) => string);
  readonly remedy?: Remedy | ((context: HintContext) => Remedy | null);
}

const IMPLICIT_TLS_PORT = 465;

export const isEncrypted = ({ security }: HintContext): boolean => security !== "none";
export const hasReply = ({ reply }: HintContext): boolean => reply !== null;
export const isTemporary = ({ reply }: HintContext): boolean => reply !== null && reply.code < 500;
export const hasNoUsername = ({ username }: HintContext): boolean => username === "";

/** Whether the port expects TLS from the first byte (RFC 8314 7.3), and the definition does not give it. */
export const needsImplicitTls = ({ port, security }: HintContext): boolean =>
  port === IMPLICIT_TLS_PORT && security !== "implicit";

/** Whether the reply's enhanced code has this subject and detail, such as `2.2`. */
export const hasDetail =
  (detail: RegExp) =>
  ({ reply }: HintContext): boolean =>
    reply?.enhanced != null && detail.test(reply.enhanced.slice(2));

export const hasWords =
  (words: RegExp) =>
  ({ reply }: HintContext): boolean =>
    reply !== null && words.test(reply.text);

export const TLS_ON: Remedy = { parameter: "tls", value: true };

/** A value that only the user knows. */
export function unknownValue(parameter: string): Remedy {
  return { parameter, value: null };
}

/** Implicit TLS on the same host, on its usual port. */
export function implicitTls({ host }: HintContext): Remedy {
  return { parameter: "server", value: `smtps://${bracketed(host)}` };
}

/** A port inside `server` wins over `port`. An IPv6 address has one only after its brackets. */
const PORT_INSIDE = /^(?:smtps?:\/\/)?(?:\[[^\]]*\]|[^:]*):\d+$/i;

/** Another port, in the parameter that names the present one. */
export function otherPort(port: number): (context: HintContext) => Remedy {
  return ({ host, server }) =>
    PORT_INSIDE.test(server)
      ? { parameter: "server", value: `${bracketed(host)}:${port}` }
      : { parameter: "port", value: port };
}

function bracketed(host: string): string {
  return host.includes(":") ? `[${host}]` : host;
}
