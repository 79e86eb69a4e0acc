import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { keepsSecret, parseEndpoint } from "../../src/domain/endpoint.ts";
import type { Endpoint, MailApi, Security } from "../../src/domain/smtp-server.ts";

const parse = (server: string, port = 25, tls = false) => parseEndpoint({ server, port, tls });

describe("parseEndpoint()", () => {
  test.each<[server: string, host: string, port: number, security: Security]>([
    ["mail.example.org", "mail.example.org", 25, "none"],
    ["mail.example.org:2525", "mail.example.org", 2525, "none"],
    ["smtp://mail.example.org", "mail.example.org", 25, "none"],
    ["smtp://mail.example.org:587", "mail.example.org", 587, "none"],
    ["smtps://mail.example.org", "mail.example.org", 465, "implicit"],
    ["SMTPS://Mail.Example.ORG.:4650", "mail.example.org", 4650, "implicit"],
    ["[::1]:25", "::1", 25, "none"],
    ["[0:0:0:0:0:0:0:1]", "::1", 25, "none"],
    ["[::ffff:192.0.2.1]", "192.0.2.1", 25, "none"],
    ["smtps://[2001:db8::1]", "2001:db8::1", 465, "implicit"],
    ["192.0.2.1:587", "192.0.2.1", 587, "none"],
    ["localhost", "localhost", 25, "none"],
    [" mail.example.org ", "mail.example.org", 25, "none"],
    ["\u00a0mail.bücher.example\u3000", "mail.xn--bcher-kva.example", 25, "none"],
    ["::1", "::1", 25, "none"],
    ["2001:DB8::1", "2001:db8::1", 25, "none"],
    ["::ffff:192.0.2.1", "192.0.2.1", 25, "none"],
    ["mail.bücher.example", "mail.xn--bcher-kva.example", 25, "none"],
    ["mail.BÜCHER.example:2525", "mail.xn--bcher-kva.example", 2525, "none"],
    ["smtps://mail.bücher。example.", "mail.xn--bcher-kva.example", 465, "implicit"],
    ["mail.straße.example。", "mail.xn--strae-oqa.example", 25, "none"],
    ["１９２.0.2.1", "192.0.2.1", 25, "none"],
  ])("reads %p", (server, host, port, security) => {
    expect(parse(server)).toEqual({ host, port, security });
  });

  test.each<[server: string, protocol: MailApi, host: string]>([
    ["graph://contoso.onmicrosoft.com", "graph", "contoso.onmicrosoft.com"],
    ["Graph://Contoso.example", "graph", "contoso.example"],
    ["graph://bücher.example", "graph", "xn--bcher-kva.example"],
    ["graph://6E9F5C3B-0A14-4D2B-9d8e-111111111111", "graph", "6e9f5c3b-0a14-4d2b-9d8e-111111111111"],
    ["graph://common", "graph", "common"],
    [" graph://consumers ", "graph", "consumers"],
    ["ses://eu-central-1", "ses", "eu-central-1"],
    ["SES://US-Gov-West-1", "ses", "us-gov-west-1"],
  ])("reads the mail API %p, without port and tls", (server, protocol, host) => {
    expect(parse(server, 25, false)).toEqual({ protocol, host, port: 443, security: "implicit" });
  });

  test.each([
    "graph://",
    "graph://contoso",
    "graph://192.0.2.1",
    "graph://[::1]",
    "graph://user@contoso.example",
    "graph://contoso.example:443",
    "graph://contoso.example/",
    "graph://contoso.example?x",
    "graph:contoso.example",
    "ses://",
    "ses://email.eu-central-1.amazonaws.com",
    "ses://eu-central-1:443",
    "ses://eu-central-1/",
    "ses://key@eu-central-1",
    "ses://frankfurt",
  ])("rejects the mail API %p", (server) => {
    expect(parse(server)).toBeNull();
  });

  test("takes the port from its field unless there is one inside, and 465 for smtps", () => {
    expect(parse("mail.example.org", 587)?.port).toBe(587);
    expect(parse("mail.example.org:26", 587)?.port).toBe(26);
    expect(parse("smtps://mail.example.org", 587)?.port).toBe(465);
  });

  test("takes tls as STARTTLS, and ignores it for smtps", () => {
    expect(parse("mail.example.org", 25, true)?.security).toBe("starttls");
    expect(parse("smtps://mail.example.org", 25, true)?.security).toBe("implicit");
  });

  test.each([
    "",
    " ",
    "mail.example.org x",
    "user@mail.example.org",
    "smtp://user:secret@mail.example.org",
    "smtp://mail.example.org/",
    "smtp://mail.example.org/path",
    "mail.example.org?x=1",
    "mail.example.org#x",
    "http://mail.example.org",
    "lmtp://mail.example.org",
    "mail.example.org:0",
    "mail.example.org:65536",
    "mail.example.org:",
    "mail.example.org:25:26",
    "smtp://::1",
    "::1%eth0",
    "1::2::3",
    ":25",
    "[::1",
    "[mail.example.org]",
    "[]",
    "1.2.3",
    "256.1.1.1",
    "0x7f.1",
    "2130706433",
    "010.0.0.1",
    "-mail.example.org",
    "mail..example.org",
    "mail.example.org..",
    `${"a".repeat(64)}.org`,
    "mail\r\nexample.org",
    "mail\0example.org",
    "mäil..example.org",
    "mäil.example.org/",
    "１.2.3",
    `${"ä".repeat(64)}.org`,
  ])("rejects %p", (server) => {
    expect(parse(server)).toBeNull();
  });

  const label = fc.stringMatching(/^[a-z0-9]([a-z0-9-]{0,10}[a-z0-9])?$/);
  const hostName = fc
    .array(label, { minLength: 1, maxLength: 4 })
    .map((labels) => `${labels.join(".")}.test`);

  test("gives back host and port however they are written", () => {
    fc.assert(
      fc.property(hostName, fc.integer({ min: 1, max: 65_535 }), fc.boolean(), (host, port, tls) => {
        const security = tls ? "starttls" : "none";
        expect(parse(`${host.toUpperCase()}.:${port}`, 1, tls)).toEqual({ host, port, security });
        expect(parse(`smtp://${host}`, port, tls)).toEqual({ host, port, security });
      }),
    );
  });

  test("never gives a host with a character that could end a command or name another part of a URL", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (server) => {
        const endpoint = parse(server);
        if (endpoint) expect(endpoint.host).toMatch(/^[a-z0-9_.:-]+$/);
      }),
    );
  });
});

describe("keepsSecret()", () => {
  const at = (change: Partial<Endpoint>): Endpoint => ({
    host: "a",
    port: 25,
    security: "starttls",
    ...change,
  });

  test.each<[kept: Security, next: Security, keeps: boolean]>([
    ["none", "none", true],
    ["none", "starttls", true],
    ["none", "implicit", true],
    ["starttls", "none", false],
    ["starttls", "starttls", true],
    ["starttls", "implicit", true],
    ["implicit", "none", false],
    ["implicit", "starttls", true],
    ["implicit", "implicit", true],
  ])("from %s to %s: %p", (kept, next, keeps) => {
    expect(keepsSecret(at({ security: kept }), at({ security: next }))).toBe(keeps);
  });

  test("says no to another host or port", () => {
    expect(keepsSecret(at({}), at({ host: "b" }))).toBe(false);
    expect(keepsSecret(at({}), at({ port: 26 }))).toBe(false);
  });
});
