import type { Plugin, PluginInstance, ValidOptions } from "../contracts/plugin/definition.ts";
import type { Route } from "../contracts/route.ts";
import { generateKey, parseKeyring } from "../secrets/keyring.ts";
import { declaredPath } from "../wire/route.ts";
import { countedDatabase, type RoundTrips } from "./counted-database.ts";
import {
  nameOf,
  optionProblems,
  rightProblems,
  routeProblems,
  settingProblems,
  tableProblems,
} from "./plugin-checks.ts";
import { type TestSealpost, testSealpost } from "./test-sealpost.ts";

/** Settings of {@link testPlugin}, all optional. */
export interface TestPluginOptions {
  /** Returns the plugins that this one requires. Called at each start. Default: none. */
  readonly needs?: () => readonly Plugin[];
  /** Calls the routes of the plugin with `request`, which counts their round trips. Default: no route is called. */
  readonly exercise?: (instance: TestSealpost) => Promise<void>;
  /** Receives a line for each route that was called. Default: `console.info`. */
  readonly print?: (line: string) => void;
}

/** The result of {@link testPlugin}. */
export interface PluginReport {
  /** One sentence for each promise that the plugin does not keep. Empty if it keeps all. */
  readonly problems: readonly string[];
  /**
   * The costs of each route that was called, by its name in the audit log, such as `POST /notice`. Of several calls the
   * last one counts: the first also reads what the instance then keeps in memory.
   */
  readonly roundTrips: Readonly<Record<string, RoundTrips>>;
}

/**
 * Checks that a plugin keeps the contract, with instances in memory, and counts the round trips of its routes to the
 * database. The plugin rejects unknown options and starts twice on one database. Its tables, rights and settings are as
 * declared. Its routes declare their responses, are in the OpenAPI document, and need a token unless they are open. It
 * closes without an error. Works with every test runner.
 * @param factory the result of `definePlugin`.
 * @param options valid options.
 * @example
 * ```ts
 * test("notice keeps the contract of plugins", async () => {
 *   const exercise = async (mail: TestSealpost) => {
 *     await mail.request("/notice", { json: { text: "Hello" } });
 *   };
 *   const { problems } = await testPlugin(notice, { to: "ops@example.org" }, { exercise });
 *   expect(problems).toEqual([]);
 * });
 * ```
 */
export async function testPlugin<O>(
  factory: (options: O) => Plugin,
  options: O,
  { needs = () => [], exercise, print = console.info }: TestPluginOptions = {},
): Promise<PluginReport> {
  const plugin = factory(options);
  const valid = plugin.validate();
  if (!("setup" in valid)) {
    return { problems: [`The options are invalid: ${valid.problems.join("; ")}.`], roundTrips: {} };
  }
  const problems = [...optionProblems(factory, options), ...settingProblems(valid.settings)];
  const watched = watch(plugin, valid);
  const { database, count } = countedDatabase();
  const keyring = parseKeyring(generateKey("test", { randomBytes }));
  const start = () => testSealpost({ database, keyring, plugins: [...needs(), watched.plugin] });
  const roundTrips = new Map<string, RoundTrips>();
  try {
    await using instance = await start();
    const { routes } = watched;
    problems.push(...(await tableProblems(plugin, database)));
    problems.push(...(await rightProblems(plugin, instance)));
    problems.push(...(await routeProblems(routes, instance)));
    await exercise?.({ ...instance, request: counting(instance, { routes, count, roundTrips }) });
    await using again = await start();
    await again.settled();
  } catch (error) {
    problems.push(`The plugin failed: ${String(error)}.`);
  }
  for (const [route, { reads, commits }] of roundTrips) {
    print(`${plugin.name}: ${route}: ${reads} reads, ${commits} commits`);
  }
  return { problems: [...problems, ...watched.failures], roundTrips: Object.fromEntries(roundTrips) };
}

const randomBytes = (length: number) => crypto.getRandomValues(new Uint8Array(length));

/** Returns the plugin with its setup watched: which routes it has, and whether it closes. */
function watch(plugin: Plugin, valid: ValidOptions) {
  const watched = { routes: [] as readonly Route[], failures: new Set<string>(), plugin };
  const closing = (close: NonNullable<PluginInstance["close"]>) => async () => {
    try {
      await close();
    } catch (error) {
      watched.failures.add(`close failed: ${String(error)}.`);
    }
  };
  const setup: ValidOptions["setup"] = (context) => {
    const instance = valid.setup(context);
    watched.routes = instance.routes ?? [];
    return { ...instance, ...(instance.close && { close: closing(instance.close) }) };
  };
  watched.plugin = { ...plugin, validate: () => ({ ...valid, setup }) };
  return watched;
}

interface Counting {
  readonly routes: readonly Route[];
  readonly count: () => RoundTrips;
  readonly roundTrips: Map<string, RoundTrips>;
}

/** Returns a `request` that counts what each route costs, with the work that continues after its response. */
function counting(instance: TestSealpost, { routes, count, roundTrips }: Counting): TestSealpost["request"] {
  return async (path, init = {}) => {
    await instance.settled();
    const before = count();
    const response = await instance.request(path, init);
    await instance.settled();
    const after = count();
    const method = init.method ?? (init.json === undefined ? "GET" : "POST");
    const { pathname } = new URL(path, "http://localhost");
    const route = routes.find(
      ({ declaration }) => declaration.method === method && patternOf(declaration.path).test(pathname),
    );
    if (route !== undefined) {
      const costs = { reads: after.reads - before.reads, commits: after.commits - before.commits };
      roundTrips.set(nameOf(route), costs);
    }
    return response;
  };
}

/** Returns a pattern of the paths that belong to a route. A final slash may be missing. */
function patternOf(path: string): RegExp {
  const escaped = declaredPath(path).replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&");
  return new RegExp(`^${escaped.replaceAll(/<\w+>/g, "[^/]+").replace(/\/$/, "")}/?$`);
}
