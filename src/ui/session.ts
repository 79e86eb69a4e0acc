import { computed, signal } from "@preact/signals";

/** A login. It lives in memory only: a reload ends it. */
interface Session {
  /** Token or API key. */
  readonly credential: string;
  /** Name of the admin; empty for an API key. */
  readonly username: string;
  /** `null` if they are not known, as with an API key. */
  readonly rights: readonly string[] | null;
  /** Time at which the token ends; `null` if that is not known. */
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

/** Starts the session of an admin. */
export function startSession(token: string, username: string, rights: readonly string[]): void {
  start({ credential: token, username, rights, endsAtMs: endOf(token) });
}

/** Starts the session of an API key, whose rights only the API knows. */
export function startKeySession(key: string): void {
  start({ credential: key, username: "", rights: null, endsAtMs: null });
}

function start(given: Session): void {
  lastEnd.value = null;
  nowMs.value = Date.now();
  current.value = given;
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
  const { rights = [] } = current.value ?? {};
  return rights === null || rights.includes(right);
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
