/** What of Cloudflare's own module is used; workerd has it. */
declare module "cloudflare:workers" {
  /** The bindings, as every event gets them, too. */
  export const env: Readonly<Record<string, unknown>>;
  /** Has the event that is under way go on until this is done. */
  export function waitUntil(promise: Promise<unknown>): void;
}
