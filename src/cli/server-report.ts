import type { ChainCertificate, DialedAddress, Receipt } from "../domain/delivery.ts";

/** Fits the longest label and two blanks. */
const LABEL_CHARACTERS = 13;

/** Lines that show what a conversation saw of the server; what it did not see has no line. */
export function reportLines({ seen, tls }: Receipt): string[] {
  const rows: readonly (readonly [label: string, value: string])[] = [
    ...(seen.addresses ?? []).map((address) => ["Address", addressText(address)] as const),
    ["Greeting", seen.greeting ?? ""],
    ["Extensions", seen.extensions.clear.join(", ")],
    ["Under TLS", seen.extensions.tls.join(", ")],
    ["Mechanisms", seen.mechanisms.join(", ")],
    ["Size", seen.sizeOctets === null ? "" : `at most ${seen.sizeOctets} octets`],
    ["TLS", tls === null ? "" : [tls.protocol ?? "yes", ...daysText(tls.daysLeft)].join(", ")],
    ...(seen.chain ?? []).map((certificate) => ["Certificate", certificateText(certificate)] as const),
  ];
  return rows
    .filter(([, value]) => value !== "")
    .map(([label, value]) => `${label}:`.padEnd(LABEL_CHARACTERS) + withoutControls(value));
}

function addressText({ address, result, ms }: DialedAddress): string {
  return `${address} ${result} after ${Math.round(ms)} ms`;
}

function daysText(daysLeft: number | null): string[] {
  return daysLeft === null ? [] : [`certificate valid for ${daysLeft} days`];
}

function certificateText({ subject, issuer, notAfter }: ChainCertificate): string {
  const until =
    notAfter === null ? "" : `, valid until ${notAfter.toISOString().slice(0, "YYYY-MM-DD".length)}`;
  return `${subject}, issued by ${issuer}${until}`;
}

/** What a server sends must not steer the terminal. */
function withoutControls(text: string): string {
  return text.replaceAll(/\p{Cc}/gu, "\ufffd");
}
