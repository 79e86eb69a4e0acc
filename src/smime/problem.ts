import type { FailureCode } from "../domain/delivery.ts";

/** Why a key and a certificate cannot sign. */
export interface IdentityProblem {
  readonly code: Extract<FailureCode, `sign_${string}`>;
  /** The field of the definition that has to change. */
  readonly parameter: "private_key" | "private_key_password" | "certificate";
  /** A sentence for the owner of the definition: what is wrong and what to do. Holds no secret. */
  readonly reason: string;
  /**
   * `form`: the text is not PEM or of a form that is never supported; wrong whenever it is saved.
   * `content`: a well-formed key or certificate that cannot sign; wrong only when mail is to be signed.
   */
  readonly kind: "form" | "content";
}

/** Thrown while a key or certificate is read; carries the problem as data. */
export class IdentityError extends Error {
  override readonly name = "IdentityError";
  readonly problem: IdentityProblem;

  constructor(problem: IdentityProblem, options?: ErrorOptions) {
    super(problem.reason, options);
    this.problem = problem;
  }
}

/** A private key of a form that is not supported; `reason` names the command that helps. */
export function keyForm(reason: string, options?: ErrorOptions): IdentityError {
  return new IdentityError({ code: "sign_no_key", parameter: "private_key", reason, kind: "form" }, options);
}

/** A certificate text that is not PEM certificates. */
export function certificateForm(reason: string, options?: ErrorOptions): IdentityError {
  return new IdentityError({ code: "sign_no_key", parameter: "certificate", reason, kind: "form" }, options);
}

/** A well-formed certificate that may not sign this mail. */
export function certificateContent(code: IdentityProblem["code"], reason: string): IdentityProblem {
  return { code, parameter: "certificate", reason, kind: "content" };
}

/** A key that is absent, or that its passphrase does not open. */
export function keyContent(
  code: "sign_no_key" | "sign_passphrase",
  parameter: "private_key" | "private_key_password",
  reason: string,
  options?: ErrorOptions,
): IdentityError {
  return new IdentityError({ code, parameter, reason, kind: "content" }, options);
}
