import { expect, test } from "bun:test";
import { testPlugin } from "sealpost/testing";
import { notice } from "./notice.ts";

test("notice keeps the contract of plugins, and sends with few round trips", async () => {
  const { problems, roundTrips } = await testPlugin(
    notice,
    { to: "ops@example.org" },
    {
      async exercise(mail) {
        const definition = { server: "mail.example.org", sender: "app@example.org" };
        await mail.request("/smtpserver/default", { json: definition });
        for (const text of ["Hello", "Hello again"]) await mail.request("/notice", { json: { text } });
        expect(mail.sent[0]?.message.subject).toBe("Notice");
      },
    },
  );
  expect(problems).toEqual([]);
  expect(roundTrips["POST /notice"]).toEqual({ reads: 1, commits: 1 });
});
