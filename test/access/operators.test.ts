import { describe, expect, test } from "bun:test";
import { count, like } from "drizzle-orm";
import { createOperators, type IncomingCall } from "../../src/access/operators.ts";
import { SIGNED_HEADERS } from "../../src/domain/operator-call.ts";
import { audit, operatorNonce } from "../../src/storage/schema.ts";
import { KEYS, PEER, type TestInstance, testInstance } from "../fixtures/instance.ts";
import { signCall } from "../fixtures/operator-call.ts";

const HOST = "sealpost.example.org";
const PATH = "/operator/restore/rows";
const BODY = '{"rows":[]}';
const RECORD = { action: "operator POST /restore", info: "" };
const OTHER_KEYS = `other:${new Uint8Array(32).fill(1).toBase64()}`;
const REJECTED = { code: "bad_token" };

/** Sends calls to the verification, and counts the bodies that it reads. */
function open(instance: TestInstance) {
  const operators = createOperators(instance);
  const state = { reads: 0 };
  const sign = (changes: { readonly keys?: string; readonly body?: string; readonly age?: number } = {}) => {
    const { keys = KEYS, body = BODY, age = 0 } = changes;
    const time = new Date(instance.clock.now.getTime() - age * 1_000);
    return signCall({ method: "POST", path: PATH, host: HOST, keys, body, time });
  };
  const verify = (
    credential: string,
    changes: Partial<IncomingCall> = {},
    record: typeof RECORD | null = RECORD,
  ) =>
    operators.verify(
      {
        ...{ method: "POST", host: HOST, path: PATH, client: PEER, credential },
        headers: SIGNED_HEADERS.map(() => ""),
        ...changes,
      },
      record,
      async () => {
        state.reads++;
        return new TextEncoder().encode(BODY);
      },
    );
  return { state, sign, verify };
}

describe("the body of a call", () => {
  test("is not read before its signature, its time and its nonce are right", async () => {
    await using instance = await testInstance();
    const { state, sign, verify } = open(instance);
    const used = await sign();
    expect(await verify(used)).toMatchObject({ administrator: "operator key first" });
    expect(state.reads).toBe(1);
    const other = await sign({ body: "another body" });
    const hash = (credential: string) => /body="[0-9a-f]+"/.exec(credential)?.[0] ?? "";
    const swapped = other.replace(hash(other), hash(await sign()));
    const wrong: readonly Parameters<typeof verify>[] = [
      [""],
      [used],
      [await sign({ keys: OTHER_KEYS })],
      [await sign({ age: 301 })],
      [await sign({ age: -301 })],
      [await sign(), { method: "PUT" }],
      [await sign(), { path: "/operator/restore" }],
      [await sign(), { headers: SIGNED_HEADERS.map(() => "x") }],
      [swapped],
    ];
    for (const call of wrong) expect(await verify(...call).catch((error) => error)).toMatchObject(REJECTED);
    expect(state.reads).toBe(1);
  });

  test("is the one that was signed, and another one leaves no row of success", async () => {
    await using instance = await testInstance();
    const { state, sign, verify } = open(instance);
    const rejected = await verify(await sign({ body: "another body" })).catch((error) => error);
    expect(rejected).toMatchObject(REJECTED);
    expect(state.reads).toBe(1);
    const rows = await instance.database.read
      .select({ action: audit.action, success: audit.success })
      .from(audit)
      .where(like(audit.action, "operator%"));
    expect(rows).toEqual([{ action: "operator", success: false }]);
  });
});

test("failures from the network of the operator end in 429, and lock out no call with a right signature", async () => {
  await using instance = await testInstance();
  const { state, sign, verify } = open(instance);
  const failure = (credential: string) => verify(credential).catch((error) => error);
  const used = await sign();
  await verify(used);
  const wrong = ["", "Sealpost-Operator", used, await sign({ keys: OTHER_KEYS }), await sign({ age: 301 })];
  for (const credential of [...wrong, ...wrong]) expect(await failure(credential)).toMatchObject(REJECTED);
  for (const credential of wrong)
    expect(await failure(credential)).toMatchObject({ code: "too_many_tries", retryAfterSeconds: 600 });
  expect(state.reads).toBe(1);
  const failed = await instance.database.read
    .select({ count: audit.count })
    .from(audit)
    .where(like(audit.action, "operator"));
  expect(failed).toEqual([{ count: wrong.length * 2 }]);
  expect(await verify(await sign())).toMatchObject({ administrator: "operator key first" });
  expect(state.reads).toBe(2);
});

test("only a call with an audit row of its own deletes old nonces", async () => {
  await using instance = await testInstance();
  const { sign, verify } = open(instance);
  const nonces = async () => {
    const [row] = await instance.database.read.select({ n: count() }).from(operatorNonce);
    return row?.n;
  };
  await verify(await sign());
  instance.clock.advance(2 * 3_600);
  await verify(await sign(), {}, null);
  expect(await nonces()).toBe(2);
  await verify(await sign());
  expect(await nonces()).toBe(2);
});
