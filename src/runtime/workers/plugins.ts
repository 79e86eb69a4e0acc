import type { PluginConfig } from "../default-plugins.ts";

/** Placeholder: the build of a Worker replaces this file with `sealpost.config.ts`, if there is one. */
const CONFIG: PluginConfig = {};

export default CONFIG;
