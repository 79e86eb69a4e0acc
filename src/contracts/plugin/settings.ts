import type { GenericSchema, InferOutput } from "valibot";

/** A setting that an admin can change at run time with `POST /system/setConfig`. Created by `setting()`. */
export interface Setting<S extends GenericSchema = GenericSchema> {
  /** Validates a new value as a parameter is validated: digits become a number, `true` a boolean. */
  readonly schema: S;
  /** Used until an admin sets a value: the host's option, or the plugin's default. */
  readonly fallback: InferOutput<S>;
  readonly description: string;
  /** Whether the value is encrypted in the database and never shown. */
  readonly secret: boolean;
  /** Whether the value names SMTP servers. `GET /plugins/` lists them, and deleting one warns about its users. */
  readonly namesServer: boolean;
  /** Whether the value has no effect without `SEALPOST_BASE_URL`, unless it is false or empty. */
  readonly needsBaseUrl: boolean;
  /**
   * Returns the problem with a valid value that is about to be saved, or `null`. Options and stored values are not checked.
   * @param baseUrl `SEALPOST_BASE_URL`, or empty if not set.
   */
  problemOf(value: InferOutput<S>, baseUrl: string): string | null;
  /** Whether the value names an SMS gateway; if empty, `default`. */
  readonly namesGateway: boolean;
}

/** The settings of a plugin, by the names that clients know. */
export type Settings = Readonly<Record<string, Setting>>;
export type SettingValues<S extends Settings> = { readonly [N in keyof S]: InferOutput<S[N]["schema"]> };

/** Reads the settings of one plugin: the value that an admin set, else the host's option, else the default. */
export interface PluginSettings<S extends Settings> {
  get<N extends keyof S & string>(name: N): Promise<InferOutput<S[N]["schema"]>>;
  /** Every setting of the plugin, with one select. */
  all(): Promise<SettingValues<S>>;
}
