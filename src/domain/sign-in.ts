/** The fields of a definition on which a sign-in depends. */
interface SignInFields {
  readonly oauthAuthorizationUrl: string;
  readonly oauthDeviceUrl: string;
  readonly username: string;
  /** Scopes of the definition, separated by blanks. Empty: those of the provider. */
  readonly oauthScope: string;
  /** Effective URL of the token endpoint. */
  readonly tokenUrl: string;
  /** Whether the definition sends by Microsoft Graph instead of SMTP. */
  readonly isGraph: boolean;
}

/** The part of a preset that is for signing in. URLs may contain `{tenant}`, which only the definition knows. */
interface SignInPreset {
  readonly authorizationUrl: string;
  readonly deviceUrl?: string;
  /** Scopes by flow. */
  readonly scopes: { readonly refresh_token?: string };
}

/** How an admin signs in for a definition. */
export interface SignIn {
  /** URL of the authorization endpoint; `null` if it is unknown. */
  readonly authorizationUrl: string | null;
  /** URL of the device authorization endpoint (RFC 8628 3.1); `null` if it is unknown. */
  readonly deviceUrl: string | null;
  /** Scopes to ask for, separated by blanks. */
  readonly scope: string;
  /** Parameters of the authorization request besides those of RFC 6749. */
  readonly parameters: Readonly<Record<string, string>>;
}

/** Facts about an identity provider that no RFC has. */
interface IdentityProvider {
  /** Hosts of its authorization endpoints. */
  readonly hosts: readonly string[];
  /** Scope of SMTP for a user, if neither definition nor preset name one. */
  readonly mailScope: string;
  /** Scopes to add: for an ID token, and for a refresh token where that needs one. */
  readonly scopes: readonly string[];
  readonly parameters: Readonly<Record<string, string>>;
}

const GRAPH_SCOPE = "https://graph.microsoft.com/Mail.Send";
/** OpenID Connect Core 5.4: the ID token names the mailbox. */
const ID_SCOPES = ["openid", "email"] as const;
/** Microsoft adds `preferred_username` for `profile` only. */
const MICROSOFT = { scopes: ["openid", "profile", "email", "offline_access"], parameters: {} } as const;

const IDENTITY_PROVIDERS: readonly IdentityProvider[] = [
  {
    ...MICROSOFT,
    hosts: ["login.microsoftonline.com"],
    mailScope: "https://outlook.office.com/SMTP.Send",
  },
  {
    ...MICROSOFT,
    hosts: ["login.microsoftonline.us"],
    mailScope: "https://outlook.office365.us/SMTP.Send",
  },
  {
    ...MICROSOFT,
    hosts: ["login.partner.microsoftonline.cn"],
    mailScope: "https://partner.outlook.cn/SMTP.Send",
  },
  {
    hosts: ["accounts.google.com"],
    mailScope: "https://mail.google.com/",
    scopes: ID_SCOPES,
    // Without these, Google issues a refresh token at the first consent only, or never.
    parameters: { access_type: "offline", prompt: "consent" },
  },
];
const OTHER: IdentityProvider = { hosts: [], mailScope: "", scopes: ID_SCOPES, parameters: {} };

/** The end of the path of a token URL. */
const TOKEN_PATH = /\/token\/?$/;

/** Returns how an admin signs in: by what the definition names, else by its preset, else by what its token URL implies. */
export function signInOf(fields: SignInFields, preset: SignInPreset | null): SignIn {
  const authorizationUrl =
    fields.oauthAuthorizationUrl ||
    (completeUrl(preset?.authorizationUrl) ?? siblingOf(fields.tokenUrl, "/authorize"));
  const deviceUrl =
    fields.oauthDeviceUrl || (completeUrl(preset?.deviceUrl) ?? siblingOf(fields.tokenUrl, "/devicecode"));
  const hosts = [authorizationUrl, preset?.authorizationUrl].map((url) => URL.parse(url ?? "")?.hostname);
  const provider = IDENTITY_PROVIDERS.find((one) => one.hosts.some((host) => hosts.includes(host))) ?? OTHER;
  const mailScope = fields.isGraph ? GRAPH_SCOPE : (preset?.scopes.refresh_token ?? provider.mailScope);
  const scopes = [...(fields.oauthScope.trim() || mailScope).split(/\s+/), ...provider.scopes];
  return {
    authorizationUrl,
    deviceUrl,
    scope: [...new Set(scopes)].filter((scope) => scope !== "").join(" "),
    parameters: { ...provider.parameters, login_hint: fields.username },
  };
}

function completeUrl(url: string | undefined): string | null {
  return url === undefined || url.includes("{") ? null : url;
}

/** Returns the URL next to a token endpoint; `null` if the path of that does not end in `/token`. */
function siblingOf(tokenUrl: string, path: string): string | null {
  const url = URL.parse(tokenUrl);
  if (url === null || !TOKEN_PATH.test(url.pathname)) return null;
  url.pathname = url.pathname.replace(TOKEN_PATH, path);
  return url.href;
}
