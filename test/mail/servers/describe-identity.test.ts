import { describe, expect, test } from "bun:test";
import { createDescribeIdentity } from "../../../src/mail/servers/describe-identity.ts";
import { inspectIdentity } from "../../../src/smime/identity.ts";
import { START } from "../../fixtures/instance.ts";
import { authorities, leaf } from "../../fixtures/smime/authority.ts";
import { privateKey } from "../../fixtures/smime/keys.ts";
import { isInstalled } from "../../fixtures/smime/openssl.ts";

const MINUTE_MS = 60_000;

async function fixture(change: Partial<Parameters<typeof leaf>[0]> = {}) {
  const key = await privateKey("p256");
  const { intermediate } = await authorities();
  const certificate = (await leaf({ key, ...change })) + intermediate.certificate;
  let now = START;
  let etag = "first";
  let inspections = 0;
  const describeIdentity = createDescribeIdentity({
    inspect: () => {
      inspections++;
      return inspectIdentity({ privateKey: key, passphrase: "", certificate, now });
    },
  });
  return {
    describeIdentity,
    inspections: () => inspections,
    save: () => {
      etag += "+";
    },
    describeAfter: (ms: number) => {
      now = new Date(START.getTime() + ms);
      return describeIdentity({ identifier: "a", certificate, etag }, now);
    },
  };
}

describe.skipIf(!isInstalled("openssl"))("the identity of a definition", () => {
  test("is inspected once for a version", async () => {
    const { describeAfter, save, inspections } = await fixture();
    const first = await describeAfter(0);
    expect(await describeAfter(1)).toEqual(first);
    expect(inspections()).toBe(1);
    save();
    expect(await describeAfter(2)).toEqual(first);
    expect(inspections()).toBe(2);
  });

  test("is inspected again after a minute, and when the clock was set back", async () => {
    const { describeAfter, inspections } = await fixture();
    for (const ms of [0, MINUTE_MS - 1, MINUTE_MS, 2 * MINUTE_MS - 1, 0]) await describeAfter(ms);
    expect(inspections()).toBe(3);
  });

  test("counts the days to its end", async () => {
    const end = new Date(START.getTime() + MINUTE_MS);
    const { describeAfter } = await fixture({ notAfter: end.toISOString().replace(/[-:T]|\.\d+/g, "") });
    expect(await describeAfter(0)).toMatchObject({ daysLeft: 0, path: [{ daysLeft: 0 }, {}] });
    expect(await describeAfter(MINUTE_MS + 1)).toMatchObject({ daysLeft: -1, path: [{ daysLeft: -1 }, {}] });
  });

  test("is not inspected without a certificate", async () => {
    const { inspections, describeIdentity } = await fixture();
    expect(await describeIdentity({ identifier: "a", certificate: "", etag: "a" }, START)).toBeNull();
    expect(inspections()).toBe(0);
  });
});
