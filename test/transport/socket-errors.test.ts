import { describe, expect, test } from "bun:test";
import dns from "node:dns";
import { once } from "node:events";
import net from "node:net";
import os from "node:os";
import tls from "node:tls";
import { FAILURE_CODES, type FailureCode } from "../../src/domain/delivery.ts";
import { failureCodeOf, lookupFailureCode, tlsFailure } from "../../src/transport/socket-errors.ts";

const withCode = (code: string): Error => Object.assign(new Error("x"), { code });
const named = (name: string): Error => Object.assign(new Error("x"), { name });
const nameOf = (error: unknown): string =>
  error instanceof Error && "code" in error ? String(error.code) : String(error);
const alert = (description: number) => Buffer.from([0x15, 3, 3, 0, 2, 2, description]);

describe("failureCodeOf()", () => {
  const ROWS: readonly (readonly [error: unknown, code: FailureCode])[] = [
    [withCode("ECONNREFUSED"), "refused"],
    [withCode("ENETUNREACH"), "unreachable"],
    [withCode("EACCES"), "unreachable"],
    [withCode("EPERM"), "unreachable"],
    [withCode("EAI_AGAIN"), "unreachable"],
    [withCode("ESERVFAIL"), "unreachable"],
    [withCode("ETIMEDOUT"), "timeout"],
    [withCode("ETIMEOUT"), "timeout"],
    [withCode("ERR_TLS_HANDSHAKE_TIMEOUT"), "timeout"],
    [withCode("ECONNRESET"), "closed"],
    [withCode("ENETRESET"), "closed"],
    [withCode("ENOTCONN"), "closed"],
    [withCode("EPIPE"), "closed"],
    [withCode("ENOTFOUND"), "dns_not_found"],
    [withCode("DNS_ENOTFOUND"), "dns_not_found"],
    [withCode("EAI_NONAME"), "dns_not_found"],
    [withCode("CERT_NOT_YET_VALID"), "cert_expired"],
    [withCode("ERR_TLS_CERT_ALTNAME_INVALID"), "cert_name"],
    [withCode("SELF_SIGNED_CERT_IN_CHAIN"), "cert_untrusted"],
    [withCode("ERR_SSL_WRONG_VERSION_NUMBER"), "protocol"],
    [withCode("ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED"), "cert_rejected"],
    [withCode("ERR_SSL_TLSV1_ALERT_UNKNOWN_CA"), "cert_rejected"],
    [withCode("ERR_SSL_SSLV3_ALERT_BAD_CERTIFICATE"), "cert_rejected"],
    [withCode("ERR_SSL_SSL/TLS_ALERT_BAD_CERTIFICATE"), "cert_rejected"],
    [withCode("ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION"), "protocol"],
    [withCode("EPROTO"), "protocol"],
    [named("ConnectionRefused"), "refused"],
    [named("NotCapable"), "unreachable"],
    [named("UnexpectedEof"), "closed"],
    [named("TimedOut"), "timeout"],
    [Object.assign(withCode("ESOCKET"), { originalCode: "CERT_HAS_EXPIRED" }), "cert_expired"],
    [new Error("x", { cause: withCode("ECONNREFUSED") }), "refused"],
    [new AggregateError([withCode("ENETUNREACH"), withCode("ECONNREFUSED")]), "unreachable"],
    [withCode("EMFILE"), "network"],
    [withCode("ENOBUFS"), "network"],
    [withCode("ERR_TLS_INVALID_STATE"), "network"],
    [withCode("constructor"), "network"],
    [new TypeError("This WritableStream has been closed."), "closed"],
    [new Error("Network connection lost."), "closed"],
    [new Error("internal error; reference = x"), "network"],
    ["ECONNRESET", "network"],
    [null, "network"],
  ];
  for (const [error, code] of ROWS) {
    test(`returns ${code} for ${nameOf(error)}`, () => {
      expect(failureCodeOf(error)).toBe(code);
    });
  }

  test("returns closed only for errors of this runtime that end a connection", () => {
    const codes = [
      ...Object.keys(os.constants.errno),
      ...Object.values(dns).filter((value) => typeof value === "string" && value.startsWith("E")),
    ];
    const closed = codes.filter((code) => failureCodeOf(withCode(String(code))) === "closed");
    expect(closed.toSorted()).toEqual(
      ["ECONNABORTED", "ECONNRESET", "ENETRESET", "ENOTCONN", "EPIPE"].toSorted(),
    );
    for (const code of codes) expect(FAILURE_CODES).toContain(failureCodeOf(withCode(String(code))));
  });

  test("terminates for errors that cause each other", () => {
    const error = new Error("x");
    error.cause = error;
    expect(failureCodeOf(error)).toBe("network");
  });
});

