import { describe, expect, test } from "bun:test";
import { inspectIdentity } from "../../src/smime/identity.ts";
import { type Authority, issue, NOW, SENDER } from "../fixtures/smime/authority.ts";
import { privateKey } from "../fixtures/smime/keys.ts";
import { isInstalled, run, scratchFile } from "../fixtures/smime/openssl.ts";

const AUTHORITY = ["basicConstraints=critical,CA:TRUE", "keyUsage=critical,keyCertSign"];
const LEAF = ["basicConstraints=critical,CA:FALSE", "keyUsage=critical,digitalSignature"];
const MAILBOX = `email:${SENDER}`;

const KEYS = {
  root: await privateKey("p256", "root"),
  issuing: await privateKey("p256", "intermediate"),
  leaf: await privateKey("p256"),
};
const ROOT: Authority = {
  key: KEYS.root,
  certificate: await issue({ key: KEYS.root, subject: "/CN=Root", extensions: AUTHORITY }),
};

interface LeafOptions {
  readonly names?: string;
  readonly subject?: string;
  readonly more?: readonly string[];
}

async function authority(...more: readonly string[]): Promise<Authority> {
  const extensions = [...AUTHORITY, "subjectKeyIdentifier=hash", ...more];
  const certificate = await issue({ key: KEYS.issuing, subject: "/CN=Issuing", extensions, by: ROOT });
  return { key: KEYS.issuing, certificate };
}

function leaf(by: Authority, { names = MAILBOX, subject = "/CN=Ann", more = [] }: LeafOptions) {
  const extensions = [...LEAF, `subjectAltName=${names}`, ...more];
  return issue({ key: KEYS.leaf, subject, extensions, by });
}

async function inspect(certificates: readonly string[]) {
  const certificate = certificates.join("");
  const inspection = await inspectIdentity({ privateKey: KEYS.leaf, passphrase: "", certificate, now: NOW });
  return { ...inspection, codes: inspection.warnings.map(({ code }) => code) };
}

/** Whether OpenSSL accepts the chain that would be sent. */
async function isAccepted(chain: readonly string[]): Promise<boolean> {
  const [signer = "", ...others] = chain;
  const files = ["-CAfile", scratchFile(ROOT.certificate), "-untrusted", scratchFile(others.join(""))];
  const time = ["-attime", String(NOW.getTime() / 1000)];
  const command = ["openssl", "verify", "-purpose", "smimesign", ...time, ...files, scratchFile(signer)];
  return (await run(command)).code === 0;
}

/** Constraints of the authority, and the leaf; what the warning names, `null` for a chain without one. */
const CONSTRAINED: Readonly<
  Record<string, readonly [constraints: string, leaf: LeafOptions, forbidden: string | null]>
