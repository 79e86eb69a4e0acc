import { type HttpClient, HttpError } from "../contracts/http-client.ts";

/** A response of a token endpoint. */
interface TokenReply {
  readonly status: number;
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

  /**
   * Sends the form, in the signature of `fetch`. An ID token is left out of the response: its issuer is unknown here, and
   * a mail server has no use for it. {@link Exchange.reply} has it.
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
    this.#reply = { status: response.status, headers: response.headers, members, arrivedAt: now().getTime() };
    if (!members.has("id_token")) return response;
    const others = [...members].filter(([name]) => name !== "id_token");
    const text = JSON.stringify(Object.fromEntries(others));
    return new Response(text, { status: response.status, headers: JSON_CONTENT });
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
