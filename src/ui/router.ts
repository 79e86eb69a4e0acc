import { signal } from "@preact/signals";
import type { ComponentType } from "preact";
import { hasUnsaved, leaving } from "./unsaved.ts";

/** One page. `pages/index.ts` lists them all. */
export interface Page {
  /** First segment of its address: `#/servers`. */
  readonly name: string;
  /** Its link in the navigation. Pages without one are reached from others. */
  readonly label?: () => string;
  /** Name of the page whose link is marked while this one is open. Default: its own. */
  readonly parent?: string;
  /** The right without which the page is not offered. */
  readonly right?: string;
  readonly View: ComponentType<PageProps>;
}

export interface PageProps {
  /** The other segments of the address, decoded. */
  readonly args: readonly string[];
}

/** The segments of the current address after `#/`. */
export const segments = signal<readonly string[]>(read());

/** The address that {@link segments} were read from. */
let current = location.hash;

addEventListener("hashchange", () => {
  if (location.hash === current) return;
  if (hasUnsaved()) {
    const wanted = location.hash;
    leaving.value = () => {
      location.hash = wanted;
    };
    history.replaceState(null, "", current === "" ? "#/" : current);
    return;
  }
  current = location.hash;
  segments.value = read();
});

/** Returns the address of a page, for `href`. */
export function to(...path: readonly string[]): string {
  return `#/${path.map(encodeURIComponent).join("/")}`;
}

/** Opens a page. */
export function open(...path: readonly string[]): void {
  location.hash = to(...path);
}

function read(): string[] {
  return location.hash
    .replace(/^#\/?/, "")
    .split("/")
    .filter((segment) => segment !== "")
    .map((segment) => {
      try {
        return decodeURIComponent(segment);
      } catch {
        // An address that was typed.
        return segment;
      }
    });
}
