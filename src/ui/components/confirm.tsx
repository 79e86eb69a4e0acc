import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { common } from "../i18n/common.ts";
import { ErrorNotice } from "./notice.tsx";
import { useWork } from "./work.ts";

interface ConfirmProps {
  /** The text of the button. */
  readonly label: string;
  /** A question that says the consequence. */
  readonly question: string;
  readonly work: () => Promise<unknown>;
  /** Id of what the button is about. */
  readonly about?: string;
  readonly isDangerous?: boolean;
}

/** A button that asks before it does its work. */
export function Confirm({ label, question, work, about, isDangerous = true }: ConfirmProps) {
  const isAsking = useSignal(false);
  const { isBusy, error, run } = useWork();
  const opener = useRef<HTMLButtonElement>(null);
  const close = () => {
    isAsking.value = false;
    requestAnimationFrame(() => opener.current?.focus());
  };
  const confirm = () =>
    run(async () => {
      await work();
      isAsking.value = false;
    });
  if (!isAsking.value) {
    return (
      <button
        ref={opener}
        type="button"
        class={isDangerous ? "danger" : undefined}
        aria-describedby={about}
        onClick={() => {
          error.value = null;
          isAsking.value = true;
        }}
      >
        {label}
      </button>
    );
  }
  return (
    <fieldset class="confirm">
      <legend class="visually-hidden">{question}</legend>
      <p aria-hidden="true">{question}</p>
      <ErrorNotice error={error.value} />
      <div class="actions">
        <FocusedButton label={label} isDangerous={isDangerous} isBusy={isBusy.value} onClick={confirm} />
        <button type="button" onClick={close}>
          {common().cancel}
        </button>
      </div>
    </fieldset>
  );
}

interface FocusedButtonProps {
  readonly label: string;
  readonly isDangerous: boolean;
  readonly isBusy: boolean;
  readonly onClick: () => unknown;
}

function FocusedButton({ label, isDangerous, isBusy, onClick }: FocusedButtonProps) {
  const button = useRef<HTMLButtonElement>(null);
  useEffect(() => button.current?.focus(), []);
  return (
    <button
      ref={button}
      type="button"
      class={isDangerous ? "danger" : "primary"}
      disabled={isBusy}
      onClick={() => void onClick()}
    >
      {label}
    </button>
  );
}
