import { expect, test } from "bun:test";
import { startSmtpSink } from "../fixtures/smtp/sink.ts";
import { makeTransport, sendTo, serverAt } from "./support.ts";

const sink = await startSmtpSink();
if (sink === null) console.warn("smtp-sink (Debian package postfix) is missing: it is not tried");

test.skipIf(sink === null)("smtp-sink accepts fifty parallel messages over five connections", async () => {
  await using server = sink;
  await using transport = makeTransport();
  const target = serverAt(server?.port ?? 0);
  const receipts = await Promise.all(Array.from({ length: 50 }, () => sendTo(transport, target)));
  expect(receipts.map(({ successful }) => successful)).toEqual(receipts.map(() => true));
});
