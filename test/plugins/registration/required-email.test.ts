import { describe, expect, test } from "bun:test";
import * as v from "valibot";
import { isEmailAllowed, requiredEmail } from "../../../plugins/registration/required-email.ts";
import { ANN, register, started } from "./setup.ts";

describe("isEmailAllowed()", () => {
  test.each([
    ["", "ann@example.org", true],
    ["example.org", "ann@example.org", true],
    ["example.org", "Ann@EXAMPLE.org", true],
    ["EXAMPLE.org", "ann@example.org", true],
    ["example.org", "ann@example.org.evil.example", false],
    ["example.org", "ann@evilexample.org", false],
    ["example.org", "ann@mail.example.org", false],
    ["*.example.org", "ann@mail.example.org", true],
    ["*.example.org", "ann@example.org", false],
    ["*.example.org", "ann@evilexample.org", false],
    ["*@example.org", "ann@example.org", true],
    ["ann-*@example.org", "ann-x@example.org", true],
    ["ann-*@example.org", "x-ann-x@example.org", false],
    ["ann@example.org", "ann@example.org", true],
    ["ann@example.org", "bann@example.org", false],
    ["a?n@example.org", "ann@example.org", true],
    ["example.com, example.org", "ann@example.org", true],
    ["example.com example.org", "ann@example.net", false],
    ["example.org, !bob@example.org", "bob@example.org", false],
    ["example.org, !bob@example.org", "ann@example.org", true],
    ["bücher.example", "ann@xn--bcher-kva.example", true],
  ])("%p: %s is %p", (patterns, email, allowed) => {
    expect(v.is(requiredEmail, patterns)).toBe(true);
    expect(isEmailAllowed(patterns, email)).toBe(allowed);
  });

  test("is fast even for patterns and addresses designed to be slow", () => {
    const patterns = `${"*a".repeat(30)}@example.org`;
    const startedMs = performance.now();
    for (let index = 0; index < 100; index++) isEmailAllowed(patterns, `${"a".repeat(64)}@example.com`);
    expect(performance.now() - startedMs).toBeLessThan(500);
  });
});

test.each([
  "/.*@example\\.org/",
  ".*@example.org",
  "*@*",
  "*",
  "*example.org",
  "a@b@c",
  "^example.org$",
  "(a|b).org",
])("requiredEmail rejects %p", (patterns) => {
  expect(v.is(requiredEmail, patterns)).toBe(false);
});

test("POST /register rejects other addresses with 402, whether the name is taken or not", async () => {
  await using instance = await started({ requiredEmail: "example.org" });
  await instance.request("POST", "/user/", { json: ANN });
  for (const username of ["ann", "bea"]) {
    const { response } = await register(instance, { ...ANN, username, email: "x@example.org.evil.example" });
    expect([response.status, response.error]).toEqual([
      400,
      { code: 402, message: "ERR402: This email address is not allowed to register" },
    ]);
  }
  const json = { "register.requiredemail": "/.*@example.org/" };
  const { error } = await instance.request("POST", "/system/setConfig", { json });
  expect([error?.code, error?.message]).toEqual([905, expect.stringContaining("no regular expressions")]);
});
