import { signal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { common } from "../i18n/common.ts";

interface PageFrameProps {
  readonly title: string;
  /** A line below the title. */
  readonly subtitle?: ComponentChildren;
  /** Buttons next to the title. */
  readonly actions?: ComponentChildren;
  readonly children: ComponentChildren;
}

/** The frame of one page: its heading, which gets the focus when the page opens, and its actions. */
export function PageFrame({ title, subtitle, actions, children }: PageFrameProps) {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => heading.current?.focus(), []);
  useEffect(() => {
    document.title = `${title} · ${common().product}`;
  }, [title]);
  return (
    <>
      <div class="page-head">
        <div>
          <h1 ref={heading} tabIndex={-1}>
            {title}
          </h1>
          {subtitle && <p class="subtitle">{subtitle}</p>}
        </div>
        {actions && <div class="actions">{actions}</div>}
      </div>
      {children}
    </>
  );
}

const announced = signal("");

/** Lets screen readers read a text, such as the result of an action. */
export function announce(text: string): void {
  announced.value = text;
}

/** The live region of the page, which screen readers read aloud. */
export function Announcer() {
  return (
    <p class="visually-hidden" aria-live="polite">
      {announced}
    </p>
  );
}
