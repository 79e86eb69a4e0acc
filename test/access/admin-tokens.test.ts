import { expect, test } from "bun:test";
import { createAdminTokens } from "../../src/access/admin-tokens.ts";
import { PLATFORM as platform } from "../../src/runtime/platform.ts";

const HMAC = { name: "HMAC", hash: "SHA-256" };
const keyOf = (byte: number) =>
  crypto.subtle.importKey("raw", new Uint8Array(32).fill(byte), HMAC, false, ["sign", "verify"]);

test("a token of the old key is rejected after a renewal, also if its check was under way", async () => {
  const keys = { old: await keyOf(1), renewed: await keyOf(2) };
  let key = keys.old;
  const tokens = createAdminTokens({ key: () => key, lifetimeSeconds: 3_600, platform });
  const claims = { username: "ann", realm: "", role: "admin", rights: [], admin_id: "1", generation: 0 };
  const old = await tokens.issue(claims);
  const underWay = tokens.read(old);
  key = keys.renewed;
  await expect(tokens.read("x.y.z")).rejects.toMatchObject({ code: "bad_token" });
  await underWay;
  await expect(tokens.read(old)).rejects.toMatchObject({ code: "bad_token" });
  expect(await tokens.read(await tokens.issue(claims))).toMatchObject({ username: "ann" });
});
