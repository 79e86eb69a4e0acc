import { directory } from "sealpost/plugins/directory";
import type { Plugin } from "../contracts/plugin.ts";

/** What the server has on by itself, each with its default options. */
export const STANDARD_PLUGINS: readonly Plugin[] = [directory()];
