import { expect, test } from "bun:test";
import fc from "fast-check";
import { readMultipart } from "../../src/wire/form-bytes.ts";

/** RFC 2046 5.1.1: a boundary does not end in a blank. */
const BOUNDARY_CHARACTERS = "abzAZ09'()+_,-./:=? ";
const boundaries = fc
  .string({ unit: fc.constantFrom(...BOUNDARY_CHARACTERS), minLength: 1, maxLength: 26 })
  .filter((boundary) => !boundary.endsWith(" "));

test("the values of a multipart form are read as they are, whatever its boundary and wherever they contain it", async () => {
  await fc.assert(
    fc.asyncProperty(boundaries, fc.array(fc.array(fc.nat(9))), async (boundary, texts) => {
      const pieces = [
        boundary,
        "--",
        "\r\n",
        "-",
        "ä",
        `--${boundary}--`,
        "$&",
        `\r\n--${boundary}`,
        "yz",
        " ",
      ];
      const delimiters = [`--${boundary}`, `--${boundary}--`];
      const values = texts
        .map((indexes) => indexes.map((index) => pieces[index]).join(""))
        .filter((value) => !value.split("\r\n").some((line) => delimiters.includes(line.trimEnd())));
      const parts = values.map(
        (value, index) =>
          `--${boundary}\r\nContent-Disposition: form-data; name="n${index}"\r\n\r\n${value}\r\n`,
      );
      const body = new TextEncoder().encode(`${parts.join("")}--${boundary}--\r\n`);
      const entries = await readMultipart(body, `multipart/form-data; boundary="${boundary}"`);
      expect(entries).toEqual(values.map((value, index) => [`n${index}`, value]));
    }),
    { numRuns: 500 },
  );
});

const partOf = (boundary: string, name: string, value: string) =>
  `--${boundary}\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`;
const read = (boundary: string, body: string) =>
  readMultipart(new TextEncoder().encode(body), `multipart/form-data; boundary="${boundary}"`);

test.each([
  ["x", "hi\r\n--xylophone\r\nend"],
  ["x", "--xylophone"],
  ["x", "hi\r\n--x--ylophone"],
  ["---", "-----BEGIN CERTIFICATE-----\r\nMIIB\r\n-----END CERTIFICATE-----\r\n"],
  ["-", "-----BEGIN CERTIFICATE-----\r\nMIIB\r\n-----END CERTIFICATE-----\r\n"],
])("a line of a value may begin like a delimiter of the boundary %s: %j", async (boundary, value) => {
  const body = `${partOf(boundary, "a", value)}${partOf(boundary, "b", "2")}--${boundary}--\r\n`;
  expect(await read(boundary, body)).toEqual([
    ["a", value],
    ["b", "2"],
  ]);
});

test("the first delimiter may follow any line, and blanks may follow each one", async () => {
  const body = `${partOf("b", "a", "1")}${partOf("b", "c", "2")}--b--`;
  const entries: [string, unknown][] = [
    ["a", "1"],
    ["c", "2"],
  ];
  for (const before of ["", "\n", "\r\n", "text\n", "text\r\n\r\n", "--bc\n"])
    for (const after of ["", "\r\n", "\n", "\r\ntext", " \t\r\n"])
      expect({ before, after, read: await read("b", before + body + after) }).toEqual({
        before,
        after,
        read: entries,
      });
  expect(await read("b", body.replaceAll("--b\r\n", "--b \t\r\n"))).toEqual(entries);
});

test("a form without parts is empty, one without a delimiter is rejected", async () => {
  expect(await read("b", "--b--\r\n")).toEqual([]);
  for (const body of ["", "text", "--bc--\r\n", "text --b--\r\n"])
    await expect(read("b", body)).rejects.toMatchObject({ code: "invalid_parameter" });
});

test("a form that consists of delimiters is rejected before it grows", async () => {
  const before = process.resourceUsage().maxRSS;
  await expect(read("b", `${"--b\r\n".repeat(3 << 20)}--b--\r\n`)).rejects.toMatchObject({
    code: "invalid_parameter",
  });
  const grownMb = (process.resourceUsage().maxRSS - before) / 1024;
  expect(grownMb).toBeLessThan(300);
}, 30_000);
