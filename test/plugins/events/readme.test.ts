import { expect, test } from "bun:test";
import { Webhook } from "standardwebhooks";
import { startHttpServer } from "../../fixtures/http/server.ts";
import { TEST_MS } from "../../fixtures/process/child.ts";
import { MISSING, startReadmeExamples } from "../../fixtures/readme-examples.ts";

if (MISSING.length > 0) console.warn(`Skipped: the example of the README; not installed: ${MISSING}`);

test.skipIf(MISSING.length > 0)(
  "the README's example sends a message",
  async () => {
    await using examples = await startReadmeExamples("events");
    while (examples.commands.length > 0) expect((await examples.next()).result.status).toBe(true);
    const { subject, text } = await examples.mail(0);
    expect([subject, text?.trim()]).toEqual(["Welcome, Ann", "Your account is ann."]);
  },
  TEST_MS,
);

test.skipIf(MISSING.length > 0)(
  "the README's example of a webhook posts an event",
  async () => {
    await using receiver = await startHttpServer(() => ({ status: 204 }));
    await using examples = await startReadmeExamples("events", "## Webhooks");
    const secret = `whsec_${new Uint8Array(32).fill(7).toBase64()}`;
    const variables = { SECRET: secret, HOOK_URL: `${receiver.origin}/hook` };
    expect((await examples.next(variables)).result.value).toBe(1);
    const user =
      'curl -s localhost:8080/user/ -H "Authorization: $TOKEN" -d username=ann -d email=ann@example.org';
    examples.commands.unshift(user.replace("localhost:8080", examples.url));
    expect((await examples.next()).result.status).toBe(true);
    while (receiver.requests.length === 0) await Bun.sleep(20);
    const { headers = {}, body = "" } = receiver.requests[0] ?? {};
    expect(new Webhook(secret).verify(String(body), headers)).toMatchObject({ type: "user_add" });
    expect(headers["x-team"]).toBe("ops");
    expect((await examples.next()).result.value).toMatchObject({
      count: 1,
      webhooks: [{ event: "user_add" }],
    });
  },
  TEST_MS,
);
