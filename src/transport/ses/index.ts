import type { HttpRequest } from "../../contracts/http-client.ts";
import type { ConnectionSettings } from "../../domain/smtp-server.ts";
import type { ApiDriver, ApiLogin, ApiResponse } from "../mail-api/driver.ts";
import { isAccepted } from "../mail-api/failure.ts";
import { below, isResource, parseJson, textOf } from "../mail-api/format.ts";
import { signRequest } from "./signature.ts";

/** Amazon SES: `SendEmail` of the API v2 with a finished message. It goes to the destinations of the request only. */
export const SES: ApiDriver = {
  name: "ses",
  usesToken: false,

  urlOf: ({ apiUrl, host: region }) => new URL(apiUrl || `https://email.${region}.amazonaws.com`),

  sendRequest({ server, from, recipients, bytes }, login) {
    const body = JSON.stringify({
      ...(from !== "" && { FromEmailAddress: from }),
      Destination: { ToAddresses: recipients },
      Content: { Raw: { Data: bytes.toBase64() } },
    });
    return signed("/v2/email/outbound-emails", { method: "POST", body }, server, login);
  },

  loginRequest: (server, login) => signed("/v2/email/account", { method: "GET", body: "" }, server, login),

  // The request needs a right that sending does not need.
  isLoggedIn: (response) => isResource(response) || /^AccessDenied/.test(errorOf(response) ?? ""),

  readText(response) {
    if (!isAccepted(response.status)) return errorOf(response) ?? "";
    const id = messageIdOf(response.body);
    return id === null ? "" : `MessageId ${id}`;
  },
};

function signed(
  path: string,
  { method, body }: Pick<HttpRequest, "method" | "body">,
  server: ConnectionSettings,
  { now }: ApiLogin,
): Promise<HttpRequest> {
  const { host: region, username, password } = server;
  const url = below(SES.urlOf(server), path);
  const request = { url, method, headers: { "Content-Type": "application/json" }, body };
  return signRequest(request, { accessKeyId: username, secretKey: password, region, service: "ses", now });
}

function messageIdOf(body: string | null): string | null {
  const { MessageId: id } = parseJson(body);
  return typeof id === "string" ? id : null;
}

/** The name of the error is in a field, with a URL behind it, or in the body, with a namespace before it. */
function errorOf({ headers, body }: ApiResponse): string | null {
  const { __type: type, code, message, Message } = parseJson(body);
  const field = headers.get("x-amzn-errortype")?.split(":")[0];
  const name = field ?? (typeof type === "string" ? type.split("#").at(-1) : code);
  return textOf(name, message ?? Message);
}
