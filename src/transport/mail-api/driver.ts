import type { HttpRequest } from "../../contracts/http-client.ts";
import type { JointDelivery } from "../../contracts/transport.ts";
import type { Secret } from "../../domain/secret.ts";
import type { ConnectionSettings, MailApi } from "../../domain/smtp-server.ts";

/** The parts of a login that a definition does not have. */
export interface ApiLogin {
  /** `null` for an API that takes none. */
  readonly accessToken: Secret | null;
  readonly now: Date;
}

/** A response with its body as text. */
export interface ApiResponse {
  readonly status: number;
  readonly headers: Headers;
  /** `null` if it was lost. */
  readonly body: string | null;
}

/** One mail API: its requests, and how its responses are read. */
export interface ApiDriver {
  readonly name: MailApi;
  /** Whether it takes an access token. Otherwise it takes username and password. */
  readonly usesToken: boolean;
  /** Returns the base URL of a definition's API. */
  urlOf(server: ConnectionSettings): URL;
  /** Returns the request that sends a message. */
  sendRequest(delivery: JointDelivery, login: ApiLogin): Promise<HttpRequest>;
  /** Returns a request that sends nothing, and that the API rejects only if the login is wrong. */
  loginRequest(server: ConnectionSettings, login: ApiLogin): Promise<HttpRequest>;
  /** Whether the response to it proves that the login is right, although the request may not be allowed. */
  isLoggedIn(response: ApiResponse): boolean;
  /**
   * Returns the text of a reply: what identifies an accepted message, or `<name of the error>: <message>`. Empty for any
   * other body, so that `api_url` cannot be used to read what other services say.
   */
  readText(response: ApiResponse): string;
}
