import { describe, expect, test } from "bun:test";
import type { MailApi } from "../../../src/domain/smtp-server.ts";
import { type Reaction, startHttpServer } from "../../fixtures/http/server.ts";
import { never } from "../support.ts";
import { apiTransport, graphError, SERVERS, sesError } from "./support.ts";

describe("a check of a mail API", () => {
  const check = async (api: MailApi, until: "connect" | "tls" | "auth", reaction: Reaction) => {
    await using server = await startHttpServer(() => reaction);
    await using transport = apiTransport();
    const envelope = { poolKey: null, from: "", recipient: "postmaster", bytes: new Uint8Array([13, 10]) };
    const receipt = await transport.send(
      { server: SERVERS[api](server), ...envelope },
      { signal: never, until },
    );
    return { receipt, requests: server.requests };
  };

  test.each(["connect", "tls"] as const)("until %s opens a connection and writes nothing", async (until) => {
    const { receipt, requests } = await check("graph", until, { status: 500 });
    expect(receipt).toMatchObject({ successful: true, reached: until, reply: null });
    expect(receipt.timingMs.oauth).toBeUndefined();
    expect(requests).toEqual([]);
  });

  test("until auth asks for what a valid login may be denied", async () => {
    const denied = await check("graph", "auth", graphError(403, "Authorization_RequestDenied"));
    expect(denied.receipt).toMatchObject({ successful: true, reached: "auth", reply: { code: 403 } });
    expect(denied.requests[0]).toMatchObject({ method: "GET", body: Buffer.alloc(0) });
    const ses = await check("ses", "auth", sesError(403, "AccessDeniedException"));
    expect(ses.receipt).toMatchObject({ successful: true, reached: "auth" });
    expect(ses.requests[0]).toMatchObject({ method: "GET", path: "/v2/email/account" });
  });

  test("until auth fails for a wrong login, another API and a lost response", async () => {
    const failureOf = async (api: MailApi, reaction: Reaction) => {
      const { receipt } = await check(api, "auth", reaction);
      return receipt.successful ? null : receipt.failure;
    };
    const auth = { phase: "auth", outcome: "not-sent" } as const;
    const token = await failureOf("graph", graphError(401, "InvalidAuthenticationToken"));
    expect(token).toMatchObject({ ...auth, code: "auth_rejected" });
    const key = await failureOf("ses", sesError(403, "SignatureDoesNotMatch"));
    expect(key).toMatchObject({ ...auth, code: "auth_rejected" });
    expect(await failureOf("ses", { status: 404, body: "<html>" })).toMatchObject({
      ...auth,
      code: "protocol",
    });
    for (const api of ["graph", "ses"] as const) {
      const page = await failureOf(api, { status: 200, body: "<html>Welcome" });
      expect(page).toMatchObject({ ...auth, code: "protocol" });
      const lost = await failureOf(api, { status: 504 });
      expect(lost).toMatchObject({ ...auth, code: "timeout" });
    }
    expect(await failureOf("ses", "hang-up")).toMatchObject({ ...auth, code: "closed" });
  });
});
