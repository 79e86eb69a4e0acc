import { api, call } from "../api.ts";
import { count } from "../i18n/language.ts";
import { mailTexts } from "../i18n/mail.ts";
import { may } from "../session.ts";
import { ErrorNotice, Notice } from "./notice.tsx";
import { useWork } from "./work.ts";

interface OnHoldProps {
  /** Number of held messages and webhooks. */
  readonly held: number;
  readonly onRelease: () => Promise<unknown>;
}

/** Shows how many messages and webhooks are held, such as those of a restored backup, and releases them. */
export function OnHold({ held, onRelease }: OnHoldProps) {
  const t = mailTexts();
  const { isBusy, error, run } = useWork();
  if (held === 0) return null;
  const release = async () => {
    await call(api.mail.release.$post());
    await onRelease();
  };
  return (
    <Notice kind="warn">
      <p>
        <strong>{t.held(count(held))}</strong> {t.heldText}
      </p>
      <ErrorNotice error={error.value} />
      {may("mail_write") && (
        <div class="actions">
          <button type="button" disabled={isBusy.value} onClick={() => void run(release)}>
            {t.release}
          </button>
        </div>
      )}
    </Notice>
  );
}
