import type { SmtpReply } from "../domain/delivery.ts";
import type { RawReply } from "./reply-reader.ts";

const TEXT_CHARACTERS = 500;

// RFC 2034 4: class, subject and detail at the start of the text.
const ENHANCED = /^([245]\.\d{1,3}\.\d{1,3})(?:\s+|$)/;
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Co}\p{Cs}\u2028\u2029]+/gu;

/** Makes a reply fit to be shown: secrets out, controls replaced, at most 500 characters. */
export function presentReply(raw: RawReply, redact: (text: string) => string): SmtpReply {
  const enhanced = ENHANCED.exec(raw.lines[0] ?? "")?.[1] ?? null;
  const lines = enhanced === null ? raw.lines : raw.lines.map((line) => line.replace(ENHANCED, ""));
  const text = redact(lines.join(" ")).replace(UNPRINTABLE, " ").trim();
  return { code: raw.code, enhanced, text: Array.from(text).slice(0, TEXT_CHARACTERS).join("") };
}
