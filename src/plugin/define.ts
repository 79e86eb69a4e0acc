import * as v from "valibot";
import type { PluginContext } from "../contracts/plugin/context.ts";
import type {
  Plugin,
  PluginDefinition,
  PluginFactory,
  ValidOptions,
} from "../contracts/plugin/definition.ts";
import type { Setting, Settings } from "../contracts/plugin/settings.ts";
import { suggestion } from "../domain/nearest.ts";

/**
 * Defines a plugin: a function from its options to a {@link Plugin}. Nothing is validated or built before an instance is
 * created with it.
 * @example
 * ```ts
 * export const notify = definePlugin({
 *   name: "notify",
 *   options: v.object({ server: v.optional(v.string(), "") }),
 *   setup: (ctx, options) => ({ routes: notifyRoutes(ctx, options) }),
 * });
 * ```
 */
export function definePlugin<
  const S extends v.GenericSchema,
  const K extends Settings = Readonly<Record<never, Setting>>,
>(definition: PluginDefinition<S, K>): PluginFactory<S> {
  const { options: schema, settings, setup, ...rest } = definition;
  return (...[input = {}]): Plugin => {
    let valid: ValidOptions | undefined;
    const validated = (): ReturnType<Plugin["validate"]> => {
      const result = v.safeParse(schema, input);
      const problems = [...unknownOptions(schema, input), ...(result.issues ?? []).map(describe)];
      if (!result.success || problems.length > 0) return { problems };
      valid = {
        problems: [],
        settings: settings?.(result.output) ?? {},
        setup: (ctx) => setup(ctx as PluginContext<K>, result.output),
      };
      return valid;
    };
    // Once for all instances: a Durable Object that was idle starts again in an isolate that has the plugin.
    return { ...rest, validate: () => valid ?? validated() };
  };
}

/**
 * Defines a setting that an admin can change at run time.
 * @param fallback used until then: an option, whose default is the plugin's.
 */
export function setting<const S extends v.GenericSchema>(
  schema: S,
  fallback: v.InferOutput<S>,
  about: Pick<Setting, "description"> &
    Partial<Pick<Setting<S>, "secret" | "namesServer" | "namesGateway" | "needsBaseUrl" | "problemOf">>,
): Setting<S> {
  const nothing = { secret: false, namesServer: false, namesGateway: false, needsBaseUrl: false };
  return { ...nothing, problemOf: () => null, ...about, schema, fallback };
}

/** Rejects unknown options whatever the schema says: a misspelled option would silently have no effect. */
function unknownOptions(schema: v.GenericSchema, input: unknown): string[] {
  if (!("entries" in schema) || typeof input !== "object" || input === null) return [];
  const known = Object.keys(schema.entries as object);
  const unknown = Object.keys(input).filter((name) => !known.includes(name));
  return unknown.map((name) => `${name}: there is no such option${suggestion(name, known)}`);
}

function describe(issue: v.BaseIssue<unknown>): string {
  // The text of the schema is not meant for a user.
  const problem = issue.received === "undefined" ? "this option is required" : issue.message;
  return `${v.getDotPath(issue) ?? "options"}: ${problem}`;
}
