import type { Directory } from "../directory.ts";
import type { Sms } from "../sms.ts";

/**
 * Objects that one plugin provides and others use, by name. A plugin adds its own:
 * `declare module "sealpost/plugin" { interface Capabilities { push: Push } }`.
 */
export interface Capabilities {
  directory: Directory;
  sms: Sms;
}
export type CapabilityName = keyof Capabilities & string;

/** The capabilities of other plugins. These are the only functions of a context that `setup` may call. */
export interface PluginCapabilities {
  /** Returns a capability of another plugin. The name must be listed in `requires`. */
  use<N extends CapabilityName>(name: N): Capabilities[N];
  /** The same for a name listed in `optional`; returns `null` if no plugin provides it. */
  find<N extends CapabilityName>(name: N): Capabilities[N] | null;
}
