import * as v from "valibot";
import type {
  ConfigKey,
  ConfigKeys,
  Plugin,
  PluginContext,
  PluginDefinition,
  PluginFactory,
} from "../contracts/plugin.ts";

/**
 * Defines a plugin: a function from its options to what is registered. Nothing is checked or built before an instance
 * is made of it.
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
  const K extends ConfigKeys = Readonly<Record<never, ConfigKey>>,
>(definition: PluginDefinition<S, K>): PluginFactory<S> {
  const { options: schema, config, setup, ...rest } = definition;
  return (...[input = {}]): Plugin => ({
    ...rest,
    check() {
      const result = v.safeParse(schema, input);
      const problems = [...unknownOptions(schema, input), ...(result.issues ?? []).map(describe)];
      if (!result.success || problems.length > 0) return { problems };
      const keys = config?.(result.output) ?? {};
      return {
        problems: [],
        config: keys,
        setup: (ctx) => setup(ctx as PluginContext<K>, result.output),
      };
    },
  });
}

/**
 * A setting for the admin at run time.
 * @param fallback what holds until then: an option, whose default is the plugin's.
 */
export function configKey<const S extends v.GenericSchema>(
  schema: S,
  fallback: v.InferOutput<S>,
  said: { readonly description: string; readonly secret?: boolean; readonly namesServer?: boolean },
): ConfigKey<S> {
  return { secret: false, namesServer: false, ...said, schema, fallback };
}

/** Whatever the schema says of them: a misspelt option would otherwise be silently without effect. */
function unknownOptions(schema: v.GenericSchema, input: unknown): string[] {
  if (!("entries" in schema) || typeof input !== "object" || input === null) return [];
  const known = Object.keys(schema.entries as object);
  const unknown = Object.keys(input).filter((name) => !known.includes(name));
  return unknown.map((name) => `${name}: there is no such option`);
}

function describe(issue: v.BaseIssue<unknown>): string {
  return `${v.getDotPath(issue) ?? "options"}: ${issue.message}`;
}
