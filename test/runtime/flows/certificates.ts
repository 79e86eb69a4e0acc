import { expect } from "bun:test";
import { startSmtpServer } from "../../../src/testing/smtp/index.ts";
import type { TlsMaterial } from "../../fixtures/smtp/tls.ts";
import type { Flow, Instance, Setup } from "../flow.ts";
import { tlsMaterial } from "../material.ts";

type Certificate = Exclude<keyof TlsMaterial, "ca">;
type Security = "implicit" | "starttls";

interface Row {
  readonly certificate: Certificate;
  readonly what: string;
  readonly code: string;
  /** A text in its hint. */
  readonly hint: string;
  readonly setup?: Setup;
}

const ROWS: readonly Row[] = [
  { certificate: "otherName", what: "for another name", code: "cert_name", hint: "localhost" },
  { certificate: "expired", what: "that has expired", code: "cert_expired", hint: "expired" },
  { certificate: "untrusted", what: "that is self-signed", code: "cert_untrusted", hint: "SEALPOST_TLS_CA" },
  {
    certificate: "good",
    what: "of an unknown authority",
    code: "cert_untrusted",
    hint: "SEALPOST_TLS_CA",
    setup: "trusting no authority",
  },
];

const NAMES: Readonly<Record<Security, string>> = { implicit: "implicit TLS", starttls: "STARTTLS" };

/** The result in workerd for all of them. */
const HIDDEN = { code: "tls_failed", hint: "certificate" };

export const CERTIFICATES: readonly Flow[] = (["implicit", "starttls"] as const).flatMap((security) =>
  ROWS.map(
    (row): Flow => ({
      claim: `a certificate ${row.what} is rejected as ${row.code}, ${NAMES[security]}`,
      needs: "openssl",
      ...(row.setup && { setup: row.setup }),
      run: (instance) => rejected(instance, security, row),
      except: {
        workerd: {
          because:
            "workerd does not report why TLS failed: the code is tls_failed, and the hint names what to check",
          run: (instance) => rejected(instance, security, { ...row, ...HIDDEN }),
        },
      },
    }),
  ),
);

async function rejected({ admin }: Instance, security: Security, row: Row): Promise<void> {
  await using smtp = await startSmtpServer({ security, tls: tlsMaterial()[row.certificate] });
  const server = `${security === "implicit" ? "smtps" : "smtp"}://localhost:${smtp.port}`;
  const { body } = await admin.test({
    server,
    tls: true,
    sender: "a@example.org",
    recipient: "b@example.net",
    timeout: 10,
  });
  expect(body.result.value).toBe(false);
  expect(body.detail?.delivery).toMatchObject({
    phase: "certificate",
    code: row.code,
    outcome: "not-sent",
    hint: expect.stringContaining(row.hint),
  });
  expect(smtp.messages).toEqual([]);
}
