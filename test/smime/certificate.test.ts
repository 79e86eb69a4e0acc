import { describe, expect, test } from "bun:test";
import { inspectIdentity, senderProblem } from "../../src/smime/identity.ts";
import { leaf, mailExtensions, NOW, SENDER } from "../fixtures/smime/authority.ts";
import { privateKey } from "../fixtures/smime/keys.ts";
import { isInstalled } from "../fixtures/smime/openssl.ts";

const withOpenssl = test.skipIf(!isInstalled("openssl"));

describe("senderProblem()", () => {
  async function identityFor(altName: string | null, subject = "/CN=Test sender") {
    const key = await privateKey("p256");
    const lines = mailExtensions("subjectAltName", altName);
    const certificate = await leaf({ key, subject, extensions: lines });
    const { identity } = await inspectIdentity({ privateKey: key, passphrase: "", certificate, now: NOW });
    return identity!;
  }

  withOpenssl("is null for the address of the certificate, in any case", async () => {
    expect(senderProblem(await identityFor("email:Otp@Example.org"), "oTP@example.ORG")).toBeNull();
  });

  withOpenssl("is null for each of several addresses", async () => {
    const identity = await identityFor("email:a@example.org,DNS:example.org,email:b@example.org");
    expect(identity.addresses).toEqual(["a@example.org", "b@example.org"]);
    expect(senderProblem(identity, "b@example.org")).toBeNull();
  });

  withOpenssl("is null for an SmtpUTF8Mailbox, its domain spelt either way", async () => {
    const identity = await identityFor(
      "@alt\n[alt]\notherName=1.3.6.1.5.5.7.8.9;FORMAT:UTF8,UTF8:jörg@bücher.example",
    );
    expect(senderProblem(identity, "jörg@xn--bcher-kva.example")).toBeNull();
  });

  withOpenssl("is null for an emailAddress in the subject", async () => {
    const identity = await identityFor(null, `/CN=Test sender/emailAddress=${SENDER}`);
    expect(senderProblem(identity, SENDER)).toBeNull();
  });

  withOpenssl("is sign_sender for another address, or none in the certificate", async () => {
    const other = senderProblem(await identityFor("email:a@example.org"), SENDER);
    expect(other).toMatchObject({ code: "sign_sender", parameter: "certificate", kind: "content" });
    expect(senderProblem(await identityFor(null), SENDER)?.reason).toContain("no address");
  });
});
