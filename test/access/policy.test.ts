import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { decide, rightsOf } from "../../src/access/authorization.ts";
import { hasPolicyWriter } from "../../src/access/commit-change.ts";
import type { Admin } from "../../src/domain/admin.ts";
import type { Policy, PolicyContext } from "../../src/domain/policy.ts";

const ALICE: PolicyContext = {
  username: "alice",
  realm: "",
  client: "192.0.2.1",
  now: new Date("2026-06-01T12:00:00Z"),
};
const policy = (change: Partial<Policy> = {}): Policy => ({
  ...{ id: 1, name: "p", scope: "admin", action: { smtpserver_read: true }, adminuser: [], adminrealm: [] },
  ...{ client: [], time: "", active: true, priority: 1, description: "" },
  ...change,
});
const allowed = (change: Partial<Policy>, action = "smtpserver_read", context: Partial<PolicyContext> = {}) =>
  decide([policy(change)], action, { ...ALICE, ...context }).allowed;

describe("decide()", () => {
  test("allows everything while no policy is active", () => {
    expect(decide([], "policywrite", ALICE)).toEqual({ allowed: true, policies: [] });
    expect(allowed({ active: false }, "policywrite")).toBe(true);
  });

  test("allows only what an active policy grants", () => {
    expect(allowed({})).toBe(true);
    expect(allowed({}, "smtpserver_write")).toBe(false);
    expect(allowed({ adminuser: ["bob"] })).toBe(false);
  });

  test("does not treat the right to write as the right to read", () => {
    expect(allowed({ action: { smtpserver_write: true } })).toBe(false);
  });

  test("returns the names of the matching policies in order", () => {
    const policies = [
      policy({ name: "a" }),
      policy({ name: "b", adminuser: ["bob"] }),
      policy({ name: "c" }),
    ];
    expect(decide(policies, "smtpserver_read", ALICE).policies).toEqual(["a", "c"]);
  });

  test.each<[name: string, change: Partial<Policy>, context: Partial<PolicyContext>, allowed: boolean]>([
    ["all rights", { action: { "*": true } }, {}, true],
    ["the right excluded", { action: { "*": true, "!smtpserver_read": true } }, {}, false],
    ["another right excluded", { action: { "*": true, "!auditlog": true } }, {}, true],
    ["only an exclusion", { action: { "!auditlog": true } }, {}, false],
    ["no right", { action: {} }, {}, false],
    ["the admin", { adminuser: ["alice"] }, {}, true],
    ["a wildcard", { adminuser: ["al?c*"] }, {}, true],
    ["all but the admin", { adminuser: ["*", "!alice"] }, {}, false],
    ["only a negation", { adminuser: ["!bob"] }, {}, false],
    ["a realm, for a local admin", { adminrealm: ["staff"] }, {}, false],
    ["a realm", { adminrealm: ["staff"] }, { realm: "staff" }, true],
    ["any realm", { adminrealm: ["*"] }, {}, true],
    ["the client", { client: ["192.0.2.1"] }, {}, true],
    ["the client's block", { client: ["192.0.2.0/24"] }, {}, true],
    ["the client as IPv4-mapped", { client: ["192.0.2.0/24"] }, { client: "::ffff:192.0.2.1" }, true],
    ["another client", { client: ["198.51.100.0/24"] }, {}, false],
    ["a block without the client", { client: ["192.0.2.0/24", "!192.0.2.1"] }, {}, false],
    ["a block without the client, with -", { client: ["192.0.2.0/24", "-192.0.2.1"] }, {}, false],
    ["the exclusion first", { client: ["!192.0.2.1", "192.0.2.0/24"] }, {}, false],
    ["only an excluded client", { client: ["!198.51.100.1"] }, {}, false],
    ["an unknown client", { client: ["0.0.0.0/0", "::/0"] }, { client: null }, false],
    ["an unknown client and no client condition", {}, { client: null }, true],
    ["the time", { time: "Mon: 11-13" }, {}, true],
    ["another time", { time: "Tue: 11-13" }, {}, false],
    ["an invalid time", { time: "whenever" }, {}, false],
  ])("with %s", (_, change, context, expected) => {
    expect(allowed(change, "smtpserver_read", context)).toBe(expected);
  });

  const names = ["alice", "bob"];
  const actions = ["smtpserver_read", "smtpserver_write"];
  const entries = fc.uniqueArray(fc.constantFrom("alice", "bob", "*", "!alice", "!bob"), { maxLength: 3 });
  const clients = fc.uniqueArray(fc.constantFrom("192.0.2.1", "192.0.2.0/24", "!192.0.2.1", "-192.0.2.2"), {
    maxLength: 3,
  });
  const granted = fc.uniqueArray(fc.constantFrom(...actions, "*", "!smtpserver_write"), { maxLength: 3 });
  const anyPolicy = fc.record({ adminuser: entries, client: clients, action: granted, active: fc.boolean() });

  /** The rules of the contract, one by one, for the few values above. */
  function model(
    policies: readonly { adminuser: string[]; client: string[]; action: string[]; active: boolean }[],
  ) {
    const listed = (list: string[], value: string, empty: boolean) =>
      list.length === 0 ? empty : (list.includes(value) || list.includes("*")) && !list.includes(`!${value}`);
    const fromClient = (list: string[], client: string) => {
      if (list.length === 0) return true;
      const inside = list.includes("192.0.2.0/24") || list.includes(client);
      return inside && !list.includes(`!${client}`) && !list.includes(`-${client}`);
    };
    const active = policies.filter((one) => one.active);
    return (name: string, client: string, action: string) =>
      active.length === 0 ||
      active.some(
        (one) =>
          listed(one.action, action, false) &&
          listed(one.adminuser, name, true) &&
          fromClient(one.client, client),
      );
  }

  test("agrees with a model of the contract", () => {
    const client = fc.constantFrom("192.0.2.1", "192.0.2.2", "192.0.2.3");
    const asked = fc.record({ name: fc.constantFrom(...names), client, action: fc.constantFrom(...actions) });
    fc.assert(
      fc.property(fc.array(anyPolicy, { maxLength: 4 }), asked, (drawn, { name, client, action }) => {
        const policies = drawn.map(({ action: list, ...rest }) =>
          policy({ ...rest, action: Object.fromEntries(list.map((entry) => [entry, true])) }),
        );
        const { allowed } = decide(policies, action, { ...ALICE, username: name, client });
        expect(allowed).toBe(model(drawn)(name, client, action));
      }),
      { numRuns: 3_000 },
    );
  });
});