> = {
  "a host outside": [
    "permitted;DNS:example.org",
    { names: `${MAILBOX},DNS:mail.example.net` },
    "mail.example.net",
  ],
  "a host whose end alone is permitted": [
    "permitted;DNS:example.org",
    { names: `${MAILBOX},DNS:badexample.org` },
    "badexample.org",
  ],
  "hosts inside": [
    "permitted;DNS:example.org",
    { names: `${MAILBOX},DNS:Example.org,DNS:a.b.example.org` },
    null,
  ],
  "an excluded host": ["excluded;DNS:example.net", { names: `${MAILBOX},DNS:example.net` }, "example.net"],
  "a common name that looks like a host": [
    "permitted;DNS:example.org",
    { subject: "/CN=ann.doe" },
    "ann.doe",
  ],
  "such a common name besides a host": [
    "permitted;DNS:example.org",
    { subject: "/CN=ann.doe", names: `${MAILBOX},DNS:example.org` },
    null,
  ],
  ...Object.fromEntries(
    ["J.-P.Doe", "J.P.-Doe", "a-.doe", "ann..doe", "ann.doe.", "-ann.doe"].map(
      (name) =>
        [`the common name ${name}`, ["permitted;DNS:example.org", { subject: `/CN=${name}` }, null]] as const,
    ),
  ),
  "a common name with hyphens inside a label": [
    "permitted;DNS:example.org",
    { subject: "/CN=j--p.doe-x" },
    "j--p.doe-x",
  ],
  "an IPv4 address outside": [
    "permitted;IP:192.0.2.0/255.255.255.0",
    { names: `${MAILBOX},IP:192.0.3.1` },
    "192.0.3.1",
  ],
  "an IPv4 address inside": [
    "permitted;IP:192.0.2.0/255.255.255.0",
    { names: `${MAILBOX},IP:192.0.2.9` },
    null,
  ],
  "an IPv6 address among IPv4 addresses": [
    "permitted;IP:192.0.2.0/255.255.255.0",
    { names: `${MAILBOX},IP:2001:db8::1` },
    "#20010db8000000000000000000000001",
  ],
  "an excluded URI": [
    "excluded;URI:example.net",
    { names: `${MAILBOX},URI:https://example.net:8443/x` },
    "https://example.net:8443/x",
  ],
  "a URI of another host": [
    "permitted;URI:.example.org",
    { names: `${MAILBOX},URI:https://example.org/` },
    "https://example.org/",
  ],
  "a URI of a host inside": [
    "permitted;URI:.example.org",
    { names: `${MAILBOX},URI:https://www.example.org` },
    null,
  ],
  ...Object.fromEntries(
    ["https://example.org/a:b", "https://example.org?x", "https://u@example.org/", "https://:1/"].map(
      (uri) => [uri, ["permitted;URI:example.org", { names: `${MAILBOX},URI:${uri}` }, uri]] as const,
    ),
  ),
  "a URI whose path starts with two slashes": [
    "permitted;URI:example.org",
    { names: `${MAILBOX},URI:https://Example.org//x` },
    null,
  ],
  "a URI without a host": [
    "excluded;URI:example.net",
    { names: `${MAILBOX},URI:urn:example:a` },
    "urn:example:a",
  ],
  "a registered ID, which receivers cannot compare": [
    "permitted;RID:1.2.3",
    { names: `${MAILBOX},RID:1.2.3` },
    "#2a03",
  ],
  "another name of the constrained type": [
    "permitted;otherName:1.3.6.1.4.1.311.20.2.3;UTF8:@example.org",
    { names: `${MAILBOX},otherName:1.3.6.1.4.1.311.20.2.3;UTF8:a` },
    "#a0",
  ],
  "other names of other types": [
    "permitted;otherName:1.3.6.1.4.1.311.20.2.3;UTF8:@example.org,excluded;otherName:1.2.3;UTF8:a",
    { names: `${MAILBOX},otherName:1.3.6.1.5.5.7.8.5;UTF8:a` },
    null,
  ],
  "constraints of a kind that it does not have": [
    "permitted;RID:1.2.3,excluded;DNS:example.org,excluded;IP:0.0.0.0/0.0.0.0",
    {},
    null,
  ],
};

describe.skipIf(!isInstalled("openssl"))("as OpenSSL does,", () => {
  test.each(Object.entries(CONSTRAINED))("name constraints judge %s", async (_, row) => {
    const [constraints, options, forbidden] = row;
    const issuing = await authority(`nameConstraints=critical,${constraints}`);
    const chain = [await leaf(issuing, options), issuing.certificate];
    const { codes, warnings } = await inspect(chain);
    expect(await isAccepted(chain)).toBe(forbidden === null);
    expect(codes).toEqual(forbidden === null ? [] : ["chain_name"]);
    expect(warnings.map(({ text }) => text).join()).toContain(forbidden ?? "");
  });

  test.each([
    ["Ann", []],
    ["Bob", ["chain_name"]],
  ])("name constraints judge the alternative directory name %s", async (name, expected) => {
    const issuing = await authority("nameConstraints=critical,permitted;dirName:base", "[base]", "CN=Ann");
    const more = ["[other]", `CN=${name}`];
    const chain = [await leaf(issuing, { names: `${MAILBOX},dirName:other`, more }), issuing.certificate];
    expect((await inspect(chain)).codes).toEqual(expected as never[]);
    expect(await isAccepted(chain)).toBe(expected.length === 0);
  });

  test("a certificate that names its issuer by issuer and serial number has that one", async () => {
    const [first, renewed] = [await authority(), await authority()];
    const signer = await leaf(first, { more: ["authorityKeyIdentifier=keyid,issuer:always"] });
    for (const others of [
      [first.certificate, renewed.certificate],
      [renewed.certificate, first.certificate],
    ]) {
      const { codes, path } = await inspect([signer, ...others, ROOT.certificate]);
      expect(codes).toEqual([]);
      expect(path[1]?.der.toBase64()).toBe(first.certificate.replace(/-----.*-----|\s/g, ""));
    }
    expect(await isAccepted([signer, first.certificate])).toBe(true);
    expect(await isAccepted([signer, renewed.certificate])).toBe(false);
    expect((await inspect([signer, renewed.certificate])).codes).toEqual(["chain_key_identifier"]);
  });

  test.each([
    ["server", ["netscape_type"]],
    ["server,objsign", ["netscape_type"]],
    ["email", []],
    ["client", []],
  ])("the Netscape certificate type %s is judged", async (type, expected) => {
    const issuing = await authority();
    const chain = [await leaf(issuing, { more: [`nsCertType=${type}`] }), issuing.certificate];
    expect((await inspect(chain)).codes).toEqual(expected as never[]);
    expect(await isAccepted(chain)).toBe(expected.length === 0);
  });
});
