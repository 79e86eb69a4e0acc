import { readFile } from "node:fs/promises";
import { parseEndpoint, SERVER_FORMS } from "../domain/endpoint.ts";
import { parseMailbox } from "../domain/mailbox.ts";
import type { OAuthFlow } from "../domain/oauth.ts";
import { findProvider, PROVIDERS } from "../domain/providers/index.ts";
import { expectedUsername, type Provider, preferredPort, serverText } from "../domain/providers/provider.ts";
import { SealpostError } from "../errors.ts";
import type { Prompt } from "./prompt.ts";

/** The options that answer questions beforehand, as commander reads them. */
export interface DefinitionOptions {
  readonly provider?: string;
  readonly region?: string;
  readonly server?: string;
  readonly starttls?: "yes" | "no";
  readonly username?: string;
  readonly sender?: string;
  readonly description?: string;
  readonly auth?: "password" | "oauth2";
  readonly flow?: OAuthFlow;
  readonly tenant?: string;
  readonly tokenUrl?: string;
  readonly clientId?: string;
  readonly scope?: string;
  readonly serviceAccount?: string;
}

/** Asks for secrets. */
export interface SecretSource {
  /** @throws {SealpostError} if there is no terminal, and standard input has no secret. */
  read(question: string, options?: { readonly isOptional?: boolean }): Promise<string>;
}

/** Parameters of `POST /smtpserver/<identifier>`. */
type Parameters = Readonly<Record<string, string | boolean | number>>;

/** RFC 6409 3.1. */
const SUBMISSION_PORT = 587;
/** Width of the longest ID of a preset and two blanks. */
const ID_CHARACTERS = 24;

interface Question {
  /** The option that answers it, without dashes. */
  readonly option: string;
  readonly text: string;
  /** The value of the option. */
  readonly given: string | undefined;
  /** Used for an empty entry, and without a terminal. Absent: an entry is required. */
  readonly fallback?: string;
  /** Explains what is wrong with an entry. */
  readonly check?: (entry: string) => string | null;
}

/** Asks for what a definition needs, as far as no option answers it. */
export class DefinitionQuestions {
  readonly #options: DefinitionOptions;
  readonly #prompt: Prompt | null;
  readonly #secrets: SecretSource;

  /** @param prompt `null` without a terminal: then options and defaults are all there is. */
  constructor(options: DefinitionOptions, prompt: Prompt | null, secrets: SecretSource) {
    this.#options = options;
    this.#prompt = prompt;
    this.#secrets = secrets;
  }

