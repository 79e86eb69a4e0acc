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

const SECURITY = ["implicit", "starttls"] as const;

const SERVER_CERTIFICATES: readonly Flow[] = SECURITY.flatMap((security) =>
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

const CLIENT_CERTIFICATES: readonly Flow[] = SECURITY.flatMap((security): readonly Flow[] => [
  {
    claim: `a server that requires a client certificate gets it, ${NAMES[security]}`,
    needs: "openssl",
    run: (instance) => shown(instance, security),
    except: {
      workerd: {
        because:
          "Workers have no client certificates: saving one works, sending with one is unsupported_here",
        run: (instance) => unsupported(instance, security),
      },
    },
  },
  {
    claim: `a server that requires a client certificate gets none: cert_required, ${NAMES[security]}`,
    needs: "openssl",
    run: (instance) => required(instance, security),
    except: { workerd: { because: "workerd does not report alerts of the server" } },
  },
]);

export const CERTIFICATES: readonly Flow[] = [...SERVER_CERTIFICATES, ...CLIENT_CERTIFICATES];

/** Starts a server that requires a client certificate, and returns the definition that leads to it with one. */
async function startMutual(security: Security) {
  const { ca, good } = tlsMaterial();
  const smtp = await startSmtpServer({ security, tls: good, clientCa: ca });
  const definition = definitionFor(security, smtp.port);
  return { smtp, definition: { ...definition, tls_certificate: good.cert, tls_private_key: good.key } };
}

async function shown({ admin }: Instance, security: Security): Promise<void> {
  const { smtp, definition } = await startMutual(security);
  await using _ = smtp;
  expect(await admin.save("mutual", definition)).toMatchObject({ status: 200 });
  const path = "/smtpserver/mutual/send_test_email";
  const { body } = await admin.call("POST", path, { recipient: "b@example.net" });
  expect(body.result.value).toBe(true);
  expect(smtp.connections.map(({ clientName }) => clientName)).toEqual(["good"]);
  expect(smtp.messages).toHaveLength(1);
}

async function required({ admin }: Instance, security: Security): Promise<void> {
  const { smtp } = await startMutual(security);
  await using _ = smtp;
  const { body } = await admin.test(definitionFor(security, smtp.port));
  expect(body.detail?.delivery).toMatchObject({
    phase: "certificate",
    code: "cert_required",
    outcome: "not-sent",
    hint: expect.stringContaining("tls_certificate"),
  });
}

async function unsupported({ admin }: Instance, security: Security): Promise<void> {
  const { smtp, definition } = await startMutual(security);
  await using _ = smtp;
  expect(await admin.save("mutual", definition)).toMatchObject({ status: 200 });
  const { body } = await admin.test(definition);
  expect(body.detail?.delivery).toMatchObject({
    phase: "certificate",
    code: "unsupported_here",
    outcome: "not-sent",
    hint: expect.stringContaining("tls_certificate"),
  });
  expect(smtp.connections).toEqual([]);
}

function definitionFor(security: Security, port: number) {
  const server = `${security === "implicit" ? "smtps" : "smtp"}://localhost:${port}`;
  return { server, tls: true, sender: "a@example.org", recipient: "b@example.net", timeout: 10 };
}

async function rejected({ admin }: Instance, security: Security, row: Row): Promise<void> {
  await using smtp = await startSmtpServer({ security, tls: tlsMaterial()[row.certificate] });
  const { body } = await admin.test(definitionFor(security, smtp.port));
  expect(body.result.value).toBe(false);
  expect(body.detail?.delivery).toMatchObject({
    phase: "certificate",
    code: row.code,
    outcome: "not-sent",
    hint: expect.stringContaining(row.hint),
  });
  expect(smtp.messages).toEqual([]);
}
