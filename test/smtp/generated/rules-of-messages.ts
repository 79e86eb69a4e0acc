import { unstuff } from "./client-bytes.ts";
import { type Context, isGiven } from "./context.ts";
import { isPositive, type Knowledge } from "./knowledge.ts";

/** Maximum size of a message in one flight. */
const MAX_FLIGHT_OCTETS = 64 * 1024;

export function ofMail(line: string, { work, known }: Context): string | null {
  if (work === null) return "MAIL without a message";
  if (!isClean(known)) return "MAIL where a transaction may be open (RFC 5321 4.1.4)";
  const path = `MAIL FROM:<${latin1(work.from)}>`;
  if (!line.startsWith(path)) return "another reverse-path";
  const given = line.slice(path.length);
  const hasUtf8Headers = work.kind === "message" && work.utf8Headers;
  const isUtf8 = hasUtf8Headers || !isAscii(work.from + (work.recipient ?? ""));
  const [size, is8Bit] =
    work.kind === "message" ? [work.bytes.length, work.bytes.some((octet) => octet > 127)] : [null, false];
  const parameters = [
    isUtf8 ? "SMTPUTF8" : null,
    is8Bit ? "BODY=8BITMIME" : null,
    size !== null && known.keywords.has("SIZE") ? `SIZE=${size}` : null,
  ].filter((parameter) => parameter !== null);
  if (given !== parameters.map((parameter) => ` ${parameter}`).join("")) return "other parameters";
  if (isUtf8 && !known.keywords.has("SMTPUTF8")) return "SMTPUTF8 that is not offered (RFC 6531 3.2)";
  return is8Bit && !known.keywords.has("8BITMIME") ? "8BITMIME that is not offered (RFC 6152 3)" : null;
}

export function ofRcpt(line: string, { work, known }: Context): string | null {
  if (line !== `RCPT TO:<${latin1(work?.recipient ?? "")}>`) return "another forward-path";
  return isGiven(known, "mail") ? null : "RCPT without MAIL";
}

export function ofChunk(text: string, { work, known }: Context): string | null {
  if (work?.kind !== "message" || !work.mayUseBdat) return "BDAT that is not allowed";
  if (!known.isTls || !known.keywords.has("CHUNKING")) return "BDAT without CHUNKING under TLS";
  if (work.bytes.length >= MAX_FLIGHT_OCTETS) return "BDAT with a long message";
  return text === Buffer.from(work.bytes).toString("latin1") ? null : "another chunk than the message";
}

export function ofData(text: string, isEnd: boolean, { work, known }: Context): string | null {
  if (work?.kind !== "message") return "a message that was not given";
  if (known.of("data")?.reply?.code !== 354) return "mail data without a 354";
  const isAccepted =
    isPositive(known.of("mail")?.reply ?? null) && isPositive(known.of("rcpt")?.reply ?? null);
  if (!isAccepted) return "mail data after a rejected MAIL or RCPT (RFC 2920 3.1)";
  if (!wasAccepted(known)) return "mail data after a message that was rejected, without RSET";
  if (!isEnd) return null;
  return unstuff(text) === Buffer.from(work.bytes).toString("latin1")
    ? null
    : "other mail data than the message";
}

/** Whether the server has no transaction, or will have none when it reads the next command. */
function isClean(known: Knowledge): boolean {
  for (const { step, reply } of known.entries.toReversed()) {
    if (step === "rset" && (reply === null || isPositive(reply))) return true;
    if (step === "message") return reply === null || isPositive(reply);
    if (step === "bdat") return isPositive(reply);
    if (step === "mail") return false;
    if (step === "ehlo" || step === "helo") return true;
  }
  return false;
}

/** Whether the server accepted the previous message, or was reset since. */
function wasAccepted(known: Knowledge): boolean {
  const index = known.entries.findLastIndex(({ step, work }) => step === "mail" && work === known.work);
  const before = known.entries[index - 1];
  return before?.step !== "message" || isPositive(before.reply);
}

/** Text as it is sent: UTF-8, one character per octet. */
function latin1(text: string): string {
  return Buffer.from(text).toString("latin1");
}

function isAscii(text: string): boolean {
  return /^[ -~]*$/.test(text);
}