  /** @throws {SealpostError} for an invalid option, and for a missing one without a terminal. */
  async parameters(): Promise<Parameters> {
    const id = await this.#provider();
    const preset = findProvider(id);
    const target = preset ? await this.#targetOf(preset) : await this.#target();
    const username = await this.#username(preset);
    const login = username === "" ? {} : await this.#login(preset);
    const sender = await this.#ask({
      option: "sender",
      text: "Sender address",
      given: this.#options.sender,
      fallback: parseMailbox(username) ? username : "",
      check: (entry) => (entry === "" || parseMailbox(entry) ? null : "Expected one mailbox."),
    });
    const { description = "" } = this.#options;
    return { provider: id, ...target, username, ...login, sender, description };
  }

  /** Returns the name of a new definition. @param given the argument of the command. */
  identifier(given: string | undefined, check: Question["check"]): Promise<string> {
    return this.#ask({
      option: "<identifier>",
      text: "Name of the definition",
      given,
      ...(check && { check }),
    });
  }

  async #provider(): Promise<string> {
    const { provider: given } = this.#options;
    if (given === undefined)
      this.#prompt?.show(
        ...Object.entries(PROVIDERS).map(([id, { name }]) => `${id.padEnd(ID_CHARACTERS)}${name}`),
      );
    return this.#ask({
      option: "provider",
      text: "Provider (empty for another one)",
      given,
      fallback: "",
      check: (entry) =>
        entry === "" || findProvider(entry) !== null
          ? null
          : `Expected one of ${Object.keys(PROVIDERS).join(", ")}.`,
    });
  }

  async #targetOf(preset: Provider): Promise<Parameters> {
    const { server } = this.#options;
    if (server !== undefined) return { server };
    const host = await this.#hostOf(preset);
    return { server: serverText({ host, ...preferredPort(preset) }) };
  }

  async #hostOf({ host, regions = {}, hostForm = "" }: Provider): Promise<string> {
    const { region: given } = this.#options;
    const names = Object.keys(regions);
    if (names.length > 0) {
      const usual = Object.entries(regions).find(([, name]) => name === host)?.[0];
      const region = await this.#ask({
        option: "region",
        text: `Region (${names.join(", ")})`,
        given,
        ...(usual !== undefined && { fallback: usual }),
        check: (entry) => (Object.hasOwn(regions, entry) ? null : `Expected one of ${names.join(", ")}.`),
      });
      return regions[region] ?? "";
    }
    if (host !== null) return host;
    return this.#ask({ option: "server", text: `Host (${hostForm})`, given: undefined });
  }

  async #target(): Promise<Parameters> {
    const fields = { port: SUBMISSION_PORT, tls: false };
    const server = await this.#ask({
      option: "server",
      text: "Server, such as mail.example.org or smtps://mail.example.org",
      given: this.#options.server,
      check: (entry) => (parseEndpoint({ ...fields, server: entry }) ? null : `Expected ${SERVER_FORMS}.`),
    });
    const isPlain = parseEndpoint({ ...fields, server })?.security === "none";
    const starttls = isPlain
      ? await this.#choice("starttls", "STARTTLS", this.#options.starttls, ["yes", "no"])
      : "no";
    return { ...fields, server, tls: starttls === "yes" };
  }

  async #username(preset: Provider | null): Promise<string> {
    const { username: given } = this.#options;
    if (preset?.username.rule === "literal") return given ?? preset.username.value;
    const expected = preset ? ` (${expectedUsername(preset.username)})` : " (empty for no login)";
    const isRequired = preset !== null && preset.secret.kind !== "none";
    return this.#ask({
      option: "username",
      text: `Username${expected}`,
      given,
      ...(isRequired ? {} : { fallback: "" }),
      check: (entry) =>
        preset?.username.rule !== "mailbox" || parseMailbox(entry) ? null : "Expected a full email address.",
    });
  }

  async #login(preset: Provider | null): Promise<Parameters> {
    const { kind = "password", expected } = preset?.secret ?? {};
    if (kind === "none") return {};
    const isChoice = kind !== "oauth2" && (preset === null || preset.oauth !== undefined);
    const auth = isChoice
      ? await this.#choice("auth", "Log in with", this.#options.auth, ["password", "oauth2"])
      : (this.#options.auth ?? (kind === "oauth2" ? "oauth2" : "password"));
    if (auth === "oauth2") return { auth, ...(await this.#oauth(preset)) };
    const name =
      kind === "password" || kind === "oauth2" ? "Password" : kind === "api-key" ? "API key" : "App password";
    return { password: await this.#secrets.read(expected ? `${name} (${expected})` : name) };
  }

  async #oauth(preset: Provider | null): Promise<Parameters> {
    const { oauth } = preset ?? {};
    const flows = Object.keys(oauth?.scopes ?? { client_credentials: "", jwt_bearer: "", refresh_token: "" });
    const oauth_flow = await this.#choice("flow", "OAuth flow", this.#options.flow, flows);
    if (oauth_flow === "jwt_bearer")
      return { oauth_flow, oauth_service_account: await this.#serviceAccount() };
    const oauth_token_url = await this.#tokenUrl(oauth?.tokenUrl);
    const oauth_client_id = await this.#ask({
      option: "client-id",
      text: "Client ID",
      given: this.#options.clientId,
    });
    const oauth_scope = await this.#scope(oauth !== undefined);
    const isOptional = oauth_flow === "refresh_token";
    const question = isOptional ? "Client secret (empty for a public client)" : "Client secret";
    const oauth_client_secret = await this.#secrets.read(question, { isOptional });
    return { oauth_flow, oauth_token_url, oauth_client_id, oauth_scope, oauth_client_secret };
  }

  async #scope(hasPreset: boolean): Promise<string> {
    const { scope: given = hasPreset ? "" : undefined } = this.#options;
    return this.#ask({ option: "scope", text: "Scopes, separated by blanks", given, fallback: "" });
  }

  async #tokenUrl(ofPreset: string | undefined): Promise<string> {
    const { tokenUrl: given, tenant } = this.#options;
    if (given !== undefined || ofPreset === undefined)
      return this.#ask({ option: "token-url", text: "Token URL", given });
    if (!ofPreset.includes("{tenant}")) return ofPreset;
    const name = await this.#ask({ option: "tenant", text: "Tenant (ID or domain)", given: tenant });
    return ofPreset.replace("{tenant}", encodeURIComponent(name));
  }

  /** The key file has several lines, so a prompt cannot read it. */
  async #serviceAccount(): Promise<string> {
    const path = await this.#ask({
      option: "service-account",
      text: "Key file of the service account (path of the JSON file)",
      given: this.#options.serviceAccount,
    });
    return readFile(path, "utf8").catch(() => {
      throw new SealpostError("invalid_parameter", `Cannot read ${path}: give the path of the JSON key file`);
    });
  }

  #choice(
    option: string,
    text: string,
    given: string | undefined,
    names: readonly string[],
  ): Promise<string> {
    const [fallback = ""] = names;
    return this.#ask({
      option,
      text: `${text} (${names.join(", ")})`,
      given,
      fallback,
      check: (entry) => (names.includes(entry) ? null : `Expected ${names.join(" or ")}.`),
    });
  }

  async #ask({ option, text, given, fallback, check = () => null }: Question): Promise<string> {
    const checkEntry = (entry: string) =>
      entry === "" && fallback === undefined ? "An entry is required." : check(entry);
    const name = option.startsWith("<") ? option : `--${option}`;
    if (given === undefined && this.#prompt !== null)
      return this.#prompt.ask(text, { ...(fallback !== undefined && { fallback }), check: checkEntry });
    const entry = given ?? fallback;
    if (entry === undefined) throw new SealpostError("missing_parameter", `Missing option: ${name}`);
    const problem = checkEntry(entry);
    if (problem !== null)
      throw new SealpostError("invalid_parameter", `${name}: ${problem.replace(/\.$/, "")}`);
    return entry;
  }
}
