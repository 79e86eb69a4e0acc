import type { PluginConfig } from "../plugin-list.ts";

/** A Worker is built with the `sealpost.config.ts` that lies beside it in place of this. */
const CONFIG: PluginConfig = {};

export default CONFIG;
