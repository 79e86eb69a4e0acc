import { computed, signal } from "@preact/signals";

/** A login. It lives in memory only: a reload ends it. */
interface Session {
  /** Token or API key. */
  readonly credential: string;
  readonly username: string;
  /** Name of the API key; `null` if the admin logged in. */
  readonly keyName: string | null;
  /** Those at the login. The API evaluates the policies with each request. */
  readonly rights: readonly string[];
  /** Time at which the credential ends; `null` if it does not, or if that is not known. */
  readonly endsAtMs: number | null;
}

/** Why the last session ended. */
type SessionEnd = "expired" | "logged-out";

/** A warning precedes the end of a token by this long. */
const WARN_MS = 60_000;
const TICK_MS = 1_000;

const current = signal<Session | null>(null);
const nowMs = signal(Date.now());
/** Why there is no session; `null` before the first. */
export const lastEnd = signal<SessionEnd | null>(null);
export const session = computed(() => current.value);

/** Seconds until the session ends, within its last minute; else `null`. */
export const secondsLeft = computed(() => {
  const endsAtMs = current.value?.endsAtMs ?? null;
  if (endsAtMs === null || endsAtMs - nowMs.value > WARN_MS) return null;
  return Math.max(0, Math.ceil((endsAtMs - nowMs.value) / 1_000));
});

/** Other tabs of this browser. A log-out ends the sessions of all. */
const tabs = new BroadcastChannel("sealpost.session");
tabs.addEventListener("message", () => endSession("logged-out"));

setInterval(() => {
  nowMs.value = Date.now();
  const endsAtMs = current.value?.endsAtMs ?? null;
  if (endsAtMs !== null && endsAtMs <= nowMs.value) endSession("expired");
}, TICK_MS);

/** The caller as `GET /auth` shows them. */
interface Caller {
  readonly username: string;
  readonly rights: readonly string[];
  readonly apikey: { readonly name: string; readonly expires_at: string | null } | null;
}

/** Starts a session. @param used token or API key of the caller */
export function startSession(used: string, { username, rights, apikey }: Caller): void {
  lastEnd.value = null;
  nowMs.value = Date.now();
  const endsAtMs = apikey === null ? endOf(used) : timeOf(apikey.expires_at);
  current.value = { credential: used, username, keyName: apikey?.name ?? null, rights, endsAtMs };
}

function timeOf(iso: string | null): number | null {
  return iso === null ? null : Date.parse(iso);
}

/** Ends the session of this tab. */
export function endSession(why: SessionEnd): void {
  if (current.value === null) return;
  current.value = null;
  lastEnd.value = why;
}

/** Ends the sessions of all tabs. */
export function logOut(): void {
  endSession("logged-out");
  tabs.postMessage(null);
}

/** The token or API key of the session; `null` without one. */
export function credential(): string | null {
  return current.peek()?.credential ?? null;
}

/** Whether the session has a right. What it may not do is not offered. */
export function may(right: string): boolean {
  return current.value?.rights.includes(right) ?? false;
}

/** Reads the end of a token from its claims. */
function endOf(token: string): number | null {
  try {
    const [, claims = ""] = token.split(".");
    const { exp }: { readonly exp?: unknown } = JSON.parse(
      atob(claims.replaceAll("-", "+").replaceAll("_", "/")),
    );
    return typeof exp === "number" ? exp * 1_000 : null;
  } catch {
    // A token of another form. The API says when it has ended.
    return null;
  }
}
