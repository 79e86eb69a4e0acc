import { describe, expect, test } from "bun:test";
import { addressTo } from "../../../src/transport/graph/recipients.ts";

const ANN = "ann@example.net";
const BOB = "bob@example.net";
const CAT = "cat@example.net";
const BODY = "MIME-Version: 1.0\r\nContent-Type: text/plain\r\n\r\nTo: ann@example.net\r\n\r\nHello\r\n";

const encode = (text: string) => new TextEncoder().encode(text);
/** Returns the message with a header for these recipients. */
const addressed = (header: string, recipients: readonly string[]) =>
  new TextDecoder().decode(addressTo(encode(`${header}\r\n${BODY}`), recipients));

describe("addressTo()", () => {
  test("returns the same bytes if To and Cc name the recipients", () => {
    const list = `To: Ann <${ANN}>,\r\n "Bob, the other" <${BOB}>\r\nCc: =?UTF-8?Q?C=C3=A4t?=\r\n <${CAT}>`;
    const bytes = encode(`From: me@example.org\r\n${list}\r\n${BODY}`);
    expect(addressTo(bytes, [CAT, ANN, BOB])).toBe(bytes);
  });

  test("leaves out those who are no recipients, and fields without any", () => {
    const header = `From: me@example.org\r\nTo: Ann <${ANN}>,\r\n "Bob, the other" <${BOB}>\r\nCc: ${CAT}\r\nSubject: Hi`;
    expect(addressed(header, [BOB])).toBe(
      `From: me@example.org\r\nTo: "Bob, the other" <${BOB}>\r\nSubject: Hi\r\n${BODY}`,
    );
    expect(addressed(header, [ANN, CAT])).toBe(
      `From: me@example.org\r\nTo: Ann <${ANN}>\r\nCc: ${CAT}\r\nSubject: Hi\r\n${BODY}`,
    );
  });

  test("adds Bcc for recipients that the header does not name", () => {
    const header = `From: me@example.org\r\nTo: ${ANN}`;
    expect(addressed(header, [ANN, BOB, CAT])).toBe(`Bcc: ${BOB},\r\n ${CAT}\r\n${header}\r\n${BODY}`);
    const nameless = "From: me@example.org\r\nTo: undisclosed-recipients:;\r\nSubject: Hi";
    expect(addressed(nameless, [BOB])).toBe(`Bcc: ${BOB}\r\nFrom: me@example.org\r\nSubject: Hi\r\n${BODY}`);
  });

  test("reads quoted local parts, commas in comments of names, and addresses in UTF-8", () => {
    const quoted = '"a, b"@example.net';
    const header = `To: <${quoted}>, "Last, \\"First\\"" <jürgen@example.net>, ${ANN}`;
    expect(addressed(header, [quoted])).toBe(`To: <${quoted}>\r\n${BODY}`);
    expect(addressed(header, ["jürgen@example.net"])).toBe(
      `To: "Last, \\"First\\"" <jürgen@example.net>\r\n${BODY}`,
    );
  });

  test("does not touch fields of the entity", () => {
    const entity = `${BODY}To: someone@example.com\r\nBcc: x@example.com\r\n`;
    const bytes = encode(`To: ${ANN}, ${BOB}\r\n${entity}`);
    expect(new TextDecoder().decode(addressTo(bytes, [BOB]))).toBe(`To: ${BOB}\r\n${entity}`);
  });
});
