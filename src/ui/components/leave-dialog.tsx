import { useEffect, useRef } from "preact/hooks";
import { common } from "../i18n/common.ts";
import { dropUnsaved, leaving } from "../unsaved.ts";

/** Asks whether to leave a form whose changes are not saved. */
export function LeaveDialog() {
  const t = common();
  const dialog = useRef<HTMLDialogElement>(null);
  const isOpen = leaving.value !== null;
  useEffect(() => {
    if (isOpen) dialog.current?.showModal();
    else dialog.current?.close();
  }, [isOpen]);
  const stay = () => {
    leaving.value = null;
  };
  const leave = () => {
    const go = leaving.peek();
    dropUnsaved();
    leaving.value = null;
    go?.();
  };
  return (
    <dialog ref={dialog} class="leave" aria-labelledby="leave-title" onClose={stay}>
      {isOpen && (
        <>
          <h2 id="leave-title">{t.unsavedTitle}</h2>
          <p>{t.unsaved}</p>
          <div class="actions">
            <button type="button" class="primary" onClick={stay}>
              {t.stay}
            </button>
            <button type="button" class="danger" onClick={leave}>
              {t.leave}
            </button>
          </div>
        </>
      )}
    </dialog>
  );
}
