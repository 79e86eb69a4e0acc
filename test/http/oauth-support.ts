import { expect } from "bun:test";
import type { TestInstance } from "../fixtures/instance.ts";
import { CLIENT, type TokenServer } from "../fixtures/token-server.ts";

export const MAILBOX = "mailbox@example.com";
export const CALLBACK = "/oauth/callback";

/** Saves the definition `main`, which logs in at this token server. */
export async function saveMain(instance: TestInstance, server: TokenServer, own: object = {}): Promise<void> {
  const json = {
    server: "smtps://mail.example.org",
    username: MAILBOX,
    auth: "oauth2",
    oauth_flow: "refresh_token",
    oauth_token_url: server.tokenUrl,
    oauth_client_id: CLIENT.id,
    oauth_client_secret: CLIENT.secret,
    oauth_scope: "mail offline_access",
    ...own,
  };
  const saved = await instance.request("POST", "/smtpserver/main", { json });
  expect(saved.value).toBe(true);
}

/** Starts a sign-in and returns the URL to open. */
export async function start(instance: TestInstance, token?: string): Promise<URL> {
  const path = "/smtpserver/main/oauth/start";
  const { value, text } = await instance.request("POST", path, token === undefined ? {} : { token });
  if (typeof value !== "string") throw new Error(`The sign-in did not start: ${text}`);
  return new URL(value);
}

/** Opens a URL as the browser of the mailbox's owner, and returns the path with which the provider sends it back. */
export async function consent(url: URL): Promise<string> {
  const { headers } = await fetch(url, { redirect: "manual" });
  const { pathname, search } = new URL(headers.get("location") ?? "");
  return pathname + search;
}

/** Sends the browser back, without a token. */
export function callback(instance: TestInstance, path: string, headers: Record<string, string> = {}) {
  return instance.request("GET", path, { token: null, headers });
}

/** Returns `detail.auth.oauth_refresh_token`: censored, or empty. */
export async function storedToken(instance: TestInstance): Promise<unknown> {
  const { detail } = await instance.request("GET", "/smtpserver/main");
  const auth = detail?.auth as Record<string, unknown> | undefined;
  return auth?.oauth_refresh_token;
}
