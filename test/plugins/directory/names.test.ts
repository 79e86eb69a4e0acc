import { describe, expect, test } from "bun:test";
import { directory } from "sealpost/plugins/directory";
import type { TestInstance } from "../../fixtures/instance.ts";
import { testInstance } from "../../fixtures/instance.ts";
import {
  PIN,
  type Started,
  started as startedTokens,
  transactionOf,
  verdictOf,
  WRONG,
} from "../email-token/support.ts";

const ANN = {
  username: "ann",
  email: "ann@example.org",
  phone: "+49 170 1234567",
  givenname: "Ann",
  surname: "Lee",
};

async function started() {
  const instance = await testInstance({ plugins: [directory()] });
  const { value } = await instance.request("POST", "/user/", { json: ANN });
  return { ...instance, id: value, [Symbol.asyncDispose]: instance[Symbol.asyncDispose] };
}

const change = (instance: TestInstance, json: object, path = "/user/") =>
  instance.request("PUT", path, { json });

async function listed(instance: TestInstance, username = "ann") {
  const { value } = await instance.request("GET", "/user/", { query: { username } });
  return value as Record<string, unknown>[];
}

describe("PUT /user/", () => {
  test("changes what is given, and keeps the rest and the id", async () => {
    await using it = await started();
    const given = { user: "ANN", resolver: "default", email: "new@example.org", mobile: "0170 7" };
    expect((await change(it, given)).value).toBe(true);
    expect(await listed(it)).toMatchObject([
      { ...ANN, userid: it.id, email: "new@example.org", phone: "0170 7", mobile: "0170 7" },
    ]);
    expect((await change(it, { username: "ann", surname: "Roe" }, "/user")).value).toBe(true);
    expect(await listed(it)).toMatchObject([{ givenname: "Ann", surname: "Roe", phone: "0170 7" }]);
    expect((await change(it, { username: "ann" })).value).toBe(true);
    expect((await change(it, { username: "ann", email: "", phone: "", surname: "" })).value).toBe(true);
    expect(await listed(it)).toMatchObject([{ email: "", phone: "", surname: "", givenname: "Ann" }]);
  });

  test("finds the user by the new address", async () => {
    await using it = await started();
    await change(it, { user: "ann", email: "New@Example.org" });
    const { value } = await it.request("GET", "/user/", { query: { email: "new@example.*" } });
    expect(value).toMatchObject([{ username: "ann" }]);
  });

  test("is false for an unknown user or realm, and changes no one", async () => {
    await using it = await started();
    for (const name of [{ user: "bea" }, { user: "ann", realm: "staff" }])
      expect((await change(it, { ...name, email: "x@example.org" })).value).toBe(false);
    expect(await listed(it)).toMatchObject([{ email: ANN.email }]);
  });

  test.each([
    [{}, "Missing parameter: username"],
    [{ user: "ann", username: "bea" }, "user: differs from username"],
    [{ user: "ann", realm: "a", resolver: "b" }, "resolver: differs from realm"],
    [{ user: "ann", phone: "1", mobile: "2" }, "mobile: differs from phone"],
    [{ user: "ann", email: "ann" }, "email: expected one address"],
    [{ user: "ann", phone: "call me" }, "phone: expected a phone number"],
    [{ user: "ann", certificate: "x" }, "certificate"],
  ])("rejects %j", async (json, problem) => {
    await using it = await started();
    const { status, error } = await change(it, json);
    expect([status, error?.code]).toEqual([400, 905]);
    expect(error?.message).toContain(problem);
    expect(await listed(it)).toMatchObject([{ email: ANN.email, phone: ANN.phone }]);
  });

  test("codes go to the new address at once", async () => {
    await using it = await startedTokens();
    const serial = await it.enroll();
    await change(it, { user: "ann", email: "moved@example.org" });
    expect(transactionOf(await it.trigger({ serial }))).toMatch(/./);
    expect((await it.messages()).at(-1)?.to).toMatchObject([{ address: "moved@example.org" }]);
  });
});

describe("POST /user/", () => {
  test("takes the names of privacyIDEA's documentation", async () => {
    await using it = await started();
    const json = { user: "bea", resolver: "staff", mobile: "0170 8" };
    expect((await it.request("POST", "/user/", { json })).status).toBe(200);
    expect(await listed(it, "bea")).toMatchObject([{ username: "bea", realm: "staff", phone: "0170 8" }]);
    const alike = { user: "cem", username: "CEM", realm: "staff", resolver: "Staff" };
    expect((await it.request("POST", "/user", { json: alike })).status).toBe(200);
  });
});

describe("names of other systems", () => {
  const NAMES = [
    "ida@corp.example",
    "WEST\\ulf",
    "Per Olof",
    "lars,dept",
    "ou:pia",
    "jo\u0308rg",
    "ann@default@x",
  ];

  test.each(NAMES)("%j can be used as any other", async (username) => {
    await using it = await startedTokens();
    const made = await it.post("/user/", { username, email: "x@example.org" });
    expect(made.status).toBe(200);
    expect((await it.post("/user/", { username: username.toUpperCase() })).error?.code).toBe(904);
    await it.enroll({ user: username, pin: "7" });
    expect((await it.check({ user: username, pass: "7" })).detail?.transaction_id).toBeString();
    const path = `/user/default/${encodeURIComponent(username)}`;
    expect((await it.request("DELETE", path)).value).toBe(true);
  });

  /** Whether the PIN of a person opens this name. */
  const opens = async (it: Started, named: object, pass: string) =>
    verdictOf(await it.check({ ...named, pass }))[2] === "CHALLENGE";

  test("user@realm is parted only where that realm exists", async () => {
    await using it = await startedTokens();
    for (const [username, realm, pin] of [
      ["ida@corp.example", "default", "whole"],
      ["eve@staff", "default", "hidden"],
      ["ida", "staff", "parted"],
    ] as const) {
      await it.post("/user/", { username, realm, email: "x@example.org" });
      await it.post("/token/init", { type: "email", user: username, realm, dynamic_email: true, pin });
    }
    expect(await opens(it, { user: "ida@corp.example" }, "whole")).toBe(true);
    expect(await opens(it, { user: "ida@corp.example", realm: "default" }, "whole")).toBe(true);
    expect(await opens(it, { user: "ida@corp.example@default" }, "whole")).toBe(true);
    expect(await opens(it, { user: "ida@corp.example@DEFAULT", realm: "default" }, "whole")).toBe(true);
    expect(await opens(it, { user: "IDA@Staff" }, "parted")).toBe(true);
    expect(await opens(it, { user: "ida@staff", realm: "STAFF" }, "parted")).toBe(true);
    expect(await opens(it, { user: "ida@staff", realm: "default" }, "parted")).toBe(false);
    expect(await opens(it, { user: "eve@staff" }, "hidden")).toBe(false);
    expect(await opens(it, { user: "eve@staff", realm: "default" }, "hidden")).toBe(true);
  });

  test("failures count for the person, however the name is written", async () => {
    await using it = await startedTokens();
    const forms = [
      { user: "ann" },
      { user: "ANN", realm: "default" },
      { user: "ann@Default" },
      { user: "ann@default", realm: "default" },
    ];
    for (let at = 0; at < 10; at++) await it.check({ ...forms[at % 4], pass: WRONG });
    await it.enroll({ pin: PIN });
    for (const named of forms) expect((await it.check({ ...named, pass: PIN })).status).toBe(429);
    expect((await it.check({ user: "bea", pass: WRONG })).status).toBe(200);
  });
});
