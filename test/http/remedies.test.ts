import { describe, expect, test } from "bun:test";
import { reply, type SmtpTestServerOptions, startSmtpServer } from "../../src/testing/smtp/index.ts";
import { testInstance } from "../fixtures/instance.ts";
import { makeTransport } from "../transport/support.ts";

const USERNAME = "app@example.org";
const LOGIN = { username: USERNAME, password: "right" };
const USERS = { users: { [USERNAME]: LOGIN.password } } as const;
const OUT_OF_STEP = { script: { mail: reply("500 5.5.1 Invalid command: Pipelining not supported") } };

/** Tests a definition in clear text against a server. @returns `detail.delivery`. */
async function deliveryOf(server: SmtpTestServerOptions, definition: object) {
  await using smtp = await startSmtpServer(server);
  await using instance = await testInstance({ transport: makeTransport() });
  const { detail } = await instance.request("POST", "/smtpserver/send_test_email", {
    json: {
      ...{ server: `127.0.0.1:${smtp.port}`, sender: USERNAME, recipient: "ann@example.net", timeout: 5 },
      ...definition,
    },
  });
  return detail?.delivery as { readonly hint: string; readonly remedy?: unknown } | undefined;
}

describe("the remedy after a test", () => {
  test.each<[what: string, server: SmtpTestServerOptions, definition: object, code: string, remedy: unknown]>(
    [
      [
        "is auth_mechanism if the server lists another login",
        { ...USERS, mechanisms: ["PLAIN", "LOGIN"] },
        { ...LOGIN, auth_mechanism: "cram-md5" },
        "auth_not_offered",
        { parameter: "auth_mechanism", value: "auto" },
      ],
      [
        "is auth_mechanism if the server rejects the one that is set",
        { ...USERS, mechanisms: ["PLAIN", "CRAM-MD5"], script: { auth: reply("504 5.5.4 No") } },
        { ...LOGIN, auth_mechanism: "cram-md5" },
        "auth_not_offered",
        { parameter: "auth_mechanism", value: "auto" },
      ],
      [
        "is none if the server lists no known login and no STARTTLS",
        { ...USERS, mechanisms: ["GSSAPI"] },
        { ...LOGIN, auth_mechanism: "cram-md5" },
        "auth_not_offered",
        undefined,
      ],
      [
        "is tls if no known login is listed before STARTTLS",
        { security: "starttls", ...USERS, mechanisms: ["GSSAPI"] },
        { ...LOGIN },
        "auth_not_offered",
        { parameter: "tls", value: true },
      ],
      [
        "is tls if the server requires TLS and offers it",
        { security: "starttls", script: { mail: reply("550 5.7.1 This server requires TLS") } },
        {},
        "tls_required",
        { parameter: "tls", value: true },
      ],
      [
        "is tls if the server requires TLS, although it lists no STARTTLS",
        { script: { mail: reply("550 5.7.1 This server requires TLS") } },
        {},
        "tls_required",
        { parameter: "tls", value: true },
      ],
      [
        "is the password if it is empty",
        USERS,
        { ...LOGIN, password: "" },
        "auth_rejected",
        { parameter: "password", value: null },
      ],
      [
        "is pipelining if the server lists it and rejects the commands",
        OUT_OF_STEP,
        {},
        "protocol",
        { parameter: "pipelining", value: "off" },
      ],
      ["is none if pipelining is off", OUT_OF_STEP, { pipelining: "off" }, "protocol", undefined],
      [
        "is none if the server lists no PIPELINING",
        { ...OUT_OF_STEP, extensions: [] },
        {},
        "protocol",
        undefined,
      ],
      [
        "is none for a check, which is not pipelined",
        OUT_OF_STEP,
        { until: "recipient" },
        "protocol",
        undefined,
      ],
    ],
  )("%s", async (_, server, definition, code, remedy) => {
    const delivery = await deliveryOf(server, definition);
    expect(delivery).toMatchObject({ code, outcome: "not-sent", retryable: false });
    expect(delivery?.remedy).toEqual(remedy);
  });

  test("comes without the claim that an empty password was rejected", async () => {
    const delivery = await deliveryOf(USERS, { ...LOGIN, password: "" });
    expect(delivery?.hint).toContain("password is empty");
  });
});
