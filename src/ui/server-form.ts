import type { Signal } from "@preact/signals";
import type { DefinitionDetail, DefinitionView } from "../http/smtpserver-schema.ts";

const CENSORED = "__CENSORED__";

export type Encryption = "starttls" | "implicit" | "none";

/** A secret: kept as it is stored, cleared, or changed to a value. */
export interface SecretValue {
  readonly isStored: boolean;
  readonly action: "keep" | "clear" | "change";
  readonly value: string;
  /** Name of the file that the value comes from, which is shown in its place. */
  readonly file?: string;
}

/** The values of the form of a definition, as texts. */
export interface FormValues {
  readonly name: string;
  readonly provider: string;
  readonly server: string;
  readonly port: string;
  readonly encryption: Encryption;
  readonly timeout: string;
  readonly auth: "password" | "oauth2";
  readonly username: string;
  readonly password: SecretValue;
  readonly auth_mechanism: DefinitionDetail["transport"]["auth_mechanism"];
  readonly oauth_flow: DefinitionDetail["auth"]["oauth_flow"];
  readonly oauth_token_url: string;
  readonly oauth_client_id: string;
  readonly oauth_client_secret: SecretValue;
  readonly oauth_service_account: SecretValue;
  readonly oauth_scope: string;
  readonly sender: string;
  readonly description: string;
  readonly enqueue_job: boolean;
  readonly smime: boolean;
  readonly smime_encrypt: boolean;
  readonly dont_send_on_error: boolean;
  readonly private_key: SecretValue;
  readonly private_key_password: SecretValue;
  readonly certificate: string;
  readonly smime_pss: boolean;
  readonly max_connections: string;
  readonly mails_per_minute: string;
  readonly pipelining: DefinitionDetail["transport"]["pipelining"];
}

/** A form that is being edited. */
export interface Form {
  readonly values: Signal<FormValues>;
  /** The last error of the API. */
  readonly error: Signal<unknown>;
  /** The stored version that the form started from; `null` for a new definition. */
  readonly etag: Signal<string | null>;
}

const NEW_SECRET: SecretValue = { isStored: false, action: "change", value: "" };

/** The values of a new definition. */
export const NEW_VALUES: FormValues = {
  name: "",
  provider: "",
  server: "",
  port: "587",
  encryption: "starttls",
  timeout: "10",
  auth: "password",
  username: "",
  password: NEW_SECRET,
  auth_mechanism: "auto",
  oauth_flow: "client_credentials",
  oauth_token_url: "",
  oauth_client_id: "",
  oauth_client_secret: NEW_SECRET,
  oauth_service_account: NEW_SECRET,
  oauth_scope: "",
  sender: "",
  description: "",
  enqueue_job: false,
  smime: false,
  smime_encrypt: false,
  dont_send_on_error: false,
  private_key: NEW_SECRET,
  private_key_password: NEW_SECRET,
  certificate: "",
  smime_pss: false,
  max_connections: "5",
  mails_per_minute: "0",
  pipelining: "auto",
};

/** Returns the values of a stored definition. */
export function toValues(name: string, view: DefinitionView, detail: DefinitionDetail): FormValues {
  const { auth, transport, limits, smime } = detail;
  return {
    name,
    provider: detail.provider,
    ...endpointOf(view),
    timeout: String(view.timeout),
    auth: auth.auth,
    username: view.username,
    password: stored(view.password),
    auth_mechanism: transport.auth_mechanism,
    oauth_flow: auth.oauth_flow,
    oauth_token_url: auth.oauth_token_url,
    oauth_client_id: auth.oauth_client_id,
    oauth_client_secret: stored(auth.oauth_client_secret),
    oauth_service_account: stored(auth.oauth_service_account),
    oauth_scope: auth.oauth_scope,
    sender: view.sender,
    description: view.description,
    enqueue_job: view.enqueue_job,
    smime: view.smime,
    smime_encrypt: smime.smime_encrypt,
    dont_send_on_error: view.dont_send_on_error,
    private_key: stored(view.private_key),
    private_key_password: stored(view.private_key_password),
    certificate: view.certificate,
    smime_pss: smime.smime_pss,
    max_connections: String(limits.max_connections),
    mails_per_minute: String(limits.mails_per_minute),
    pipelining: transport.pipelining,
  };
}

function stored(shown: string): SecretValue {
  return shown === "" ? NEW_SECRET : { isStored: true, action: "keep", value: "" };
}

/** Separates `smtps://host:465` into fields. Other URLs stay as they are. */
function endpointOf({
  server,
  port,
  tls,
}: DefinitionView): Pick<FormValues, "server" | "port" | "encryption"> {
  const [, scheme = "", host = server, own] =
    /^(smtps?):\/\/(\[[^\]]+\]|[^:/]+)(?::(\d+))?$/i.exec(server) ?? [];
  const isImplicit = scheme.toLowerCase() === "smtps";
  const shownPort = own ?? (isImplicit ? "465" : String(port));
  return { server: host, port: shownPort, encryption: isImplicit ? "implicit" : tls ? "starttls" : "none" };
}

/** Whether messages go over the API of a provider, which has no port and no choice of encryption. */
export function isApi(server: string): boolean {
  return /^(graph|ses):/i.test(server.trim());
}

/** The parameters that save the values. */
export function toParameters(values: FormValues) {
  const { name: _, encryption, ...fields } = values;
  const server = values.server.trim();
  return {
    ...fields,
    server: encryption === "implicit" && !isApi(server) ? implicitServer(server, values.port) : server,
    port: Number(values.port),
    tls: encryption !== "none",
    timeout: Number(values.timeout),
    username: values.username.trim(),
    sender: values.sender.trim(),
    max_connections: Number(values.max_connections),
    mails_per_minute: Number(values.mails_per_minute),
    password: secretParameter(values.password),
    oauth_client_secret: secretParameter(values.oauth_client_secret),
    oauth_service_account: secretParameter(values.oauth_service_account),
    private_key: secretParameter(values.private_key),
    private_key_password: secretParameter(values.private_key_password),
  };
}

function implicitServer(server: string, port: string): string {
  if (/^\w+:\/\//.test(server)) return server;
  const host = server.replace(/:\d+$/, "");
  return `smtps://${host.includes(":") && !host.startsWith("[") ? `[${host}]` : host}:${port}`;
}

function secretParameter({ isStored, action, value }: SecretValue): string {
  if (action === "keep") return CENSORED;
  return action === "clear" && isStored ? "" : value;
}

/** Returns the encryption that fits a server and a port, until the user chooses one. */
export function guessEncryption(server: string, port: string): Encryption {
  if (port === "465") return "implicit";
  return /^(localhost|127(\.\d+){3}|\[?::1\]?)(:\d+)?$/i.test(server.trim()) ? "none" : "starttls";
}

/** The fields in which two versions of a definition differ. */
export function differences(mine: FormValues, theirs: FormValues): readonly (keyof FormValues)[] {
  const names = Object.keys(mine) as (keyof FormValues)[];
  return names.filter((name) => shown(mine[name]) !== shown(theirs[name]));
}

/** A secret differs if the form would change it: no one sees its value. */
function shown(value: FormValues[keyof FormValues]): string {
  if (typeof value !== "object") return String(value);
  return value.action === "keep" || value.value === "" ? value.action : "changed";
}
