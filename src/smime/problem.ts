import type { FailureCode } from "../domain/delivery.ts";

/** The reason why a key and a certificate cannot sign. */
export interface IdentityProblem {
  readonly code: Extract<FailureCode, `sign_${string}`>;
  /** The field of the definition that has to change. */
  readonly parameter: "private_key" | "private_key_password" | "certificate";
  /** Explains to the admin of the definition what is wrong and what to do. Holds no secret. */
  readonly reason: string;
  /**
   * `form`: the text is not PEM, or its format is not supported. An error in every save.
   * `content`: a well-formed key or certificate that cannot sign. An error only if mail is signed.
   */
  readonly kind: "form" | "content";
}

/** Thrown if a key or certificate cannot be read. Carries the problem as data. */
export class IdentityError extends Error {
  override readonly name = "IdentityError";
  readonly problem: IdentityProblem;

  constructor(problem: IdentityProblem, options?: ErrorOptions) {
    super(problem.reason, options);
    this.problem = problem;
  }
}

/** Ends the errors about encryptions that are not supported. Without `-v2`, LibreSSL would write PBES1. */
export const REENCRYPT = "Convert it with: openssl pkcs8 -topk8 -v2 aes256 -in key.pem -out key8.pem";

/** The error for an unsupported or damaged private key. `reason` names the command that helps. */
export function keyForm(reason: string, options?: ErrorOptions): IdentityError {
  return new IdentityError({ code: "sign_no_key", parameter: "private_key", reason, kind: "form" }, options);
}

/** The error for a text that does not hold PEM certificates. */
export function certificateForm(reason: string, options?: ErrorOptions): IdentityError {
  return new IdentityError({ code: "sign_no_key", parameter: "certificate", reason, kind: "form" }, options);
}

/** The problem of a well-formed certificate that must not sign this message. */
export function certificateContent(code: IdentityProblem["code"], reason: string): IdentityProblem {
  return { code, parameter: "certificate", reason, kind: "content" };
}

/** The error for a missing key, or one that its passphrase does not decrypt. */
export function keyContent(
  code: "sign_no_key" | "sign_passphrase",
  parameter: "private_key" | "private_key_password",
  reason: string,
  options?: ErrorOptions,
): IdentityError {
  return new IdentityError({ code, parameter, reason, kind: "content" }, options);
}
