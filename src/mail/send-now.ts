import { notSent } from "../domain/delivery.ts";
import { recipientsOf } from "../domain/message.ts";
import type { ResolvedServer } from "../domain/smtp-server.ts";
import type { Build, SmimeResult } from "./build.ts";
import type { Circuit } from "./circuit.ts";
import type { Deliver, RecipientResult } from "./deliver.ts";
import { failsOver } from "./queue/after-attempt.ts";
import type { Outgoing, SkippedServer, SubmitResult } from "./submit.ts";

/** @param candidates the first is used; one after it only where those before are at fault. */
export type SendNow = (
  candidates: readonly (string | ResolvedServer)[],
  mail: Outgoing,
) => Promise<Exclude<SubmitResult, { state: "queued" }>>;

/** One way that a mail may take, and what came of it. */
interface ServerResult {
  readonly identifier: string;
  readonly recipients: readonly RecipientResult[];
  readonly smime: SmimeResult;
  /** Null: the recipients tell. */
  readonly failure: Extract<SubmitResult, { state: "failed" }>["failure"] | null;
}

/**
 * Creates the inline sender. Recipients that a server or its definition could not reach go to the next one. After an
 * unknown outcome there is no failover.
 */
export function createSendNow(parts: {
  readonly loadServer: (identifier: string) => Promise<ResolvedServer | null>;
  readonly build: Build;
  readonly deliver: Deliver;
  readonly circuit: Circuit;
}): SendNow {
  const { loadServer, build, deliver, circuit } = parts;

  async function pass(
    candidate: string | ResolvedServer,
    to: readonly string[],
    { message, identity, options }: Outgoing,
  ): Promise<ServerResult> {
    const server = typeof candidate === "string" ? await loadServer(candidate) : candidate;
    const identifier = typeof candidate === "string" ? candidate : candidate.identifier;
    if (server === null) return nowhere(identifier, notSent("policy", "server_unknown"));
    const built = await build(server, message, identity);
    if (built.failure) return nowhere(identifier, built.failure, built.smime);
    const { from, bytes, smime } = built;
    // The signal is made here: on Workers it belongs to the request that made it.
    const { signal = new AbortController().signal } = options;
    const recipients = await deliver({ server, from, recipients: to, bytes }, { signal });
    if (server.poolKey !== null) await Promise.all(recipients.map((one) => note(identifier, one)));
    return { identifier, recipients, smime, failure: null };
  }

  async function note(identifier: string, { receipt }: RecipientResult): Promise<void> {
    await circuit.observe(identifier, receipt.successful ? null : receipt.failure);
  }

  return async (candidates, mail) => {
    const skipped: SkippedServer[] = [];
    const reached: RecipientResult[] = [];
    let to = recipientsOf(mail.message);
    for (const [at, candidate] of candidates.entries()) {
      const isLast = at === candidates.length - 1;
      const identifier = typeof candidate === "string" ? candidate : candidate.identifier;
      const open = isLast ? null : await circuit.openFor(identifier);
      if (open !== null) {
        skipped.push({ identifier, code: open });
        continue;
      }
      const passage = await pass(candidate, to, mail);
      const missed = isLast ? [] : missedBy(passage, to);
      const [first] = missed;
      if (first === undefined) return summarize(passage, reached, skipped);
      skipped.push({ identifier: passage.identifier, code: first.code });
      to = missed.map(({ address }) => address);
      reached.push(...passage.recipients.filter(({ recipient }) => !to.includes(recipient)));
    }
    return summarize(nowhere("", notSent("policy", "server_unknown")), reached, skipped);
  };
}

function nowhere(
  identifier: string,
  failure: NonNullable<ServerResult["failure"]>,
  smime: SmimeResult = null,
): ServerResult {
  return { identifier, recipients: [], smime, failure };
}

/** The recipients that another server may reach. */
function missedBy({ failure, recipients }: ServerResult, to: readonly string[]) {
  if (failure) return failsOver(failure) ? to.map((address) => ({ address, code: failure.code })) : [];
  return recipients.flatMap(({ recipient, receipt }) =>
    receipt.successful || !failsOver(receipt.failure)
      ? []
      : [{ address: recipient, code: receipt.failure.code }],
  );
}

function summarize(
  { identifier, smime, recipients: last, failure }: ServerResult,
  before: readonly RecipientResult[],
  skipped: readonly SkippedServer[],
): Awaited<ReturnType<SendNow>> {
  const recipients = [...before, ...last];
  const said = { identifier, recipients, smime, skipped };
  if (failure) return { state: "failed", failure, ...said };
  for (const { receipt } of recipients) {
    if (!receipt.successful) return { state: "failed", failure: receipt.failure, ...said };
  }
  return { state: "delivered", ...said };
}
