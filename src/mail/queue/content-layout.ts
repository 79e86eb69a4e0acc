import type { MessageIdentity, NormalizedMessage } from "../../domain/message.ts";
import type { ResolvedServer } from "../../domain/smtp-server.ts";

/** The stored form of everything but the bytes of a queued message. */
interface StoredHead {
  /** Name of the definition that the bytes were built for. */
  readonly finishedFor: string;
  readonly decoy: boolean;
  readonly server: StoredServer | null;
  readonly source: MessageSource | null;
}
export type StoredServer = Omit<ResolvedServer, "password" | "signing"> & { readonly password: string };
export interface MessageSource {
  readonly message: NormalizedMessage;
  readonly identity: Omit<MessageIdentity, "from">;
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

const utf8 = new TextEncoder();
const fromUtf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * Lays out the content of a message as one text, in pieces that each fit into a row:
 *
 *     <octets after this line>\n<head as JSON>\n<the message's bytes><attachments of the source in base64>
 *
 * The large parts follow the JSON, which would escape each line break and each byte.
 */
export function* layOut(head: StoredHead, bytes: Uint8Array): Generator<string> {
  const { source } = head;
  const files = source?.message.attachments ?? [];
  const attachments = files.map(({ content, ...file }) => ({
    ...file,
    octets: base64Octets(content.length),
  }));
  const plain = source && { ...source, message: { ...source.message, attachments } };
  const json = utf8.encode(JSON.stringify({ ...head, source: plain, octets: bytes.length }) + LINE_FEED);
  const length = attachments.reduce((sum, { octets }) => sum + octets, json.length + bytes.length);
  const first = utf8.encode(length + LINE_FEED);
  const whole = new Uint8Array(first.length + length);
  let end = 0;
  for (const part of [first, json, bytes]) {
    whole.set(part, end);
    end += part.length;
  }
  for (const { content } of files) end += utf8.encodeInto(content.toBase64(), whole.subarray(end)).written;
  yield* inPieces(whole);
}

/**
 * Reads a text of {@link layOut}, and the content of earlier versions: one JSON text in one piece.
 * @param next returns a further piece by its number: 1, 2, …
 */
export async function readLayout(
  first: string,
  next: (piece: number) => Promise<string>,
): Promise<{ readonly head: StoredHead; readonly bytes: Uint8Array<ArrayBuffer> }> {
  if (first.startsWith("{")) {
    const { bytes, ...head } = JSON.parse(first);
    return { head: withDate(head), bytes: utf8.encode(bytes) };
  }
  const start = first.indexOf(LINE_FEED) + 1;
  const whole = new Uint8Array(Number(first.slice(0, start)));
  let end = utf8.encodeInto(first.slice(start), whole).written;
  for (let piece = 1; end < whole.length; piece++) {
    end += utf8.encodeInto(await next(piece), whole.subarray(end)).written;
  }
  return parse(whole);
}

function parse(whole: Uint8Array<ArrayBuffer>) {
  let end = whole.indexOf(LINE_FEED.charCodeAt(0)) + LINE_FEED.length;
  const take = (length: number) => {
    const start = end;
    end += length;
    return whole.subarray(start, end);
  };
  const { octets, ...head } = JSON.parse(fromUtf8.decode(whole.subarray(0, end)));
  const bytes = take(octets);
  const files = head.source?.message.attachments ?? [];
  const attachments = files.map(({ octets: length, ...file }: { readonly octets: number }) => ({
    ...file,
    content: Uint8Array.fromBase64(fromUtf8.decode(take(length))),
  }));
  if (attachments.length > 0) head.source.message.attachments = attachments;
  return { head: withDate(head), bytes };
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
