import { getLogger } from "@logtape/logtape";
import { type Failure, notSent } from "../domain/delivery.ts";
import { recipientsOf } from "../domain/mailbox.ts";
import type { ResolvedServer } from "../domain/smtp-server.ts";
import type { Meter } from "../telemetry/meter.ts";
import type { Build, SmimeResult } from "./build.ts";
import type { Circuit } from "./circuit.ts";
import type { Deliver, RecipientResult } from "./deliver.ts";
import { countInline } from "./measure.ts";
import { failsOver } from "./queue/after-attempt.ts";
import type { SkippedServer, Submission, SubmitResult } from "./submission.ts";

const log = getLogger(["sealpost", "mail"]);

type SentNow = Exclude<SubmitResult, { state: "queued" }>;

/** @param candidates the first is used; a later one only for recipients that those before it could not reach. */
export type SendNow = (
  candidates: readonly (string | ResolvedServer)[],
  submission: Submission,
) => Promise<SentNow>;

/** The result through one server. */
interface ServerResult {
  readonly identifier: string;
  readonly recipients: readonly RecipientResult[];
  readonly smime: SmimeResult;
  /** The reason why nothing was sent; `null` if `recipients` has the results. */
  readonly failure: Failure | null;
}

interface SendNowDeps {
  readonly loadServer: (identifier: string) => Promise<ResolvedServer | null>;
  readonly build: Build;
  readonly deliver: Deliver;
  readonly circuit: Circuit;
  readonly meter: Meter;
}

/**
 * Creates the inline sender. Recipients that a server or its definition could not reach go to the next one. After an
 * unknown outcome there is no failover. An error after a server was given the message ends the failover.
 */
export function createSendNow(deps: SendNowDeps): SendNow {
  const { circuit, meter } = deps;

  const sendNow: SendNow = async (candidates, submission) => {
    const skipped: SkippedServer[] = [];
    const reached: RecipientResult[] = [];
    let to = recipientsOf(submission.message);
    /** The result if there were no more servers; `null` until one was given the message. */
    let soFar: SentNow | null = null;
    for (const [index, candidate] of candidates.entries()) {
      const isLast = index === candidates.length - 1;
      const identifier = typeof candidate === "string" ? candidate : candidate.identifier;
      let result: ServerResult;
      try {
        const open = isLast ? null : await circuit.openFor(identifier);
        if (open !== null) {
          skipped.push({ identifier, code: open });
          continue;
        }
        result = await sendThrough(deps, candidate, to, submission);
      } catch (error) {
        if (soFar === null) throw error;
        // After an error, the caller would send again what a server may have accepted.
        log.error("Cannot fail over to {identifier}: {error}", { identifier, error });
        return soFar;
      }
      const missed = isLast ? [] : missedBy(result, to);
      const [first] = missed;
      if (first === undefined) return summarize(result, reached, skipped);
      if (result.recipients.length > 0) soFar = summarize(result, reached, skipped);
      skipped.push({ identifier, code: first.code });
      to = missed.map(({ address }) => address);
      reached.push(...result.recipients.filter(({ recipient }) => !to.includes(recipient)));
    }
    return summarize(notStarted("", notSent("policy", "server_unknown")), reached, skipped);
  };

  return async (candidates, submission) => {
    const result = await sendNow(candidates, submission);
    countInline(candidates, submission, result, meter);
    return result;
  };
}

async function sendThrough(
  { loadServer, build, deliver, circuit }: SendNowDeps,
  candidate: string | ResolvedServer,
  to: readonly string[],
  { message, identity, submitter, options }: Submission,
): Promise<ServerResult> {
  const server = typeof candidate === "string" ? await loadServer(candidate) : candidate;
  const identifier = typeof candidate === "string" ? candidate : candidate.identifier;
  if (server === null) return notStarted(identifier, notSent("policy", "server_unknown"));
  const { certificates, encrypt } = options;
  const built = await build(server, message, identity, { certificates, encrypt });
  if (built.failure) return notStarted(identifier, built.failure, built.smime);
  const { from, bytes, encryption, smime } = built;
  // Created here, because on Workers a signal belongs to the request that created it.
  const { signal = new AbortController().signal, mayTransact } = options;
  const showsRejectedChain = submitter.isTest === true && server.poolKey === null;
  const mail = { server, from, recipients: to, bytes, encryption };
  const recipients = await deliver(mail, { signal, mayTransact, showsRejectedChain });
  if (server.poolKey !== null) {
    // Recipients may share a receipt, which is one observation.
    const receipts = [...new Set(recipients.map(({ receipt }) => receipt))];
    const failures = receipts.map((receipt) => (receipt.successful ? null : receipt.failure));
    await Promise.all(failures.map((failure) => circuit.observe(identifier, failure)));
  }
  return { identifier, recipients, smime, failure: null };
}

function notStarted(identifier: string, failure: Failure, smime: SmimeResult = null): ServerResult {
  return { identifier, recipients: [], smime, failure };
}

/** Returns the recipients that another server may reach. */
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
): SentNow {
  const recipients = [...before, ...last];
  const summary = { identifier, recipients, smime, skipped: [...skipped] };
  if (failure) return { state: "failed", failure, ...summary };
  for (const { receipt } of recipients) {
    if (!receipt.successful) return { state: "failed", failure: receipt.failure, ...summary };
  }
  return { state: "delivered", ...summary };
}
