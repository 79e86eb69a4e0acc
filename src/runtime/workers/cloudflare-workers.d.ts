/** The part of Cloudflare's own module that Sealpost uses. */
declare module "cloudflare:workers" {
  /** The bindings, the same that every invocation receives. */
  export const env: Readonly<Record<string, unknown>>;
  /** Keeps the current invocation alive until this promise settles. */
  export function waitUntil(promise: Promise<unknown>): void;
}
