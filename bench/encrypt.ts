import { createEncryption } from "../src/mail/encryption.ts";
import { assemble, concealHeaders } from "../src/message/assemble.ts";
import { compose } from "../src/message/compose.ts";
import { realRandomBytes } from "../test/fixtures/instance.ts";
import { NOW, SENDER } from "../test/fixtures/smime/authority.ts";
import { recipient } from "../test/fixtures/smime/recipient.ts";
import { type BenchResult, median, print } from "./result.ts";

/** Upper bound of what encryption adds to a message for one recipient. */
const LIMIT_MS = 0.3;
const WARM_UP_MAILS = 300;
const MAILS = 1000;
const ADDRESS = "joerg.mueller@example.net";

/** The encryption of a one-time-password mail to a certificate that was parsed before: found, wrapped and encrypted. */
export async function benchEncrypt(kind: "rsa" | "p256"): Promise<BenchResult> {
  const { certificate } = await recipient(kind, ADDRESS);
  const platform = { now: () => NOW, randomBytes: realRandomBytes };
  const encryption = createEncryption({ platform, certificatesOf: async () => "" });
  const composed = await compose(
    {
      to: [{ name: "Jörg Müller", address: ADDRESS }],
      subject: "Your one-time password",
      text: "Your one-time password is 123456.\nIt is valid for five minutes.\n",
    },
    {
      from: { name: "Example", address: SENDER },
      date: NOW,
      messageId: "<1@example.org>",
      boundary: "b0123",
    },
  );
  const { headers, entity } = concealHeaders(composed);
  const message = assemble(headers, entity);
  const times: number[] = [];
  for (let i = 0; i < WARM_UP_MAILS + MAILS; i++) {
    const startMs = performance.now();
    const { certificates } = await encryption.find([ADDRESS], { [ADDRESS]: certificate });
    await encryption.encrypt(message, certificates[ADDRESS] ?? "");
    if (i >= WARM_UP_MAILS) times.push(performance.now() - startMs);
  }
  const ms = median(times);
  return {
    name: `encryption to one recipient, ${kind}, against ${LIMIT_MS} ms`,
    ratio: ms / LIMIT_MS,
    limit: 1,
    better: "lower",
    detail: `${ms.toFixed(3)} ms`,
  };
}

if (import.meta.main) for (const kind of ["rsa", "p256"] as const) print(await benchEncrypt(kind));
