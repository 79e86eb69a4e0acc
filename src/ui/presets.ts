import { api, call } from "./api.ts";
import type { Encryption, FormValues } from "./server-form.ts";

/** Presets of providers by ID. */
export type Presets = Awaited<ReturnType<typeof loadPresets>>;
export type Preset = Presets[string];

export async function loadPresets() {
  const { value } = await call(api.provider.$get({}));
  return value;
}

const ENCRYPTIONS: Readonly<Record<Preset["tls"], Encryption>> = {
  implicit: "implicit",
  starttls: "starttls",
  none: "none",
};

/** Returns the values that a preset fills in; without a preset, only the empty ID. */
export function applyPreset(id: string, preset: Preset | undefined): Partial<FormValues> {
  if (preset === undefined) return { provider: id };
  const { host, port, tls, username, secret, limits, oauth } = preset;
  const usesTokens = secret.kind === "oauth2";
  return {
    provider: id,
    server: host ?? "",
    port: String(port),
    encryption: ENCRYPTIONS[tls],
    ...(username.value !== null && { username: username.value }),
    auth: usesTokens ? "oauth2" : "password",
    ...(usesTokens && oauth && { oauth_token_url: oauth.token_url }),
    ...(limits.max_connections !== undefined && { max_connections: String(limits.max_connections) }),
    ...(limits.mails_per_minute !== undefined && { mails_per_minute: String(limits.mails_per_minute) }),
  };
}
