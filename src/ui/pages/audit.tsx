import { useSignal } from "@preact/signals";
import { api, call, type ValueOf } from "../api.ts";
import { type AuditFilter, AuditFilters } from "../components/audit-filters.tsx";
import { Badge } from "../components/badge.tsx";
import { Loaded, useLoading } from "../components/loaded.tsx";
import { ErrorNotice } from "../components/notice.tsx";
import { PageFrame } from "../components/page-frame.tsx";
import { Pager } from "../components/pager.tsx";
import { Table } from "../components/table.tsx";
import { useWork } from "../components/work.ts";
import { auditTexts } from "../i18n/audit.ts";
import { phaseText } from "../i18n/failures.ts";
import { dateTime } from "../i18n/format.ts";
import { count } from "../i18n/language.ts";
import { listTexts } from "../i18n/lists.ts";
import { navigation } from "../i18n/navigation.ts";

type Row = ValueOf<typeof api.audit.$get>["auditdata"][number];

const ALL: AuditFilter = {
  action: "",
  administrator: "",
  identifier: "",
  recipient: "",
  success: "",
  timelimit: "",
};
const PAGE_SIZE = "25";
/** The largest page of the API. */
const MAX_CSV_ROWS = 1_000;

/** The audit log with filters. */
export function AuditView() {
  const t = auditTexts();
  const filter = useSignal(ALL);
  const pageNumber = useSignal(1);
  const log = useLoading(async () => {
    const query = { ...queryOf(filter.peek()), page: String(pageNumber.peek()), page_size: PAGE_SIZE };
    return (await call(api.audit.$get({ query }))).value;
  });
  const show = (changed: Partial<AuditFilter>, page = 1) => {
    filter.value = { ...filter.peek(), ...changed };
    pageNumber.value = page;
    void log.reload();
  };
  return (
    <PageFrame title={navigation().audit} subtitle={t.intro} actions={<SaveCsv filter={filter.value} />}>
      <AuditFilters filter={filter.value} onFilter={show} />
      <Loaded from={log}>
        {(page) =>
          page.auditdata.length === 0 ? (
            <p class="faint">{filter.value === ALL ? t.empty : listTexts().noMatch}</p>
          ) : (
            <>
              <AuditTable rows={page.auditdata} />
              <Pager page={page} onPage={(next) => show({}, next)} />
            </>
          )
        }
      </Loaded>
    </PageFrame>
  );
}

function AuditTable({ rows }: { readonly rows: readonly Row[] }) {
  const t = auditTexts();
  return (
    <Table
      caption={navigation().audit}
      rows={rows}
      keyOf={({ number }) => number}
      columns={[
        { head: t.action, cell: actionOf },
        { head: t.date, cell: ({ date }) => <time dateTime={date}>{dateTime(date)}</time> },
        { head: t.administrator, cell: whoOf },
        { head: t.target, kind: "wide", cell: targetOf },
        { head: t.result, cell: resultOf },
        { head: t.info, kind: "wide", cell: infoOf },
      ]}
    />
  );
}

/** A long path breaks before its slashes. */
function actionOf({ action }: Row) {
  return (
    <span class="mono">
      {action.split(/(?=\/)/).map((part) => (
        <span key={part}>
          <wbr />
          {part}
        </span>
      ))}
    </span>
  );
}

function whoOf({ administrator, realm, client }: Row) {
  return (
    <>
      <span>{realm ? `${administrator}@${realm}` : administrator || "–"}</span>
      {client && <p class="faint">{client}</p>}
    </>
  );
}

function targetOf({ identifier, recipient }: Row) {
  return <span>{[identifier, recipient].filter(Boolean).join(" · ") || "–"}</span>;
}

function resultOf({ success, count: times }: Row) {
  const t = auditTexts();
  return (
    <>
      <Badge kind={success ? "ok" : "error"}>{success ? t.ok : t.rejected}</Badge>
      {times > 1 && <p class="faint">{t.times(count(times))}</p>}
    </>
  );
}

function infoOf({ fields, outcome, phase, info, policies }: Row) {
  const t = auditTexts();
  const parts = [
    outcome,
    phase && phaseText(phase),
    info,
    fields && t.fields(fields.replaceAll(",", ", ")),
    policies && t.policies(policies.replaceAll(",", ", ")),
  ].filter(Boolean);
  return <span>{parts.join(" · ") || "–"}</span>;
}

/** Saves the rows that match as a file. */
function SaveCsv({ filter }: { readonly filter: AuditFilter }) {
  const t = auditTexts();
  const { isBusy, error, run } = useWork();
  const save = () =>
    run(async () => {
      const query = { ...queryOf(filter), format: "csv", page_size: String(MAX_CSV_ROWS) } as const;
      const response = await api.audit.$get({ query });
      const url = URL.createObjectURL(await response.blob());
      const link = document.createElement("a");
      link.href = url;
      link.download = "audit.csv";
      link.click();
      URL.revokeObjectURL(url);
    });
  return (
    <>
      <ErrorNotice error={error.value} />
      <button
        type="button"
        title={t.csvHelp(count(MAX_CSV_ROWS))}
        disabled={isBusy.value}
        onClick={() => void save()}
      >
        {t.csv}
      </button>
    </>
  );
}

function queryOf({ success, timelimit, ...texts }: AuditFilter) {
  const given = Object.entries(texts).filter(([, text]) => text.trim() !== "");
  return {
    ...Object.fromEntries(given.map(([name, text]) => [name, partOf(text.trim())])),
    ...(success && { success }),
    ...(timelimit && { timelimit }),
  };
}

/** The API compares whole values. */
function partOf(text: string): string {
  return text.includes("*") ? text : `*${text}*`;
}
