import { expect, test } from "bun:test";
import { PIN, type Started, started, transactionOf, verdictOf } from "./support.ts";

async function listed(it: Started, serial: string) {
  const { value } = await it.request("GET", "/token/", { query: { serial } });
  return (value as { tokens: Record<string, unknown>[] }).tokens[0];
}

test.each([
  ["active = 0", { active: false }],
  ["revoked = 1", { revoked: true }],
  ["rollout_state = 'verify'", { rollout_state: "verify" }],
])("a token with %s gets no code, opens nothing, and its open code is void", async (change, shown) => {
  await using it = await started();
  const serial = await it.enroll({ pin: PIN });
  const transaction_id = transactionOf(await it.check({ user: "ann", pass: PIN }));
  const pass = await it.code();
  await it.database.commit([it.database.write.run(`UPDATE email_token_token SET ${change}, sent_at = 0`)]);
  const usable = { active: true, revoked: false, rollout_state: "" };
  expect(await listed(it, serial)).toMatchObject({ ...usable, ...shown });
  for (const named of [{ user: "ann" }, { serial }]) {
    expect(verdictOf(await it.check({ ...named, transaction_id, pass }))).toEqual([200, false, "REJECT"]);
    expect(verdictOf(await it.check({ ...named, pass: PIN }))).toEqual([200, false, "REJECT"]);
    expect(verdictOf(await it.trigger(named))).toEqual([200, 0, "REJECT"]);
  }
  expect(it.sent).toHaveLength(1);
});

test("an unusable token does not keep the user's others from working", async () => {
  await using it = await started();
  const serial = await it.enroll({ pin: PIN });
  const other = await it.enroll({ pin: PIN });
  await it.database.commit([
    it.database.write.run(`UPDATE email_token_token SET active = 0 WHERE serial = '${serial}'`),
  ]);
  const asked = await it.check({ user: "ann", pass: PIN });
  expect(asked.detail?.multi_challenge).toHaveLength(1);
  expect(asked.detail?.serial).toBe(other);
});
