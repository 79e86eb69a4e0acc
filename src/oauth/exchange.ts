import { type HttpClient, HttpError } from "../contracts/http-client.ts";

/** A response of a token endpoint. */
interface TokenReply {
  readonly status: number;
  /** Whether the status is 2xx. */
  readonly isSuccessful: boolean;
  readonly headers: Headers;
  /** The members of its JSON object; empty for any other body. */
  readonly members: ReadonlyMap<string, unknown>;
  /** Our time when it arrived, in milliseconds since the epoch. */
  readonly arrivedAt: number;
}

interface ExchangeDeps {
  readonly http: HttpClient;
  /** Aborted when the time for the exchange is over. */
  readonly signal: AbortSignal;
  readonly now: () => Date;
}

/** A token response has a few kilobytes. */
const MAX_RESPONSE_BYTES = 64 * 1024;
/** Fields of a token request that are not secret. */
const PUBLIC_FIELDS: readonly string[] = [
  "grant_type",
  "scope",
  "client_id",
  "client_assertion_type",
  "redirect_uri",
];
/** Optional members that the library does not have to check. The issuer of an ID token is unknown here. */
const UNCHECKED: readonly string[] = [
  "id_token",
  "refresh_token",
  "scope",
  "interval",
  "verification_uri_complete",
];
const JSON_CONTENT = { "content-type": "application/json" };

/** One request to a token endpoint over an {@link HttpClient}, and what it revealed. */
export class Exchange {
  readonly #deps: ExchangeDeps;
  #secrets: readonly string[] = [];
  #reply: TokenReply | null = null;

  constructor(deps: ExchangeDeps) {
    this.#deps = deps;
  }

  /** `null` before the response. */
  get reply(): TokenReply | null {
    return this.#reply;
  }

  /** The secrets that the request contained. */
  get secrets(): readonly string[] {
    return this.#secrets;
  }

  /** Returns an optional text of the response; `null` if it is absent, empty or no text. */
  text(name: string): string | null {
    const value = this.#reply?.members.get(name);
    return typeof value === "string" && value !== "" ? value : null;
  }

  /** Returns a time of the response in seconds, which some endpoints send as text; `null` unless it is positive. */
  seconds(name: string): number | null {
    const seconds = Number.parseFloat(String(this.#reply?.members.get(name)));
    return Number.isFinite(seconds) && seconds > 0 ? seconds : null;
  }

  /**
   * Sends the form, in the signature of `fetch`. A successful response becomes one of RFC 6749 5.1 without its optional
   * members, because one with an odd value must not cost the tokens. {@link Exchange.reply} has them.
   * @throws as {@link HttpClient} does.
   */
  async fetch(
    url: string,
    { headers, body }: { readonly headers: Record<string, string>; readonly body?: unknown },
  ): Promise<Response> {
    const { http, signal, now } = this.#deps;
    const form = body instanceof URLSearchParams ? body : new URLSearchParams();
    this.#secrets = [...form].flatMap(([name, value]) => (PUBLIC_FIELDS.includes(name) ? [] : [value]));
    const response = await http(
      { url: new URL(url), method: "POST", headers, body: form.toString() },
      { signal, maxResponseBytes: MAX_RESPONSE_BYTES },
    );
    const members = membersOf(await response.clone().text());
    const { status, ok: isSuccessful, headers: own } = response;
    this.#reply = { status, isSuccessful, headers: own, members, arrivedAt: now().getTime() };
    if (!isSuccessful || members.size === 0) return response;
    const others = [...members].filter(
      ([name]) => !UNCHECKED.includes(name) && (name !== "expires_in" || this.seconds(name) !== null),
    );
    return new Response(JSON.stringify(Object.fromEntries(others)), { headers: JSON_CONTENT });
  }
}

function membersOf(text: string): TokenReply["members"] {
  try {
    const value: unknown = JSON.parse(text);
    return new Map(typeof value === "object" && value !== null ? Object.entries(value) : []);
  } catch {
    return new Map();
  }
}

/** Whether the request ended because its time was over, or its caller lost interest. */
export function isTimeout(error: unknown): boolean {
  if (error instanceof HttpError) return error.code === "timeout" || error.code === "cancelled";
  return error instanceof Error && error.name === "TimeoutError";
}
