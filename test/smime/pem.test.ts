import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { labelOf } from "../../src/smime/label.ts";
import { readPem, writePem } from "../../src/smime/pem.ts";
import { fileBytes, fileText } from "../fixtures/smime/files.ts";

const PEM = fileText("issuing.pem");
const [BLOCK] = readPem(PEM);
const DER = BLOCK?.der ?? new Uint8Array();

const blanks = (text: string) => text.replaceAll("+", " ");
const VARIANTS: Readonly<Record<string, (pem: string) => string>> = {
  "CR line ends": (pem) => pem.replaceAll("\n", "\r"),
  "line separators of Unicode": (pem) => pem.replaceAll("\n", "\u2028"),
  "line ends that became blanks": (pem) => pem.replaceAll("\n", " "),
  "no line ends": (pem) => pem.replaceAll("\n", ""),
  "blanks at the ends of lines": (pem) => pem.replaceAll("\n", "  \n"),
  "blanks in the place of +": blanks,
  "blanks in the place of + and of line ends": (pem) => blanks(pem.replaceAll("\n", " ")),
  "blanks in the place of +, and no line ends": (pem) => blanks(pem.replaceAll("\n", "")),
  "blanks in the place of + and behind lines": (pem) => blanks(pem).replaceAll("\n", " \n"),
  "HTML line breaks": (pem) => `<p>${pem.replaceAll("\n", "<br/>")}</p>`,
  "typographic dashes": (pem) => pem.replaceAll("-----", "—–"),
  "no-break spaces": (pem) => pem.replaceAll(" ", "\u00a0"),
  "the marks of a quotation": (pem) => pem.replaceAll(/^/gm, "> "),
  "the marks of a quoted quotation": (pem) => pem.replaceAll(/^/gm, ">> "),
  "line ends that were escaped twice": (pem) => pem.replaceAll("\n", "\\\\n"),
  "line ends of Windows that were escaped twice": (pem) => pem.replaceAll("\n", "\\\\r\\\\n"),
  "a data: URL of a whole PEM text": (pem) => `data:application/x-x509-ca-cert;base64,${btoa(pem)}`,
  "a data: URL of DER": (pem) => `data:;base64,${pem.replaceAll(/-----[^-]+-----|\n/g, "")}`,
  "zero-width characters": (pem) => pem.replaceAll("M", "\u200bM"),
  "base64 alone": (pem) => pem.replaceAll(/-----[^-]+-----/g, ""),
  "base64 alone, in one line": (pem) => pem.replaceAll(/-----[^-]+-----|\n/g, ""),
  "base64 alone with blanks in the place of +": (pem) => blanks(pem.replaceAll(/-----[^-]+-----/g, "")),
  "base64 of a whole PEM text": (pem) => Buffer.from(pem).toString("base64"),
};

describe("readPem() reads the same block with", () => {
  for (const [name, change] of Object.entries(VARIANTS)) {
    test(name, () => {
      const text = change(PEM);
      expect(text).not.toBe(PEM);
      expect(readPem(text)).toEqual([{ label: "CERTIFICATE", encryption: null, der: DER }]);
    });
  }

  test.each(["modern.p12", "nss.p12"])("the base64 of %s in lines whose + are blanks", (name) => {
    const der = new Uint8Array(fileBytes(name));
    for (const width of [64, 76]) {
      for (const end of ["\n", "\r\n"]) {
        const text = blanks(der.toBase64().replaceAll(new RegExp(`.{${width}}`, "g"), `$&${end}`));
        expect(readPem(text)).toEqual([{ label: "PKCS12", encryption: null, der }]);
      }
    }
  });

  test("every + as a blank, wherever it is, for any value", () => {
    const octets = fc.uint8Array({ minLength: 200, maxLength: 400 });
    fc.assert(
      fc.property(octets, (content) => {
        const pem = writePem(
          "X",
          Uint8Array.of(0x30, 0x82, content.length >> 8, content.length & 0xff, ...content),
        );
        const [expected] = readPem(pem);
        expect(expected?.der).toHaveLength(content.length + 4);
        for (const text of [
          blanks(pem),
          blanks(pem.replaceAll("\n", " ")),
          blanks(pem.replaceAll("\n", "\r\n")),
        ])
          expect(readPem(text)).toEqual([expected!]);
      }),
      { numRuns: 300 },
    );
  });
});

test("readPem() takes no time for dashes without end", () => {
  const start = performance.now();
  readPem("-".repeat(65_000));
  readPem("-----BEGIN ".repeat(6_000));
  readPem(`-----BEGIN X-----${" A".repeat(30_000)}-----END X-----`);
  expect(performance.now() - start).toBeLessThan(2_000);
});

describe("labelOf() knows a value by its structure:", () => {
  const FILES: Readonly<Record<string, string>> = {
    "modern.p12": "PKCS12",
    "nss.p12": "PKCS12",
  };
  for (const [name, label] of Object.entries(FILES)) {
    test(name, () => expect(labelOf(fileBytes(name))).toBe(label));
  }
  for (const name of ["leaf.key", "leaf.pem", "p256-v2.key", "ed25519-v2.key", "pbes1-des.key"]) {
    test(name, () => {
      const [block] = readPem(fileText(name));
      expect(labelOf(block?.der ?? new Uint8Array())).toBe(block?.label ?? "");
    });
  }

  test("no random bytes", () => {
    fc.assert(fc.property(fc.uint8Array(), (bytes) => void labelOf(new Uint8Array(bytes))));
    expect(labelOf(new Uint8Array(50))).toBeNull();
  });
});
