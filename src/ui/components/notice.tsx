import type { ComponentChildren } from "preact";
import { errorText } from "../i18n/errors.ts";

interface NoticeProps {
  readonly kind: "error" | "warn" | "ok" | "info";
  readonly children: ComponentChildren;
}

/** A box with a text that the user should not miss. */
export function Notice({ kind, children }: NoticeProps) {
  return (
    <div class={`notice ${kind}`} role={kind === "error" ? "alert" : undefined}>
      {children}
    </div>
  );
}

/** Shows an error of the API; nothing for `null`. */
export function ErrorNotice({ error }: { readonly error: unknown }) {
  if (error === null || error === undefined) return null;
  const { text, original } = errorText(error);
  return (
    <Notice kind="error">
      <p>{text}</p>
      {original && (
        <p class="original" lang="en">
          {original}
        </p>
      )}
    </Notice>
  );
}
