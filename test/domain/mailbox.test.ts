import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { domainOf, parseAddress, parseMailbox } from "../../src/domain/mailbox.ts";

describe("parseMailbox()", () => {
  test.each([
    ["user@example.org", "", "user@example.org"],
    ["  user@example.org ", "", "user@example.org"],
    ["User.Name+tag@EXAMPLE.org", "", "User.Name+tag@example.org"],
    ["Some One <user@example.org>", "Some One", "user@example.org"],
    ['"One, Some" <user@example.org>', "One, Some", "user@example.org"],
    ['"A \\"B\\" C" <user@example.org>', 'A "B" C', "user@example.org"],
    ["<user@example.org>", "", "user@example.org"],
    ["user@bücher.example", "", "user@xn--bcher-kva.example"],
    ["üser@example.org", "", "üser@example.org"],
    ["user@[192.0.2.1]", "", "user@[192.0.2.1]"],
    ["user@[IPv6:2001:DB8:0:0:0:0:0:1]", "", "user@[IPv6:2001:db8::1]"],
    ["user@[ipv6:::FFFF:192.0.2.1]", "", "user@[IPv6:::ffff:c000:201]"],
    ["user@localhost", "", "user@localhost"],
    ["user@BÜCHER.example", "", "user@xn--bcher-kva.example"],
    ["user@bücher。example", "", "user@xn--bcher-kva.example"],
    ["user@straße.example", "", "user@xn--strae-oqa.example"],
    ["user@STRAẞE.example", "", "user@xn--strae-oqa.example"],
    ["user@faß.example", "", "user@xn--fa-hia.example"],
    ["user@XN--BCHER-KVA.example", "", "user@xn--bcher-kva.example"],
    ["  Some One  <  user@example.org  >  ", "Some One", "user@example.org"],
    ['"john doe"@example.org', "", '"john doe"@example.org'],
    ['"john.doe"@example.org', "", "john.doe@example.org"],
    ['"a\\"b\\\\c"@example.org', "", '"a\\"b\\\\c"@example.org'],
    ['"\\j\\o"@example.org', "", "jo@example.org"],
    ['"a@b"@example.org', "", '"a@b"@example.org'],
    ['".dots..inside."@example.org', "", '".dots..inside."@example.org'],
    ['John < "john doe"@bücher.example >', "John", '"john doe"@xn--bcher-kva.example'],
    ['"A <b" <user@example.org>', "A <b", "user@example.org"],
    ['John "Jack" Doe <user@example.org>', "John Jack Doe", "user@example.org"],
    ['"John, Jr." Doe <user@example.org>', "John, Jr. Doe", "user@example.org"],
  ])("reads %p", (text, name, address) => {
    expect(parseMailbox(text)).toEqual({ name, address });
  });

  test.each([
    "",
    "user",
    "@example.org",
    "user@",
    "a@example.org,b@example.org",
    "a@example.org, b@example.org",
    "A <a@example.org>, B <b@example.org>",
    "group: a@example.org;",
    "<@relay:a@example.org>",
    "a@b@example.org",
    "user name@example.org",
    '""@example.org',
    '"user@example.org',
    'us"er"@example.org',
    'John "Jack <user@example.org>',
    'John, "Jack" <user@example.org>',
    'John "Jack\\" <user@example.org>',
    '"us"er@example.org',
    '"user> NOTIFY=NEVER "@example.org',
    '"us\ner"@example.org',
    '"us\u00a0er"@example.org',
    "user@[192.0.2.01]",
    "user@[192.0.2.256]",
    "user@[IPv6:192.0.2.1]",
    "user@[IPv6:fe80::1%eth0]",
    "user@[2001:db8::1]",
    "user@[IPv6:]",
    "user@bücher..example",
    "user@bücher.example/x",
    "user(comment)@example.org",
    ".user@example.org",
    "user.@example.org",
    "us..er@example.org",
    "user@example..org",
    "user@-example.org",
    "user@example.org\r\nBcc: other@example.org",
    "user@example.org\n",
    "us\0er@example.org",
    "Name\r\nX: y <user@example.org>",
    "user@example.org> <other@example.org",
    "user@exa mple.org",
    `${"a".repeat(65)}@example.org`,
    `a@${"b".repeat(60)}.${"c".repeat(60)}.${"d".repeat(60)}.${"e".repeat(60)}.${"f".repeat(20)}`,
    "user@example.org SIZE=1",
  ])("rejects %p", (text) => {
    expect(parseMailbox(text)).toBeNull();
  });

  test("rejects a text of more than 100,000 characters", () => {
    const address = "<user@example.org>";
    const name = "a ".repeat(50_000);
    expect(parseMailbox(`${name.slice(address.length)}${address}`)?.address).toBe("user@example.org");
    expect(parseMailbox(`${name}${address}`)).toBeNull();
  });

  test("never lets through what ends a line or an angle bracket", () => {
    fc.assert(
      fc.property(
        fc.string({ unit: "binary" }),
        fc.constantFrom("a@b", "<a@b>", "x <a@b>", ""),
        (noise, core) => {
          const parsed = parseMailbox(noise + core) ?? parseMailbox(core + noise);
          if (!parsed) return;
          expect(parsed.address.replace(/^".*"(?=@)/, "")).not.toMatch(/\s/u);
          expect(parsed.address).not.toMatch(/[<>\p{Cc}\u2028\u2029]/u);
          expect(parsed.name).not.toMatch(/[\p{Cc}\u2028\u2029]/u);
        },
      ),
    );
  });

  test("reads its own result back", () => {
    const local = fc.stringMatching(/^[a-zA-Z0-9!#$%&'*+/=?^_`{|}~-]{1,20}$/);
    const domain = fc.stringMatching(/^[a-z0-9]{1,10}(\.[a-z0-9]{1,10}){0,2}$/);
    fc.assert(
      fc.property(local, domain, (left, right) => {
        const address = parseMailbox(`${left}@${right}`)?.address;
        expect(address).toBe(`${left}@${right}`);
        expect(parseMailbox(`Name <${address}>`)).toEqual({ name: "Name", address: `${address}` });
      }),
    );
  });
});

describe("parseAddress()", () => {
  test("gives any quoted local part one spelling, which it reads back", () => {
    const content = fc.string({ unit: fc.constantFrom(...'ab. "\\@,;:()[]é'), minLength: 1, maxLength: 20 });
    fc.assert(
      fc.property(content, (text) => {
        const address = parseAddress(`"${text.replace(/["\\]/g, "\\$&")}"@example.org`);
        expect(address).not.toBeNull();
        expect(parseAddress(`${address}`)).toBe(address);
        expect(domainOf(`${address}`)).toBe("example.org");
        const escapedEach = text.replace(/./gu, "\\$&");
        expect(parseAddress(`"${escapedEach}"@example.org`)).toBe(address);
      }),
    );
  });

  test("ignores blanks around it", () => {
    expect(parseAddress("  user@example.org ")).toBe("user@example.org");
  });

  test("normalizes the local part to NFC", () => {
    expect(parseAddress("u\u0308ser@example.org")).toBe("üser@example.org");
  });
});

test("domainOf() is what follows the last @", () => {
  expect(domainOf("user@example.org")).toBe("example.org");
});