test("rightsOf() lists the rights that decide() allows", () => {
  const all = ["smtpserver_read", "smtpserver_write", "auditlog"];
  expect(rightsOf([], all, ALICE)).toEqual(all);
  expect(rightsOf([policy()], all, ALICE)).toEqual(["smtpserver_read"]);
});

describe("hasPolicyWriter()", () => {
  const admin = (change: Partial<Admin> = {}): Admin => ({
    ...{ id: "1", username: "alice", realm: "", passwordHash: "", enabled: true, generation: 1 },
    ...change,
  });
  const all: Partial<Policy> = { action: { policywrite: true } };

  test.each<[name: string, policies: Partial<Policy>[], admins: Partial<Admin>[], expected: boolean]>([
    ["no policy and an admin", [], [{}], true],
    ["no policy and no enabled admin", [], [{ enabled: false }], false],
    ["only inactive policies", [{ active: false }], [{}], true],
    ["a policy without policywrite", [{}], [{}], false],
    ["a policy with policywrite", [all], [{}], true],
    ["one for another admin", [{ ...all, adminuser: ["bob"] }], [{}], false],
    [
      "one for a disabled admin",
      [{ ...all, adminuser: ["bob"] }],
      [{}, { username: "bob", enabled: false }],
      false,
    ],
    ["one bound to a client", [{ ...all, client: ["192.0.2.1"] }], [{}], false],
    ["one bound to a time", [{ ...all, time: "Mon: 8-9" }], [{}], false],
    [
      "one bound to a client next to an unconditional one",
      [{ ...all, client: ["192.0.2.1"] }, all],
      [{}],
      true,
    ],
    ["policywrite excluded from all", [{ action: { "*": true, "!policywrite": true } }], [{}], false],
  ])("with %s", (_, policies, admins, expected) => {
    const state = { policies: policies.map(policy), admins: admins.map(admin) };
    expect(hasPolicyWriter(state)).toBe(expected);
  });
});
