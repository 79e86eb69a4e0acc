import { getLogger } from "@logtape/logtape";
import type { Statement } from "../contracts/database.ts";
import type { Message } from "../domain/message.ts";
import { asRejection, SealpostError } from "../errors.ts";
import { isResponseLost } from "../storage/errors.ts";
import { isKeyTaken, RESERVED } from "../storage/idempotency.ts";
import type { Reservation, ReservedKey } from "./idempotency.ts";
import type { PreparedMail } from "./queue/enqueue.ts";
import { unknownServer } from "./servers/allowed-senders.ts";
import { type OwnSubmitOptions, readStoredResult, type Submission, type SubmitResult } from "./submission.ts";
import { SubmissionRecord } from "./submission-record.ts";
import { firstOf, newSubmission, type SubmitDeps } from "./submit.ts";

/** One message of a batch. */
export interface BatchMessage {
  /** Names of definitions, for failover in this order. */
  readonly servers: readonly string[];
  readonly message: Message;
  readonly options: OwnSubmitOptions;
}

/** A message of a batch that was built, or failed, and its traces. */
interface RecordedMail extends PreparedMail {
  readonly record: SubmissionRecord;
}

/** The result of one message of a batch; an error if it could not be submitted. */
export type BatchResult = SubmitResult | SealpostError;

/** A batch as a whole. */
interface BatchOptions<V> {
  /** Key of the whole batch. */
  readonly idempotencyKey: string | undefined;
  readonly idempotencyContent: string;
  /** Returns the response, which a repeated call gets as well: JSON. */
  readonly respond: (results: readonly BatchResult[]) => V;
}

/**
 * Queues messages in one commit. An error of one message does not affect the others.
 * @param messages each a message, or the error for which it is none.
 * @throws {SealpostError} `conflict` and `invalid_parameter` for the key of the batch; whatever prevents the commit.
 */
type SubmitBatch = <V>(
  messages: readonly (BatchMessage | SealpostError)[],
  options: BatchOptions<V>,
) => Promise<V>;

/** @param submitter the caller on whose behalf the messages are sent. */
export type SubmitBatchFor = (submitter: Submission["submitter"]) => SubmitBatch;

const log = getLogger(["sealpost", "mail"]);

/** Creates what submits several messages at once, each as `submit` does with the option `queue`. */
export function createSubmitBatch(deps: SubmitDeps): SubmitBatchFor {
  return (submitter) => (messages, options) =>
    deps.tracer.run("submit", async (span) => {
      if (span !== null) (await import("./describe-spans.ts")).describeBatch(span, messages.length);
      return submitBatch(deps, submitter, messages, options);
    });
}

async function submitBatch<V>(
  deps: SubmitDeps,
  submitter: Submission["submitter"],
  messages: readonly (BatchMessage | SealpostError)[],
  options: BatchOptions<V>,
): Promise<V> {
  const { idempotency, enqueue, database } = deps;
  const { idempotencyKey: key, idempotencyContent: content, respond } = options;
  const scope = `${submitter.name} batch`;
  const call = key === undefined ? null : await idempotency.reserve({ scope, key, content }, RESERVED);
  if (call && "response" in call) return JSON.parse(call.response);
  const reserved: ReservedKey[] = call ? [call] : [];
  try {
    const reservations = await reserveEach(deps, submitter, messages);
    reserved.push(...reservations.filter(isReserved));
    const results: BatchResult[] = [];
    const prepared: RecordedMail[] = [];
    const released: Statement[] = [];
    // One after another, because each takes memory while it is built.
    for (const [index, message] of messages.entries()) {
      const reservation = reservations[index];
      const result = await prepareOne(deps, submitter, message, reservation).catch(asRejection);
      if ("statements" in result) prepared.push(result);
      else if (isReserved(reservation)) released.push(reservation.release());
      results.push("statements" in result ? result.result : result);
    }
    const response = respond(results);
    const completed: readonly Statement[] = call ? [call.complete(response)] : [];
    await enqueue.store(prepared, ...completed, ...released);
    for (const { record, result } of prepared) record.report(result);
    return response;
  } catch (error) {
    // The messages may be stored any moment, so the keys are free only after the time that a commit may take.
    if (isResponseLost(error)) throw error;
    // Nothing is stored, or all of it together with the responses; then release changes nothing.
    await database
      .commit(reserved.map((one) => one.release()))
      .catch((failure) => log.warning("Cannot release idempotency keys: {error}", { error: failure }));
    // Nothing is stored. Those who took over keys have responses by now, or the keys are free or in use.
    if (isKeyTaken(error)) return submitBatch(deps, submitter, messages, options);
    throw error;
  }
}

/** Reserves the keys of single messages in one commit. @returns an item for each message; `undefined` if it has no key. */
async function reserveEach(
  { idempotency }: SubmitDeps,
  submitter: Submission["submitter"],
  messages: readonly (BatchMessage | SealpostError)[],
): Promise<readonly (Reservation | SealpostError | undefined)[]> {
  const calls = messages.flatMap((message, index) => {
    if (message instanceof SealpostError || message.options.idempotencyKey === undefined) return [];
    const { idempotencyKey: key, idempotencyContent: content = "" } = message.options;
    return [{ index, call: { scope: submitter.name, key, content } }];
  });
  if (calls.length === 0) return [];
  const results = await idempotency.reserveAll(calls.map(({ call }) => call));
  const byIndex = new Map(calls.map(({ index }, at) => [index, results[at]]));
  return messages.map((_, index) => byIndex.get(index));
}

function isReserved(one: Reservation | SealpostError | undefined): one is ReservedKey {
  return one !== undefined && !(one instanceof SealpostError) && "release" in one;
}

async function prepareOne(
  deps: SubmitDeps,
  submitter: Submission["submitter"],
  given: BatchMessage | SealpostError,
  key: Reservation | SealpostError | undefined,
): Promise<RecordedMail | BatchResult> {
  if (given instanceof SealpostError || key instanceof SealpostError)
    throw given instanceof SealpostError ? given : key;
  if (key && "response" in key) return readStoredResult(key.response);
  const { servers, message, options } = given;
  const submitted = newSubmission(deps, submitter, { target: servers, message, options });
  const record = new SubmissionRecord(deps, submitted, key ?? null);
  const server = await firstOf(servers, deps.loadServer);
  if (server === null) throw unknownServer(servers.join());
  const queued = { ...record.submission, names: [...new Set(servers)] };
  const { result, ...prepared } = await deps.enqueue.prepare(server, queued, (one) => record.statements(one));
  return { ...prepared, result: record.numbered(result), record };
}
