import { auditTexts } from "../i18n/audit.ts";
import { listTexts } from "../i18n/lists.ts";
import { Select } from "./choices.tsx";
import { Field } from "./field.tsx";

const SPANS = ["", "1h", "24h", "7d", "30d"] as const;
const RESULTS = ["", "true", "false"] as const;

/** Which rows the log shows. Empty values match all. */
export interface AuditFilter {
  readonly action: string;
  readonly administrator: string;
  readonly identifier: string;
  readonly recipient: string;
  readonly success: (typeof RESULTS)[number];
  readonly timelimit: (typeof SPANS)[number];
}

interface AuditFiltersProps {
  readonly filter: AuditFilter;
  readonly onFilter: (changed: Partial<AuditFilter>) => void;
}

/** Chooses which rows the log shows. */
export function AuditFilters({ filter, onFilter }: AuditFiltersProps) {
  const t = auditTexts();
  const spans = { "": t.ever, "1h": t.hour, "24h": t.day, "7d": t.week, "30d": t.month };
  const results = { "": listTexts().all, true: t.ok, false: t.rejected };
  return (
    <search class="filters">
      <Select
        label={t.span}
        value={filter.timelimit}
        options={SPANS.map((span) => [span, spans[span]] as const)}
        onChange={(timelimit) => onFilter({ timelimit })}
      />
      <Select
        label={t.result}
        value={filter.success}
        options={RESULTS.map((result) => [result, results[result]] as const)}
        onChange={(success) => onFilter({ success })}
      />
      {(["action", "administrator", "identifier", "recipient"] as const).map((name) => (
        <Field
          key={name}
          label={t[name]}
          value={filter[name]}
          onChange={(value) => onFilter({ [name]: value })}
          autoCapitalize="none"
        />
      ))}
    </search>
  );
}
