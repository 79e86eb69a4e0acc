import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { directory } from "sealpost/plugins/directory";
import { recovery } from "sealpost/plugins/recovery";
import { registration } from "sealpost/plugins/registration";
import { commonPasswords, LIST } from "../../tools/common-passwords.ts";
import { type TestInstance, testInstance } from "../fixtures/instance.ts";
import { ANN, addUser, codeByMail, NEW_PASSWORD, passwordIs, reset } from "./recovery/fixtures/users.ts";
import { register } from "./registration/setup.ts";

const NAME = "gwendolyn";

/** Passwords of the user {@link NAME} that are rejected, with the reason. */
const REJECTED: readonly (readonly [password: string, reason: string])[] = [
  ["x", "at least 8 characters"],
  ["7 chars", "at least 8 characters"],
  // Eight code points that are four characters in NFC.
  ["e\u0301e\u0301e\u0301e\u0301", "at least 8 characters"],
  // Seven code points that are fourteen UTF-16 units.
  ["😀😁😂😃😄😅😆", "at least 8 characters"],
  ["password", "10,000 most used"],
  ["12345678", "10,000 most used"],
  ["aaaaaaaa", "10,000 most used"],
  ["IloveYou1", "10,000 most used"],
  [NAME, "the name of the user"],
  ["Gwendolyn", "the name of the user"],
];
const ALLOWED = ["8 chars!", "😀😁😂😃😄😅😆😇", `${NAME}1`, "äöüßÄÖÜẞ"];

let instance: TestInstance;
beforeAll(async () => {
  const plugins = [
    directory(),
    registration({ enabled: true }),
    recovery({ enabled: true, leastAnswerMs: 0 }),
  ];
  instance = await testInstance({ plugins });
  await instance.request("POST", "/smtpserver/default", {
    json: { server: "mail.example.org", sender: "accounts@example.org" },
  });
  await addUser(instance, ANN);
});
afterAll(() => instance[Symbol.asyncDispose]());

const person = { surname: "Lee", givenname: "Gwen", email: "gwen@example.org" };
/** One client may have three messages an hour sent to an address. */
const newAddress = () => ({ email: `gwen+${crypto.randomUUID()}@example.org` });
/** The ways to set a password over HTTP that need no code. */
const WAYS = {
  "POST /user/": (password: string) =>
    instance.request("POST", "/user/", { json: { username: NAME, password } }),
  "PUT /user/": (password: string) => instance.request("PUT", "/user/", { json: { user: NAME, password } }),
  "POST /register": async (password: string) =>
    (await register(instance, { ...person, ...newAddress(), username: NAME, password })).response,
};
type Way = keyof typeof WAYS;

describe.each(["POST /user/", "PUT /user/", "POST /register"] satisfies Way[])("%s", (way) => {
  beforeAll(async () => void (await instance.request("DELETE", `/user/default/${NAME}`)));
  if (way === "PUT /user/") beforeAll(() => addUser(instance, { username: NAME }));

  test.each(REJECTED)("rejects the password %j: %s", async (password, reason) => {
    const { status, error } = await WAYS[way](password);
    expect([status, error?.code]).toEqual([400, 905]);
    expect(error?.message).toStartWith("ERR905: Invalid parameter: password: expected ");
    expect(error?.message).toContain(reason);
  });

  test.each(ALLOWED)("accepts the password %j", async (password) => {
    if (way === "POST /user/") await instance.request("DELETE", `/user/default/${NAME}`);
    expect((await WAYS[way](password)).status).toBe(200);
  });
});

test("a registration with a rejected password uses up neither message nor attempt of client and address", async () => {
  const given = { ...person, username: "harriet", email: "harriet@example.org" };
  const options = { peer: "198.51.100.2" };
  for (let turn = 0; turn < 25; turn++)
    expect((await register(instance, { ...given, password: "password" }, options)).response.status).toBe(400);
  expect((await register(instance, { ...given, password: NEW_PASSWORD }, options)).response.status).toBe(200);
});

test("a recovery with a rejected password uses up neither the code nor an attempt", async () => {
  const code = await codeByMail(instance);
  for (const password of ["short", "password", "12345678", "Password1", "qwertyuiop", "aaaaaaaa"]) {
    const { status, error } = await reset(instance, code, { password });
    expect([status, error?.code]).toEqual([400, 905]);
  }
  expect((await reset(instance, code)).value).toBe(true);
  expect(await passwordIs(instance, NEW_PASSWORD)).toBe(true);
});

test("the list of common passwords is the one of its package", async () => {
  expect(await Bun.file(LIST).text()).toBe(await commonPasswords());
});
