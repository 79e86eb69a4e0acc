import type { MessageIdentity, NormalizedMessage } from "../src/domain/message.ts";
import { assemble, protectHeaders } from "../src/message/assemble.ts";
import { compose } from "../src/message/compose.ts";
import { SIGNING_ALGORITHMS } from "../src/smime/algorithms.ts";
import { inspectIdentity, type SigningIdentity } from "../src/smime/identity.ts";
import { prepareSigner, type Signer, signEntity } from "../src/smime/sign.ts";
import { NOW, SENDER, sender } from "../test/fixtures/smime/authority.ts";
import { type BenchResult, median, print } from "./result.ts";

/** Upper bound of the cost of a signed message, in bare private key operations. */
const LIMIT = 1.6;
const WARM_UP_MAILS = 300;
const MAILS = 1000;
/** About the length of the attributes that `signDetached()` signs. */
const ATTRIBUTES_BYTES = 300;

const MESSAGE: NormalizedMessage = {
  to: [{ name: "Jörg Müller", address: "joerg.mueller@example.net" }],
  subject: "Your one-time password",
  text: "Your one-time password is 123456.\nIt is valid for five minutes.\n",
};
const IDENTITY: MessageIdentity = {
  from: { name: "Example", address: SENDER },
  date: NOW,
  messageId: "<0123456789abcdef@example.org>",
  boundary: "0123456789abcdef",
};

/** A signed one-time-password mail with a cached RSA-2048 key, from message to bytes, against the bare operation. */
export async function benchSign(): Promise<BenchResult> {
  const identity = await openSender();
  const signer = await prepareSigner(identity);
  const bare: number[] = [];
  const whole: number[] = [];
  for (let i = 0; i < WARM_UP_MAILS + MAILS; i++) {
    // Alternating, so that a busy machine slows both.
    const [bareMs, wholeMs] = [await timed(() => signBare(identity)), await timed(() => signMail(signer))];
    if (i < WARM_UP_MAILS) continue;
    bare.push(bareMs);
    whole.push(wholeMs);
  }
  const [bareMs, wholeMs] = [median(bare), median(whole)];
  return {
    name: "signed message, RSA-2048, against one private key operation",
    ratio: wholeMs / bareMs,
    limit: LIMIT,
    better: "lower",
    detail: `message ${wholeMs.toFixed(3)} ms, bare operation ${bareMs.toFixed(3)} ms`,
  };
}

async function openSender(): Promise<SigningIdentity> {
  const { key, certificate, intermediate } = await sender("rsa");
  const chain = certificate + intermediate.certificate;
  const opened = await inspectIdentity({ privateKey: key, passphrase: "", certificate: chain, now: NOW });
  if (opened.identity === null) throw new Error(opened.problems.map(({ reason }) => reason).join(", "));
  return opened.identity;
}

async function signBare({ algorithm, key }: SigningIdentity): Promise<void> {
  await crypto.subtle.sign(SIGNING_ALGORITHMS[algorithm].signParams, key, new Uint8Array(ATTRIBUTES_BYTES));
}

async function signMail(signer: Signer): Promise<void> {
  const composed = await compose(MESSAGE, IDENTITY);
  const entity = await signEntity(protectHeaders(composed), signer, {
    date: IDENTITY.date,
    boundary: IDENTITY.boundary,
  });
  assemble(composed.headers, entity);
}

async function timed(action: () => Promise<void>): Promise<number> {
  const start = performance.now();
  await action();
  return performance.now() - start;
}

if (import.meta.main) print(await benchSign());
