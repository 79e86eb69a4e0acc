import type { Command } from "commander";
import { API_KEY } from "../domain/api-key.ts";
import { type AdminName, displayName } from "../domain/names.ts";
import { isSafeUrl } from "../domain/network.ts";
import { formatOwner, OWNER_HEADER } from "../domain/operator-call.ts";
import { SealpostError } from "../errors.ts";
import { cliCommand } from "../runtime/platform.ts";
import { internalsOf } from "../sealpost.ts";
import { type Api, ApiError, createApi, type Send } from "./api.ts";
import { operatorKeys, signing } from "./operator.ts";
import { type Output, show } from "./output.ts";
import { commandLineActor, type Session, withInstance } from "./session.ts";
import { readFirstLine } from "./stdin.ts";

/** Options of every command. */
interface GlobalOptions {
  readonly url?: string;
  readonly keyStdin?: boolean;
  readonly json?: boolean;
}

/** Time limit of a request, in milliseconds: a test of a slow mail server takes minutes. */
const REQUEST_MS = 300_000;
const KEY_NAME = "SEALPOST_API_KEY";

/**
 * Runs a command that uses the API: of the instance that the settings describe, in this process, or of the one at `--url`.
 * @param owner the admin that it acts for without an API key. Default: none, only the operator.
 */
export async function runOnApi(
  command: Command,
  run: (api: Api) => Promise<Output>,
  owner: AdminName | null = null,
): Promise<void> {
  const { url, keyStdin = false } = globalOptionsOf(command);
  const here = () => withInstance(async (session) => run(await localApi(session, actionOf(command), owner)));
  const output = url === undefined ? await here() : await run(await remoteApi(url, keyStdin, owner));
  show(output, globalOptionsOf(command).json);
}

/** Runs a command that uses the database itself. */
export async function runOnDatabase(
  command: Command,
  run: (session: Session) => Promise<Output>,
): Promise<void> {
  show(await withInstance(run), globalOptionsOf(command).json);
}

/** Declares that a command, or all of its commands, do not work over HTTP. */
export function needsDatabase(command: Command): Command {
  return command.hook("preAction", (_, action) => {
    if (globalOptionsOf(action).url === undefined) return;
    const name = actionOf(action);
    throw new ApiError(`"${name}" needs the database: run it without --url, where the server's settings are`);
  });
}

export function globalOptionsOf(command: Command): GlobalOptions {
  return command.optsWithGlobals<GlobalOptions>();
}

/** The names of a command, such as `admin add`. */
function actionOf(command: Command): string {
  const { parent } = command;
  return parent === null || parent.parent === null ? command.name() : `${actionOf(parent)} ${command.name()}`;
}

/** The operator has the database, so no right is missing. */
async function localApi(
  { sealpost, services }: Session,
  action: string,
  owner: AdminName | null,
): Promise<Api> {
  const actor = commandLineActor(action);
  const adminId = owner === null ? "" : await adminIdOf(services, owner);
  const principal = { adminId, username: actor.administrator, realm: "", generation: 0, apiKey: null };
  const app = internalsOf(sealpost).operatorApp({ actor, principal });
  return createApi(async (path, init) => app.request(`/${path}`, init));
}

/** @throws {SealpostError} `resource_not_found`. */
async function adminIdOf({ admins }: Session["services"], name: AdminName): Promise<string> {
  const found = (await admins.list()).find(
    ({ username, realm }) => username === name.username && realm === name.realm,
  );
  if (found) return found.id;
  throw new SealpostError("resource_not_found", `There is no admin ${displayName(name)}`);
}

/** Whether a command acts for the admin of an API key, rather than for the operator. */
export function usesApiKey(command: Command): boolean {
  const { url, keyStdin = false } = globalOptionsOf(command);
  return url !== undefined && (keyStdin || Boolean(process.env[KEY_NAME]) || operatorKeys() === null);
}

async function remoteApi(url: string, keyStdin: boolean, owner: AdminName | null): Promise<Api> {
  const base = baseOf(url);
  const keys = keyStdin || process.env[KEY_NAME] ? null : operatorKeys();
  if (keys !== null) {
    const named: Record<string, string> = owner === null ? {} : { [OWNER_HEADER]: formatOwner(owner) };
    const send = signing(sendTo(base), base, keys);
    return createApi((path, { headers, ...init }) =>
      send(`operator/api/${path}`, { ...init, headers: { ...headers, ...named } }),
    );
  }
  const key = keyStdin ? await readFirstLine() : (process.env[KEY_NAME] ?? "");
  if (!API_KEY.test(key)) {
    const place = keyStdin ? "the first line of standard input" : KEY_NAME;
    throw new ApiError(
      `Expected an API key in ${place}: "${cliCommand()} apikey create" prints one; for a Worker, SEALPOST_KEYS serves as well`,
    );
  }
  const send = sendTo(base);
  return createApi((path, { headers, ...init }) =>
    send(path, { ...init, headers: { ...headers, authorization: `Bearer ${key}` } }),
  );
}

/**
 * Returns the tasks of the operator at a URL, for what no API key may do.
 * @throws {ApiError} without keys in the environment.
 */
export function operatorTasks(command: Command, url: string): Api {
  const base = baseOf(url);
  const keys = operatorKeys();
  if (keys !== null) return createApi(signing(sendTo(base), base, keys));
  throw new ApiError(`"${actionOf(command)}" with --url needs the keys of that instance: set SEALPOST_KEYS`);
}

function baseOf(url: string): string {
  if (!isSafeUrl(url)) throw new ApiError("--url: expected https://…, or http:// on a loopback address");
  return url.endsWith("/") ? url : `${url}/`;
}

function sendTo(base: string): Send {
  return async (path, init) => {
    const response = await fetch(new URL(path, base), {
      ...init,
      // The credential is for this URL only.
      redirect: "manual",
      signal: AbortSignal.timeout(REQUEST_MS),
    }).catch((cause) => {
      throw new ApiError(`Cannot reach ${new URL(base).host}: ${reasonOf(cause)}`, { cause });
    });
    const location = response.headers.get("location");
    if (location !== null) throw new ApiError(`${base} redirects to ${location}: give that URL`);
    return response;
  };
}

/** Node has the reason in the cause. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? error.cause.message : error.message;
}
