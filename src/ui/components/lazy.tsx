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
  const loaded = signal<ComponentType<PageProps> | null>(null);

  function Loader() {
    const from = useLoading(async () => {
      loaded.value = await load();
    });
    return <Loaded from={from}>{() => null}</Loaded>;
  }

  function View(props: PageProps) {
    const Code = loaded.value;
    return Code === null ? <Loader /> : <Code {...props} />;
  }

  return { ...page, View };
}
