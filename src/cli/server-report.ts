import type { TestDetail } from "../http/smtpserver-test-schema.ts";
import type { Output } from "./output.ts";

type Server = NonNullable<TestDetail["server"]>;
type Row = readonly [label: string, value: string];

/** Width of the longest label and two blanks. */
const LABEL_CHARACTERS = 13;

/** The words for a test that succeeds, before and after the reply, and for one that fails. */
interface Verdict {
  readonly success: string;
  readonly remark?: string;
  readonly failure: string;
}

/** Returns what the API shows of a test. */
export function report(
  detail: TestDetail,
  verdict: Verdict,
): Pick<Output, "lines" | "warnings" | "isFailure"> {
  return {
    lines: [...reportLines(detail), ...verdictLines(detail, verdict)],
    warnings: detail.warnings,
    isFailure: detail.delivery.code !== null,
  };
}

function verdictLines(
  { delivery, smime, mail_id }: TestDetail,
  { success, remark = "", failure }: Verdict,
): string[] {
  const { phase, code, reply, hint, remedy } = delivery;
  if (mail_id !== undefined) return [`Queued as message ${mail_id}`];
  const missed = smime?.code === "encrypt_no_certificate" ? "encrypted" : "signed";
  const signing = smime?.reason ? [`Not ${missed}: ${smime.reason}`] : [];
  const replyText = reply && `${reply.code} ${reply.text}`;
  if (code === null) {
    const done = `${smime?.signed ? ", signed" : ""}${smime?.encrypted ? ", encrypted" : ""}`;
    return [...signing, `${success}${done}${replyText ? `: ${replyText}` : ""}${remark}`];
  }
  return [
    ...signing,
    `${failure}: ${code} in phase ${phase}${replyText ? ` (${replyText})` : ""}`,
    ...(hint ? [hint] : []),
    ...(remedy && remedy.value !== null ? [`Try ${remedy.parameter}=${remedy.value}`] : []),
  ];
}

/** Formats what a test saw of the server and how long each phase took, as the API shows it. Omits what is unknown. */
export function reportLines({ server, delivery }: Pick<TestDetail, "server" | "delivery">): string[] {
  const times = Object.entries(delivery.timing_ms).map(([phase, ms]) => `${phase} ${ms} ms`);
  const rows: readonly Row[] = [
    ...(server ? serverRows(server) : []),
    ["Times", times.join(", ")],
    ["Round trips", delivery.round_trips ? String(delivery.round_trips) : ""],
  ];
  return rows
    .filter(([, value]) => value !== "")
    .map(([label, value]) => `${label}:`.padEnd(LABEL_CHARACTERS) + value);
}

function serverRows({ addresses, greeting, extensions, mechanisms, size, tls }: Server): Row[] {
  return [
    ...(addresses ?? []).map(
      ({ address, result, ms }): Row => ["Address", `${address} ${result} after ${ms} ms`],
    ),
    ["Greeting", greeting ?? ""],
    ["Extensions", extensions.clear.join(", ")],
    ["Under TLS", extensions.tls.join(", ")],
    ["Mechanisms", mechanisms.join(", ")],
    ["Size", size === null ? "" : `at most ${size} octets`],
    ["TLS", tls === null ? "" : [protocolText(tls), ...daysText(tls.days_left)].join(", ")],
    ...(tls?.chain ?? []).map((certificate): Row => ["Certificate", certificateText(certificate)]),
  ];
}

/** A runtime that shows certificates shows the protocol too, unless the certificate was rejected. */
function protocolText({ protocol, chain }: NonNullable<Server["tls"]>): string {
  return protocol ?? (chain.length > 0 ? "certificate rejected" : "yes");
}

function daysText(daysLeft: number | null): string[] {
  return daysLeft === null ? [] : [`certificate valid for ${daysLeft} ${daysLeft === 1 ? "day" : "days"}`];
}

function certificateText({
  subject,
  issuer,
  not_after,
}: NonNullable<Server["tls"]>["chain"][number]): string {
  const until = not_after === null ? "" : `, valid until ${not_after.slice(0, "YYYY-MM-DD".length)}`;
  return `${subject}, issued by ${issuer}${until}`;
}
