import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { directory } from "sealpost/plugins/directory";
import { emailToken } from "sealpost/plugins/email-token";
import { recovery } from "sealpost/plugins/recovery";
import { registration } from "sealpost/plugins/registration";
import { smsGateway } from "sealpost/plugins/sms-gateway";
import { type TestInstance, testInstance } from "../fixtures/instance.ts";

/** The settings whose templates have a code, with the tag of the code. */
const TEMPLATES = [
  ["recovery.subject", "code"],
  ["recovery.text", "code"],
  ["register.subject", "code"],
  ["register.text", "regkey"],
  ["register.html", "code"],
  ["email.subject", "otp"],
  ["email.text", "otp"],
  ["email.html", "otp"],
  ["sms.text", "otp"],
  ["directory.subject", "code"],
  ["directory.text", "code"],
  ["directory.html", "code"],
] as const;
const OTHERS = ["register.existing_text", "directory.notice_html", "email.challenge_text"];

const plugins = (linkOrigins?: string[]) => {
  const given = linkOrigins ? { linkOrigins } : {};
  return [
    directory(given),
    smsGateway(given),
    emailToken(given),
    recovery({ ...given, text: "https://page.example.org/reset#{code}" }),
    registration(given),
  ];
};
const save = (instance: TestInstance, name: string, template: string) =>
  instance.request("POST", "/system/setConfig", { json: { [name]: template } });
const gateway = (instance: TestInstance, options: object) =>
  instance.request("POST", "/smsgateway/", {
    json: { name: "default", "option.MAILTO": "{phone}@sms.example.org", ...options },
  });
const outcome = ({ status, error }: Awaited<ReturnType<typeof save>>) => [
  status,
  error?.code,
  error?.message,
];
const ACCEPTED = [200, undefined, undefined];
const elsewhere = (name: string) => [400, 905, expect.stringContaining(`${name}: a URL with a code must`)];

describe("a URL with a code", () => {
  let instance: TestInstance;
  beforeAll(async () => {
    instance = await testInstance({
      plugins: plugins(["https://app.example.net/"]),
      baseUrl: "https://id.example.org",
    });
  });
  afterAll(() => instance[Symbol.asyncDispose]());

  test.each(TEMPLATES)("in %s leads to the base URL or an origin of the operator", async (name, code) => {
    const before = (await instance.request("GET", `/system/${name}`)).value;
    const url = (start: string) => `Please go to ${start}/reset#{${code}} now`;
    for (const evil of ["https://evil.example", "https://id.example.org@evil.example", "//evil.example"])
      expect(outcome(await save(instance, name, url(evil)))).toEqual(elsewhere(name));
    expect((await instance.request("GET", `/system/${name}`)).value).toEqual(before);
    for (const own of ["https://id.example.org", "HTTPS://ID.Example.org", "https://app.example.net"])
      expect(outcome(await save(instance, name, url(own)))).toEqual(ACCEPTED);
    for (const free of [`Your code is {${code}}`, "https://evil.example/", "", "{username}"])
      expect(outcome(await save(instance, name, free))).toEqual(ACCEPTED);
  });

  test("is found in the tags of old templates and in HTML", async () => {
    for (const name of ["email.subject", "email.text", "email.html"])
      expect((await save(instance, name, "https://evil.example/<otp>")).status).toBe(400);
    const html = '<a href="&#104;ttps://evil.example/{code}">Confirm</a>';
    for (const name of ["register.html", "directory.html"])
      expect(outcome(await save(instance, name, html))).toEqual(elsewhere(name));
  });

  test("is bound in the texts of a gateway as well", async () => {
    for (const option of ["option.SUBJECT", "option.BODY"]) {
      const evil = { [option]: "https://evil.example/?{otp}" };
      expect(outcome(await gateway(instance, evil))).toEqual(elsewhere(option));
      const free = { [option]: "TO={phone}&TEXT={otp}" };
      expect(outcome(await gateway(instance, free))).toEqual(ACCEPTED);
    }
  });

  test("is not in these templates, whose URLs are free", async () => {
    for (const name of OTHERS)
      expect(outcome(await save(instance, name, "https://docs.example.com/{username}"))).toEqual(ACCEPTED);
  });
});

test("without a base URL and origins, the error names both, and options stay in effect", async () => {
  await using instance = await testInstance({ plugins: plugins(), baseUrl: "" });
  for (const text of ["{link}", "https://id.example.org/reset#{code}"]) {
    const [status, , message] = outcome(await save(instance, "recovery.text", text));
    expect([status, message]).toEqual([
      400,
      expect.stringMatching(/recovery\.text: .*SEALPOST_BASE_URL.*linkOrigins/),
    ]);
  }
  expect(outcome(await save(instance, "recovery.text", "Code: {code}"))).toEqual(ACCEPTED);
  await instance.request("DELETE", "/system/recovery.text");
  expect((await instance.request("GET", "/system/recovery.text")).value).toBe(
    "https://page.example.org/reset#{code}",
  );
});

test("a template that was saved before goes on working", async () => {
  await using instance = await testInstance({ plugins: plugins(), baseUrl: "https://id.example.org" });
  const stored = "https://elsewhere.example/{code}";
  const { database } = instance;
  await database.commit([
    database.write.run(
      `INSERT INTO plugin_config (key, value, sealed) VALUES ('register.text', '${JSON.stringify(stored)}', '')`,
    ),
  ]);
  expect((await instance.request("GET", "/system/register.text")).value).toBe(stored);
  expect((await save(instance, "register.validtime", "600")).status).toBe(200);
});

test.each([
  "http://app.example.org",
  "https://app.example.org/path",
  "https://a@app.example.org",
  "app.example.org",
])("%s is no origin for codes", async (origin) => {
  await expect(testInstance({ plugins: plugins([origin]) })).rejects.toThrow(
    "recovery: linkOrigins.0: expected an origin such as https://id.example.org",
  );
});
