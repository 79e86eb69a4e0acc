import type { KnownReply } from "../known-reply.ts";
import type { KnownTokenError } from "../token-errors.ts";
import { ENTRA_ERRORS } from "./entra-errors.ts";
import { GOOGLE, GOOGLE_REPLIES, GOOGLE_TOKEN_ERRORS } from "./google.ts";
import { LOCAL_CATCHERS } from "./local.ts";
import { MAILBOXES } from "./mailboxes.ts";
import { MICROSOFT, MICROSOFT_REPLIES } from "./microsoft.ts";
import type { Provider } from "./provider.ts";
import { SERVICE_REPLIES, SERVICES } from "./services.ts";

/**
 * The presets by ID. A row has what a public page of the provider documents. It fills in what a definition leaves out,
 * warns of what does not fit, and chooses hints; it never overrides what was sent.
 */
export const PROVIDERS: Readonly<Record<string, Provider>> = {
  ...MICROSOFT,
  ...GOOGLE,
  ...SERVICES,
  ...MAILBOXES,
  ...LOCAL_CATCHERS,
};

/** Returns a preset. `null` for an ID that is empty or not known, as after its row was removed. */
export function findProvider(id: string): Provider | null {
  return Object.hasOwn(PROVIDERS, id) ? (PROVIDERS[id] ?? null) : null;
}

/** Replies that only one provider sends, so that they are known without a preset as well. */
export const PROVIDER_REPLIES: readonly KnownReply[] = [
  ...MICROSOFT_REPLIES,
  ...GOOGLE_REPLIES,
  ...SERVICE_REPLIES,
];

/** Errors of token endpoints that only one provider has. */
export const TOKEN_ERRORS: readonly KnownTokenError[] = [...ENTRA_ERRORS, ...GOOGLE_TOKEN_ERRORS];
