import { describe, expect, test } from "bun:test";
import { definePlugin } from "sealpost/plugin";
import * as v from "valibot";
import { feedback } from "../../examples/plugins/feedback.ts";
import { notice } from "../../examples/plugins/notice.ts";
import { testInstance } from "../fixtures/instance.ts";

const OWNER = "owner@example.org";
const save = { json: { server: "mail.example.org", sender: "a@b.org" } };
/** A plugin that names its servers outside of settings. */
const tabled = definePlugin({
  name: "tabled",
  options: v.object({}),
  setup: () => ({ servers: async () => ["main", "spare"] }),
});

describe("GET /plugins/", () => {
  test("lists plugins with their routes and the definitions that they use", async () => {
    const plugins = [feedback({ owner: OWNER, server: ["main", "gone"] }), notice({ to: OWNER }), tabled()];
    await using instance = await testInstance({ plugins });
    await instance.request("POST", "/smtpserver/main", save);
    const { value } = await instance.request("GET", "/plugins/");
    expect(value).toEqual([
      {
        name: "feedback",
        routes: ["POST /feedback/", "GET /feedback/"],
        actions: ["feedback_read"],
        config: ["feedback.identifier", "feedback.subject"],
        settings: [
          {
            name: "feedback.identifier",
            description: "SMTP servers",
            secret: false,
            default: ["main", "gone"],
          },
          {
            name: "feedback.subject",
            description: "Subject of the mail",
            secret: false,
            default: "Feedback from {address}",
          },
        ],
        events: ["feedback_given"],
        servers: [
          { identifier: "main", exists: true },
          { identifier: "gone", exists: false },
        ],
      },
      {
        name: "notice",
        routes: ["POST /notice"],
        actions: ["notice_send"],
        config: ["notice.identifier"],
        settings: [
          {
            name: "notice.identifier",
            description: "SMTP servers",
            secret: false,
            default: [],
          },
        ],
        events: [],
        servers: [{ identifier: "default", exists: false }],
      },
      {
        name: "tabled",
        routes: [],
        actions: [],
        config: [],
        settings: [],
        events: [],
        servers: [
          { identifier: "main", exists: true },
          { identifier: "spare", exists: false },
        ],
      },
    ]);
    expect((await instance.request("GET", "/plugins")).value).toEqual(value);
  });

  test("is empty without plugins", async () => {
    await using instance = await testInstance();
    expect((await instance.request("GET", "/plugins/")).value).toEqual([]);
  });
});

describe("DELETE /smtpserver/<identifier>", () => {
  test("names the plugins that send through it, and returns the same value", async () => {
    await using instance = await testInstance({ plugins: [notice({ to: OWNER, server: "main" }), tabled()] });
    for (const name of ["main", "other"]) await instance.request("POST", `/smtpserver/${name}`, save);
    const remove = async (name: string) => {
      const { value, detail } = await instance.request("DELETE", `/smtpserver/${name}`);
      return [value, detail];
    };
    expect(await remove("main")).toEqual([true, { used_by: ["notice", "tabled"] }]);
    expect(await remove("main")).toEqual([false, { used_by: ["notice", "tabled"] }]);
    expect(await remove("other")).toEqual([true, undefined]);
  });
});
