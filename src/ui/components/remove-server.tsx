import { useSignal } from "@preact/signals";
import { common } from "../i18n/common.ts";
import { serverTexts } from "../i18n/server.ts";
import { open } from "../router.ts";
import { removeServer } from "../save-server.ts";
import { dropUnsaved } from "../unsaved.ts";
import { ErrorNotice } from "./notice.tsx";

/** Deletes a definition, after a second click. */
export function RemoveServer({ name }: { readonly name: string }) {
  const t = serverTexts();
  const isAsking = useSignal(false);
  const error = useSignal<unknown>(null);
  const remove = async () => {
    try {
      await removeServer(name);
      dropUnsaved();
      open("servers");
    } catch (cause) {
      error.value = cause;
    }
  };
  if (!isAsking.value) {
    return (
      <button
        type="button"
        class="danger end"
        onClick={() => {
          isAsking.value = true;
        }}
      >
        {t.remove}
      </button>
    );
  }
  return (
    <div class="remove end" role="alert">
      <span>{t.removeQuestion(name)}</span>
      <ErrorNotice error={error.value} />
      <button type="button" class="danger" onClick={() => void remove()}>
        {t.removeYes}
      </button>
      <button
        type="button"
        onClick={() => {
          isAsking.value = false;
        }}
      >
        {common().cancel}
      </button>
    </div>
  );
}
