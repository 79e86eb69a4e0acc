import type { ApiDriver, ApiLogin, ApiResponse } from "../mail-api/driver.ts";
import { isAccepted } from "../mail-api/failure.ts";
import { below, isResource, parseJson, textOf } from "../mail-api/format.ts";
import { addressTo } from "./recipients.ts";

const PUBLIC_URL = "https://graph.microsoft.com/v1.0";

/**
 * Microsoft Graph: `sendMail` with a finished message ("Send Outlook messages in MIME format"), which is the only way for
 * a signed one. Graph takes the recipients from the message's header, and keeps a copy in Sent Items.
 */
export const GRAPH: ApiDriver = {
  name: "graph",
  usesToken: true,

  urlOf: ({ apiUrl }) => new URL(apiUrl || PUBLIC_URL),

  async sendRequest({ server, bytes, recipients }, login) {
    const url = below(GRAPH.urlOf(server), `/users/${pathPart(server.username)}/sendMail`);
    const headers = { ...bearer(login), "Content-Type": "text/plain" };
    return { url, method: "POST", headers, body: addressTo(bytes, recipients).toBase64() };
  },

  // A token for Mail.Send alone may not read the user. The rejection of one that is valid has another status than 401.
  async loginRequest(server, login) {
    const url = below(GRAPH.urlOf(server), `/users/${pathPart(server.username)}`);
    return { url, method: "GET", headers: bearer(login), body: "" };
  },

  isLoggedIn(response) {
    const isRejected = [400, 403, 404].includes(response.status) && errorOf(response) !== null;
    return isResource(response) || isRejected;
  },

  readText(response) {
    if (!isAccepted(response.status)) return errorOf(response) ?? "";
    const id = response.headers.get("request-id");
    return id === null ? "" : `request-id ${id}`;
  },
};

function bearer({ accessToken }: ApiLogin): { readonly Authorization: string } {
  return { Authorization: `Bearer ${accessToken?.reveal() ?? ""}` };
}

/** An address is legible in a path (RFC 3986 3.3). */
function pathPart(username: string): string {
  return encodeURIComponent(username).replaceAll("%40", "@");
}

function errorOf({ body }: ApiResponse): string | null {
  const error = parseJson(body).error;
  const { code, message } = typeof error === "object" && error !== null ? { ...EMPTY, ...error } : EMPTY;
  return textOf(code, message);
}

const EMPTY: { readonly code?: unknown; readonly message?: unknown } = {};
