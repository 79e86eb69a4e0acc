import type { Certificate } from "./certificate.ts";
import { certificateContent, type IdentityProblem } from "./problem.ts";

type Validity = Pick<Certificate, "notBefore" | "notAfter">;

export const EXPIRES_SOON_DAYS = 30;
const DAY_MS = 86_400_000;

/** Returns the whole days that are left. Negative if the date has passed. */
export function daysUntil(date: Date, now: Date): number {
  return Math.floor((date.getTime() - now.getTime()) / DAY_MS);
}

/** Returns the date that comes first. @param certificates at least one */
export function earliestEnd(certificates: readonly Validity[]): Date {
  return new Date(Math.min(...certificates.map(({ notAfter }) => notAfter.getTime())));
}

/** Returns why the certificate must not sign at this time. `null` if it may. */
export function dateProblem({ notBefore, notAfter }: Validity, now: Date): IdentityProblem | null {
  if (now > notAfter) {
    const reason = `The certificate expired on ${minuteText(notAfter)}: get a new one`;
    return certificateContent("sign_expired", reason);
  }
  if (now < notBefore) {
    const reason = `The certificate is not valid before ${minuteText(notBefore)}: wait, or check the clock`;
    return certificateContent("sign_expired", reason);
  }
  return null;
}

/** Returns a date as `YYYY-MM-DD HH:MM UTC`. */
export function minuteText(date: Date): string {
  return `${date.toISOString().slice(0, "YYYY-MM-DDTHH:MM".length).replace("T", " ")} UTC`;
}
