import type { MailState } from "../../domain/queued-mail.ts";
import { listTexts } from "../i18n/lists.ts";
import { MAIL_STATE_NAMES, mailTexts, stateText } from "../i18n/mail.ts";
import { Select } from "./choices.tsx";
import { Field } from "./field.tsx";

/** Which messages the list shows. Empty values match all. */
export interface MailFilter {
  readonly state: MailState | "";
  readonly identifier: string;
  readonly recipient: string;
}

interface MailFiltersProps {
  readonly filter: MailFilter;
  readonly onFilter: (changed: Partial<MailFilter>) => void;
}

/** Chooses which messages the list shows. */
export function MailFilters({ filter, onFilter }: MailFiltersProps) {
  const t = mailTexts();
  return (
    <search class="filters">
      <Select
        label={t.state}
        value={filter.state}
        options={[
          ["", listTexts().all],
          ...MAIL_STATE_NAMES.map((state) => [state, stateText(state)] as const),
        ]}
        onChange={(state) => onFilter({ state })}
      />
      <Field
        label={t.server}
        value={filter.identifier}
        onChange={(identifier) => onFilter({ identifier })}
        autoCapitalize="none"
      />
      <Field
        label={t.recipient}
        value={filter.recipient}
        onChange={(recipient) => onFilter({ recipient })}
        autoCapitalize="none"
      />
    </search>
  );
}
