import type { MessageIdentity, NormalizedMessage } from "../../domain/message.ts";
import type { ResolvedServer } from "../../domain/smtp-server.ts";
import type { Certificates } from "../encryption.ts";

/** The stored form of everything but the bytes of a queued message. */
interface StoredHead {
  /** Name of the definition that the bytes were built for. */
  readonly finishedFor: string;
  readonly decoy: boolean;
  /** Certificates of recipients, by address. Absent or `null` if the message is not encrypted. */
  readonly certificates?: Certificates | null;
  readonly server: StoredServer | null;
  readonly source: MessageSource | null;
  /** Names the span that created the message (W3C Trace Context). Absent if none was recorded. */
  readonly traceparent?: string | undefined;
}
export type StoredServer = Omit<ResolvedServer, "password" | "signing"> & { readonly password: string };
export interface MessageSource {
  readonly message: NormalizedMessage;
  readonly identity: Omit<MessageIdentity, "from">;
  /** Certificates that the caller gave. */
  readonly certificates?: Certificates | undefined;
  /** Whether the caller asked for encryption. */
  readonly encrypt?: boolean | undefined;
}

interface StoredContent {
  readonly head: StoredHead;
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Bytes for recipients without a certificate; `null` if they are none. */
  readonly clear: Uint8Array<ArrayBuffer> | null;
}

/**
 * Octets of a piece. Encrypted, in base64 with key id and nonce, it stays below 1,000,000 characters, the largest value
 * that some databases accept.
 */
const MAX_PIECE_OCTETS = 740_000;
/** The first two bits of an octet that continues a UTF-8 character (RFC 3629 3). */
const CONTINUATION_MASK = 0xc0;
const CONTINUATION = 0x80;
const LINE_FEED = "\n";
const BRACE = 0x7b;

const utf8 = new TextEncoder();
const fromUtf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * Lays out the content of a message as one text, in pieces that each fit into a row:
 *
 *     <octets after this line>\n<head as JSON>\n<the message's bytes><the bytes for recipients without a certificate>
 *     <attachments of the source in base64>
 *
 * The large parts follow the JSON, which would escape each line break and each byte.
 */
export function* layOut(head: StoredHead, bytes: Uint8Array, clear: Uint8Array | null): Generator<string> {
  const { source } = head;
  const files = source?.message.attachments ?? [];
  const attachments = files.map(({ content, ...file }) => ({
    ...file,
    octets: base64Octets(content.length),
  }));
  const plain = source && { ...source, message: { ...source.message, attachments } };
  const lengths = { octets: bytes.length, ...(clear && { clearOctets: clear.length }) };
  const json = utf8.encode(JSON.stringify({ ...head, source: plain, ...lengths }) + LINE_FEED);
  const texts = [json, bytes, ...(clear ? [clear] : [])];
  const length = [...texts.map((text) => text.length), ...attachments.map(({ octets }) => octets)].reduce(
    (sum, octets) => sum + octets,
  );
  const first = utf8.encode(length + LINE_FEED);
  const whole = new Uint8Array(first.length + length);
  let end = 0;
  for (const part of [first, ...texts]) {
    whole.set(part, end);
    end += part.length;
  }
  for (const { content } of files) end += utf8.encodeInto(content.toBase64(), whole.subarray(end)).written;
  yield* inPieces(whole);
}

/**
 * Reads a text of {@link layOut} in UTF-8, and the content of earlier versions: one JSON text in one piece.
 * @param next returns a further piece by its number: 1, 2, …
 */
export async function readLayout(
  first: Uint8Array<ArrayBuffer>,
  next: (piece: number) => Promise<Uint8Array>,
): Promise<StoredContent> {
  if (first[0] === BRACE) {
    const { bytes, ...head } = JSON.parse(fromUtf8.decode(first));
    return { head: withDate(head), bytes: utf8.encode(bytes), clear: null };
  }
  const start = endOfLine(first);
  const length = Number(fromUtf8.decode(first.subarray(0, start)));
  const known = first.subarray(start);
  if (known.length === length) return parse(known);
  const whole = new Uint8Array(length);
  whole.set(known);
  for (let piece = 1, end = known.length; end < length; piece++) {
    const octets = await next(piece);
    whole.set(octets, end);
    end += octets.length;
  }
  return parse(whole);
}

/** Returns the index after the first line. */
function endOfLine(octets: Uint8Array): number {
  return octets.indexOf(LINE_FEED.charCodeAt(0)) + LINE_FEED.length;
}

function parse(whole: Uint8Array<ArrayBuffer>): StoredContent {
  let end = endOfLine(whole);
  const take = (length: number) => {
    const start = end;
    end += length;
    return whole.subarray(start, end);
  };
  const { octets, clearOctets, ...head } = JSON.parse(fromUtf8.decode(whole.subarray(0, end)));
  const bytes = take(octets);
  const clear = clearOctets === undefined ? null : take(clearOctets);
  const files = head.source?.message.attachments ?? [];
  const attachments = files.map(({ octets: length, ...file }: { readonly octets: number }) => ({
    ...file,
    content: Uint8Array.fromBase64(fromUtf8.decode(take(length))),
  }));
  if (attachments.length > 0) head.source.message.attachments = attachments;
  return { head: withDate(head), bytes, clear };
}

function withDate(head: StoredHead): StoredHead {
  const { source } = head;
  if (source === null) return head;
  return {
    ...head,
    source: { ...source, identity: { ...source.identity, date: new Date(source.identity.date) } },
  };
}

function base64Octets(octets: number): number {
  return Math.ceil(octets / 3) * 4;
}

function isContinuation(octet: number): boolean {
  return (octet & CONTINUATION_MASK) === CONTINUATION;
}

function* inPieces(octets: Uint8Array): Generator<string> {
  for (let start = 0, end = 0; start < octets.length; start = end) {
    end = Math.min(start + MAX_PIECE_OCTETS, octets.length);
    // Each piece must be valid UTF-8, so no character is split.
    while (end < octets.length && isContinuation(octets[end] ?? 0)) end--;
    yield fromUtf8.decode(octets.subarray(start, end));
  }
}
