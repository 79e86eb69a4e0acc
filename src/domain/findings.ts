import { filled, NOTICES, type Placeholder } from "./notices.ts";

/**
 * Problems of an instance that the doctor finds, by code. Programs and translations match on the code; the sentence is for
 * people. Names in braces stand for values.
 */
export const FINDINGS = {
  setting_invalid: "The stored value of {name} is no longer valid, and the default is used: set it again.",
  base_url_missing: NOTICES.base_url_missing,
  server_missing:
    "No SMTP server is named {identifier}, but {plugins} send through it: create it or change their settings.",
  password_unreadable: NOTICES.password_unreadable,
  read_slow: "A read took {ms} ms: run Sealpost closer to its database, or reduce the load of both.",
  clock_differs: "This machine and the database differ by {seconds} s: synchronize the clocks by NTP.",
  row_from_future: "An audit row is from the future, {time}: synchronize the clocks by NTP.",
  message_overdue:
    "A message has been due since {time}: check that a worker runs, and the servers in this report.",
  messages_held:
    "Messages and webhooks that are held, as after a restore: {count}. When the instance that was backed up no longer sends, POST /mail/release sends them.",
  messages_failed:
    "Messages that failed because of their server or definition: {count}. Correct it, see GET /mail/?state=failed and, for those that an earlier attempt may have sent, ?state=unknown, and POST /mail/<id>/retry within 24 hours.",
  /** A hint follows. */
  server_fails: "{target}: {code}.",
  server_untested: "{target}: not checked in time. Test the definition.",
  test_definition: "Test the definition.",
  circuit_open:
    "{identifier} fails with {code}. Messages that wait: {waiting}. Test the definition and correct it.",
  certificate_of_other_pair: "{parameter} of {identifier} does not belong to its key: save both again.",
  certificate_unreadable: "{parameter} of {identifier} cannot be read: save it again.",
  certificate_ends: "{parameter} of {identifier} ends on {time}: get a new certificate.",
  certificate_ended: "{parameter} of {identifier} ended on {time}: get a new certificate.",
  key_ends: "The API key {name} ends on {time}: create a new one, and delete this one.",
  key_ended: "The API key {name} ended on {time}: create a new one, and delete this one.",
  oauth_incomplete:
    "{identifier}: {parameter} is missing: without it there is no access token, and no login.",
  oauth_invalid: "{identifier}: {reason}.",
  oauth_failed:
    "{identifier}: The last token request failed with {code}: sign in again, or test until oauth.",
  more: "And {count} more.",
  check_late: "The check did not finish within {seconds} s: repeat it, and see the log.",
  check_rejected: "{reason}",
  check_failed: "The check failed: see the log.",
} as const;
export type FindingCode = keyof typeof FINDINGS;

/** A sentence by its code. */
interface CodedSentence {
  readonly code: string;
  /** The values that the sentence names in braces. */
  readonly values: Readonly<Record<string, string>>;
}

/** One problem: what is wrong, and what to do. */
export interface Problem {
  /** One or more sentences in English. */
  readonly text: string;
  /** The sentences by code. */
  readonly sentences: readonly CodedSentence[];
}

type Values<C extends FindingCode> = Readonly<Record<Placeholder<(typeof FINDINGS)[C]>, string | number>>;

/** Creates a problem. @param values the values that its sentence names in braces. */
export function problem<C extends FindingCode>(
  code: C,
  ...[values]: [Placeholder<(typeof FINDINGS)[C]>] extends [never] ? [] : [values: Values<C>]
): Problem {
  const given = Object.entries<string | number>(values ?? {}).map(([name, value]) => [name, String(value)]);
  const texts: Record<string, string> = Object.fromEntries(given);
  return { text: filled(FINDINGS[code], texts), sentences: [{ code, values: texts }] };
}

/** Returns one problem with the sentences of several. */
export function joined(problems: readonly Problem[]): Problem {
  return {
    text: problems.map(({ text }) => text).join(" "),
    sentences: problems.flatMap(({ sentences }) => sentences),
  };
}
