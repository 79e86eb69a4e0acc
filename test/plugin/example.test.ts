import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { testSealpost } from "sealpost/testing";
import { feedback } from "../../examples/plugins/feedback.ts";
import { notice } from "../../examples/plugins/notice.ts";
import "../../examples/plugins/notice.test.ts";
import { testOwnPlugin } from "../contract/plugin.ts";
import { testInstance } from "../fixtures/instance.ts";

const OWNER = "owner@example.org";
const GIVEN = { address: "Ann <ann@example.net>", text: "I like it" };

testOwnPlugin("feedback", {
  factory: feedback,
  options: { owner: OWNER },
  rejected: [
    [() => feedback({ owner: "nobody" }), "owner"],
    [() => feedback({ owner: OWNER, subject: "{adress}" }), "subject"],
    // @ts-expect-error misspelled
    [() => feedback({ owner: OWNER, sever: "main" }), "sever"],
  ],
  async exercise(instance) {
    await instance.request("POST", "/feedback/", { json: GIVEN, token: null });
    return [];
  },
});

describe("feedback", () => {
  test("notifies the owner, stores the feedback and emits an event", async () => {
    await using mail = await testSealpost({ plugins: [feedback({ owner: OWNER })] });
    await mail.request("/smtpserver/default", {
      json: { server: "mail.example.org", sender: "app@example.org" },
    });
    const response = await mail.request("/feedback/", { json: GIVEN });
    expect(await response.json()).toMatchObject({ result: { value: true } });
    expect(mail.sent[0]).toMatchObject({
      recipient: OWNER,
      message: { subject: "Feedback from ann@example.net" },
    });
    const listed = await mail.request("/feedback/");
    expect(await listed.json()).toMatchObject({
      result: { value: [{ address: "ann@example.net", text: "I like it" }] },
    });
  });

  test("accepts five messages an hour from one client", async () => {
    await using instance = await testInstance({ plugins: [feedback({ owner: OWNER })] });
    const give = () => instance.request("POST", "/feedback/", { json: GIVEN, token: null });
    const responses = await Promise.all(Array.from({ length: 9 }, give));
    expect(responses.filter(({ status }) => status === 200)).toHaveLength(5);
    const rejected = responses.find(({ status }) => status === 429);
    expect(rejected?.headers.get("retry-after")).toBe("3600");
    instance.clock.advance(3_600);
    expect((await give()).status).toBe(200);
  });

  test("sends through the server that an admin sets, until the setting is reset", async () => {
    await using instance = await testInstance({ plugins: [feedback({ owner: OWNER, server: "main" })] });
    for (const name of ["main", "other"]) {
      await instance.request("POST", `/smtpserver/${name}`, {
        json: { server: `${name}.example.org`, sender: "a@b.org" },
      });
    }
    const give = () => instance.request("POST", "/feedback/", { json: GIVEN });
    await give();
    await instance.request("POST", "/system/setConfig", { json: { "feedback.identifier": "other" } });
    await give();
    await instance.request("DELETE", "/system/feedback.identifier");
    await give();
    expect(instance.sent.map(({ server }) => server.host)).toEqual(
      ["main", "other", "main"].map((name) => `${name}.example.org`),
    );
  });
});

testOwnPlugin("notice", {
  factory: notice,
  options: { to: OWNER },
  rejected: [[() => notice({ to: "nobody" }), "to"]],
  async exercise(instance) {
    await instance.request("POST", "/notice", { json: { text: "Hello" } });
    return [];
  },
});

test("docs/plugins.md shows the notice plugin and its test unchanged, the plugin in at most forty lines", async () => {
  const read = (path: string) => Bun.file(join(import.meta.dir, "..", "..", path)).text();
  const example = await read("examples/plugins/notice.ts");
  for (const shown of [example, await read("examples/plugins/notice.test.ts")]) {
    expect(await read("docs/plugins.md")).toContain(`\`\`\`ts\n${shown}\`\`\``);
  }
  expect(example.trimEnd().split("\n").length).toBeLessThanOrEqual(40);
  await using mail = await testSealpost({ plugins: [notice({ to: OWNER })] });
  await mail.request("/smtpserver/default", {
    json: { server: "mail.example.org", sender: "app@example.org" },
  });
  await mail.request("/notice", { json: { text: "Hello" } });
  expect(mail.sent[0]).toMatchObject({ recipient: OWNER, message: { subject: "Notice", text: "Hello\n" } });
});
