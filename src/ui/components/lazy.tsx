import { signal } from "@preact/signals";
import type { ComponentType } from "preact";
import type { Page, PageProps } from "../router.ts";
import { Loaded, useLoading } from "./loaded.tsx";

/** A page whose code the browser loads when it opens, so that the first view stays small. */
interface LazyPage extends Omit<Page, "View"> {
  readonly load: () => Promise<ComponentType<PageProps>>;
}

/**
 * Creates a page that loads its code when it opens.
 * @example
 * ```ts
 * lazyPage({ name: "mail", load: async () => (await import("./mail.tsx")).MailView });
 * ```
 */
export function lazyPage({ load, ...page }: LazyPage): Page {
  return { ...page, View: lazyView(load).View };
}

/** A component whose code the browser loads when it is needed, or before. */
interface LazyView<P> {
  readonly View: ComponentType<P>;
  /** Loads the code in advance. If that fails, the component tries again when it is shown. */
  preload(): Promise<void>;
}

/** Creates a component that loads its code. */
export function lazyView<P extends object>(load: () => Promise<ComponentType<P>>): LazyView<P> {
  const loaded = signal<ComponentType<P> | null>(null);

  async function keep() {
    loaded.value = await load();
  }

  function Loader() {
    const from = useLoading(keep);
    return <Loaded from={from}>{() => null}</Loaded>;
  }

  function View(props: P) {
    const Code = loaded.value;
    return Code === null ? <Loader /> : <Code {...props} />;
  }

  return { View, preload: () => keep().catch(() => undefined) };
}
