import { SealpostError } from "../errors.ts";
import type { SaveConditions } from "../mail/save-server.ts";
import type { EtagCondition } from "../mail/servers.ts";

const ENTITY_TAG = /^(W\/)?"[\x21\x23-\x7e\x80-\xff]*"$/;

/** Reads `If-Match` and `If-None-Match` (RFC 9110 13.1). */
export function readConditions(headers: {
  readonly ifMatch: string | undefined;
  readonly ifNoneMatch: string | undefined;
}): SaveConditions {
  return { ifMatch: readIfMatch(headers.ifMatch), createOnly: readCreateOnly(headers.ifNoneMatch) };
}

/** `*` is satisfied by any definition; weak tags never match (RFC 9110 8.8.3.2). */
export function readIfMatch(header: string | undefined): EtagCondition | null {
  if (header === undefined) return null;
  if (header.trim() === "*") return () => true;
  const tags = header.split(",").map((tag) => tag.trim());
  if (!tags.every((tag) => ENTITY_TAG.test(tag))) throw badHeader("If-Match", "expected entity tags or *");
  return (etag) => tags.includes(etag);
}

function readCreateOnly(header: string | undefined): boolean {
  if (header === undefined) return false;
  if (header.trim() === "*") return true;
  throw badHeader("If-None-Match", "expected *");
}

function badHeader(name: string, expected: string): SealpostError {
  return new SealpostError("invalid_parameter", `ERR905: Invalid parameter: ${name}: ${expected}`, {
    parameter: name,
  });
}
