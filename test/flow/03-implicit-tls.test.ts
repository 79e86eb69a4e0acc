import { expect, setDefaultTimeout, test } from "bun:test";
import { TEST_MS } from "../fixtures/process/child.ts";
import { temporaryFolder } from "../fixtures/process/folder.ts";
import { startSealpost } from "../fixtures/process/sealpost.ts";
import { startSmtpServer } from "../fixtures/smtp/server.ts";
import { makeTlsMaterial, openssl, type TlsMaterial } from "../fixtures/smtp/tls.ts";

setDefaultTimeout(TEST_MS);

if (openssl === null) console.warn("Skipped: implicit TLS; openssl is not installed");
const material = openssl === null ? null : makeTlsMaterial();

type Certificate = Exclude<keyof TlsMaterial, "ca">;
const MAIL = { sender: "a@example.org", recipient: "b@example.net", timeout: 10 };

/** Tests `smtps://localhost` with this certificate. */
async function attempt(certificate: Certificate, env: Readonly<Record<string, string>>) {
  using folder = temporaryFolder();
  await using smtp = await startSmtpServer({
    security: "implicit",
    tls: material?.[certificate] ?? { key: "", cert: "" },
  });
  await using sealpost = await startSealpost({ folder: folder.path, env });
  const api = await sealpost.logIn();
  const { body } = await api.test({ ...MAIL, server: `smtps://localhost:${smtp.port}` });
  return { value: body.result.value, delivery: body.detail?.delivery, mails: smtp.mails };
}

test.skipIf(material === null).each(["PEM text", "a file"])(
  "mail goes to smtps:// with a private authority given as %s",
  async (how) => {
    using folder = temporaryFolder();
    const ca = material?.ca ?? "";
    const path = `${folder.path}/ca.pem`;
    await Bun.write(path, ca);
    const { value, delivery, mails } = await attempt("good", {
      SEALPOST_TLS_CA: how === "a file" ? path : ca,
    });
    expect(value).toBe(true);
    expect(delivery).toMatchObject({ outcome: "sent", tls: { protocol: "TLSv1.3" } });
    expect(mails).toMatchObject([{ isTls: true, recipients: ["b@example.net"] }]);
  },
);

const REFUSED: readonly (readonly [Certificate, code: string, hint: string])[] = [
  ["otherName", "cert_name", "localhost"],
  ["expired", "cert_expired", "expired"],
  ["untrusted", "cert_untrusted", "SEALPOST_TLS_CA"],
];
test.skipIf(material === null).each(REFUSED)(
  "a certificate that is %s is refused as %s",
  async (certificate, code, hint) => {
    const { value, delivery, mails } = await attempt(certificate, { SEALPOST_TLS_CA: material?.ca ?? "" });
    expect(value).toBe(false);
    expect(delivery).toMatchObject({
      phase: "certificate",
      code,
      outcome: "not-sent",
      hint: expect.stringContaining(hint),
    });
    expect(mails).toEqual([]);
  },
);

test.skipIf(material === null)("an authority that is not given is not trusted", async () => {
  const { delivery, mails } = await attempt("good", {});
  expect(delivery).toMatchObject({ phase: "certificate", code: "cert_untrusted" });
  expect(mails).toEqual([]);
});
