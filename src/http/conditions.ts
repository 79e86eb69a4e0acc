import { invalidParameter } from "../errors.ts";
import type { EtagCondition } from "../mail/servers/definitions.ts";
import type { SaveConditions } from "../mail/servers/save.ts";

/** RFC 9110 8.8.3. */
const ENTITY_TAG = /^(W\/)?"[\x21\x23-\x7e\x80-\xff]*"$/;
/** An element of a comma-separated list. A comma inside quotes belongs to a tag. */
const LIST_ELEMENT = /(?:"[^"]*"|[^,"])+/g;

/** Reads `If-Match` and `If-None-Match` (RFC 9110 13.1). */
export function readConditions(headers: {
  readonly ifMatch: string | undefined;
  readonly ifNoneMatch: string | undefined;
}): SaveConditions {
  return { ifMatch: readIfMatch(headers.ifMatch), createOnly: readCreateOnly(headers.ifNoneMatch) };
}

/** `*` matches any definition. Weak tags never match (RFC 9110 8.8.3.2). */
export function readIfMatch(header: string | undefined): EtagCondition | null {
  if (header === undefined) return null;
  if (header.trim() === "*") return () => true;
  // Elements may be empty (RFC 9110 5.6.1.2).
  const tags = (header.match(LIST_ELEMENT) ?? []).map((tag) => tag.trim()).filter((tag) => tag !== "");
  if (tags.length > 0 && tags.every((tag) => ENTITY_TAG.test(tag))) return (etag) => tags.includes(etag);
  throw invalidParameter("If-Match", "expected entity tags or *");
}

function readCreateOnly(header: string | undefined): boolean {
  if (header === undefined) return false;
  if (header.trim() === "*") return true;
  throw invalidParameter("If-None-Match", "expected *");
}
