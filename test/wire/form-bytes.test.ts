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
    fc.asyncProperty(boundaries, fc.array(fc.array(fc.nat(6))), async (boundary, texts) => {
      const pieces = [boundary, "--", "\r\n", "-", "ä", `--${boundary}--`, "$&"];
      const values = texts
        .map((indexes) => indexes.map((index) => pieces[index]).join(""))
        .filter((value) => !`\r\n${value}`.includes(`\r\n--${boundary}`));
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