test("a lookup that rejects the name, as Node does for an ill-formed A-label, finds none", () => {
  expect(lookupFailureCode(withCode("EINVAL"))).toBe("dns_not_found");
  expect(lookupFailureCode(withCode("EMFILE"))).toBe("network");
  expect(failureCodeOf(withCode("EINVAL"))).toBe("network");
});

test("a name server that refuses or closes makes the name unreachable", () => {
  expect(lookupFailureCode(withCode("ECONNREFUSED"))).toBe("unreachable");
  expect(lookupFailureCode(withCode("ECONNRESET"))).toBe("unreachable");
  expect(lookupFailureCode(withCode("ENOTFOUND"))).toBe("dns_not_found");
  expect(lookupFailureCode(withCode("ETIMEOUT"))).toBe("timeout");
});

describe("tlsFailure()", () => {
  const REQUIRED = "ERR_SSL_TLSV1_ALERT_CERTIFICATE_REQUIRED";
  const HANDSHAKE = "ERR_SSL_SSLV3_ALERT_HANDSHAKE_FAILURE";
  /** OpenSSL 3.2 and later, as in Node 22. */
  const HANDSHAKE_3_2 = "ERR_SSL_SSL/TLS_ALERT_HANDSHAKE_FAILURE";
  const [anonymous, known] = [{ hasIdentity: false }, { hasIdentity: true }];
  const [before, after] = [{ hasPeer: false }, { hasPeer: true }];

  test.each([
    [
      "the server's certificate has a phase of its own",
      "CERT_HAS_EXPIRED",
      { ...known, ...after },
      "cert_expired",
    ],
    ["an alert about no certificate", REQUIRED, { ...anonymous, ...after }, "cert_required"],
    ["an alert about a certificate", REQUIRED, { ...known, ...after }, "cert_rejected"],
    ["an alert without a reason and no certificate", HANDSHAKE, { ...anonymous, ...after }, "cert_required"],
    ["the same of another version of OpenSSL", HANDSHAKE_3_2, { ...anonymous, ...after }, "cert_required"],
    ["an alert without a reason after a certificate", HANDSHAKE, { ...known, ...after }, "cert_rejected"],
  ] as const)("%s", (_, error, handshake, code) => {
    expect(tlsFailure(withCode(error), "starttls", handshake)).toEqual({ phase: "certificate", code });
  });

  test("keeps the phase of a failure that is not about a certificate", () => {
    const handshake = { ...anonymous, ...before };
    expect(tlsFailure(withCode("ECONNRESET"), "starttls", handshake)).toEqual({
      phase: "starttls",
      code: "closed",
    });
    expect(tlsFailure(withCode(HANDSHAKE), "connect", handshake)).toEqual({
      phase: "connect",
      code: "tls_failed",
    });
    expect(tlsFailure(null, undefined, handshake)).toEqual({ phase: undefined, code: "network" });
  });
});

describe("a real handshake with a server that", () => {
  test.each<[what: string, onHello: (socket: net.Socket) => void, code: FailureCode]>([
    ["replies in clear text", (socket) => socket.write("220 mx ESMTP\r\n"), "protocol"],
    ["sends the alert handshake_failure", (socket) => socket.write(alert(40)), "protocol"],
    ["sends the alert protocol_version", (socket) => socket.write(alert(70)), "protocol"],
    ["sends the alert internal_error", (socket) => socket.write(alert(80)), "protocol"],
    ["closes", (socket) => socket.end(), "closed"],
    ["resets", (socket) => socket.resetAndDestroy(), "closed"],
  ])("%s is %s", async (_what, onHello, code) => {
    const server = net.createServer((socket) => {
      socket.on("error", () => undefined);
      socket.once("data", () => onHello(socket));
    });
    await once(server.listen(0, "127.0.0.1"), "listening");
    const { port } = server.address() as net.AddressInfo;
    const client = tls.connect({ host: "127.0.0.1", port, servername: "localhost" });
    const [error] = await once(client, "error").catch((reason: unknown) => [reason]);
    client.destroy();
    server.close();
    expect(failureCodeOf(error)).toBe(code);
  });
});
