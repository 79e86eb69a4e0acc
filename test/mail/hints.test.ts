import { describe, expect, test } from "bun:test";
import {
  FAILURE_CODES,
  type Failure,
  type FailureCode,
  notSent,
  PHASES,
  type Phase,
} from "../../src/domain/delivery.ts";
import { type HintContext, hintFor } from "../../src/mail/hints.ts";

const CONTEXT: HintContext = {
  host: "mail.example.org",
  port: 587,
  security: "starttls",
  username: "u",
  reply: null,
};
const failure = (code: FailureCode, phase: Phase): Failure => notSent(phase, code);
const enhanced = (text: string) => ({ reply: { code: 535, enhanced: text, text: "" } });

describe("hintFor()", () => {
  test.each<[code: FailureCode, phase: Phase, context: Partial<HintContext>, says: string]>([
    ["timeout", "greeting", { port: 465 }, "smtps://"],
    ["timeout", "greeting", { port: 465, security: "none" }, "smtps://"],
    ["timeout", "greeting", { port: 465, security: "implicit" }, "said nothing"],
    ["timeout", "connect", { port: 25 }, "port 25"],
    ["timeout", "data", {}, "may have taken it"],
    ["timeout", "auth", {}, "too slow"],
    ["protocol", "greeting", { port: 465 }, "answered with TLS"],
    ["protocol", "connect", { port: 587, security: "implicit" }, "set tls to true"],
    ["protocol", "starttls", {}, "TLS handshake"],
    ["protocol", "greeting", {}, "does not speak SMTP"],
    ["closed", "greeting", { port: 465 }, "smtps://"],
    ["closed", "greeting", {}, "before its greeting"],
    ["closed", "auth", {}, "in the middle"],
    ["refused", "connect", { port: 2_525 }, "port 2525"],
    ["dns_not_found", "dns", { host: "mial.example.org" }, "mial.example.org"],
    ["tls_not_offered", "starttls", {}, "465"],
    ["tls_not_offered", "starttls", { port: 25 }, "587"],
    ["cert_name", "certificate", {}, "mail.example.org"],
    ["cert_untrusted", "certificate", {}, "SEALPOST_TLS_CA"],
    ["auth_not_offered", "auth", { security: "none" }, "set tls to true"],
    ["auth_not_offered", "auth", {}, "PLAIN, LOGIN, CRAM-MD5"],
    ["auth_rejected", "auth", { reply: { code: 454, enhanced: "4.7.0", text: "" } }, "at the moment"],
    ["auth_rejected", "auth", enhanced("5.7.8"), "username and password"],
    ["auth_rejected", "auth", enhanced("5.7.30"), "Basic authentication"],
    ["auth_rejected", "auth", enhanced("5.7.139"), "forbid"],
    ["recipient_rejected", "recipient", { username: "", ...enhanced("5.7.1") }, "without log-in"],
    ["recipient_rejected", "recipient", enhanced("5.7.1"), "check the address"],
    ["egress_denied", "policy", {}, "SEALPOST_EGRESS"],
  ])("of %s in phase %s with %j says %p", (code, phase, context, says) => {
    expect(hintFor(failure(code, phase), { ...CONTEXT, ...context })).toContain(says);
  });

  test("has one sentence without full stop for every code in every phase", () => {
    for (const code of FAILURE_CODES) {
      for (const phase of PHASES) {
        const hint = hintFor(failure(code, phase), CONTEXT);
        expect([code, phase, hint]).toEqual([code, phase, expect.stringMatching(/^[A-Z].{15,200}[^.]$/)]);
      }
    }
  });

  test("never tells two refused targets apart", () => {
    const hints = ["10.0.0.1", "169.254.169.254"].map((host) =>
      hintFor(failure("egress_denied", "policy"), { ...CONTEXT, host }),
    );
    expect(hints[0]).toBe(hints[1] ?? "");
  });
});
