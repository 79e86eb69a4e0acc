import { signal, useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { TextArea } from "../components/choices.tsx";
import { Diagnosis } from "../components/diagnosis.tsx";
import { Field } from "../components/field.tsx";
import { NoticeList } from "../components/identity-report.tsx";
import { Ladder } from "../components/ladder.tsx";
import { ErrorNotice, Notice } from "../components/notice.tsx";
import { announce, PageFrame } from "../components/page-frame.tsx";
import { ServerSeen } from "../components/server-seen.tsx";
import { common } from "../i18n/common.ts";
import { testTexts } from "../i18n/test.ts";
import { open, type PageProps } from "../router.ts";
import { lastSaved } from "../save-server.ts";
import { checkServer, reportOf, sendTest, type TestResult } from "../test-run.ts";

/** The recipient of the last test, for the next one. */
const recipient = signal("");

/** Tests a stored definition: `#/test/<name>`. */
export function TestView({ args: [name = ""] }: PageProps) {
  const t = testTexts();
  const { isBusy, result, error, run } = useTest();
  return (
    <PageFrame
      title={t.title(name)}
      subtitle={t.intro}
      actions={
        <button type="button" onClick={() => open("server", name)}>
          {t.edit}
        </button>
      }
    >
      {result.value === null && <Saved name={name} />}
      <form
        class="card test-form"
        aria-busy={isBusy.value}
        onSubmit={(event) => {
          event.preventDefault();
          void run(() => sendTest(name, recipient.value.trim()));
        }}
      >
        <Field
          label={t.sendTo}
          name="recipient"
          autoCapitalize="none"
          value={recipient.value}
          onChange={(value) => {
            recipient.value = value;
          }}
          required
        />
        <div class="actions">
          <button type="submit" class="primary" disabled={isBusy.value}>
            {t.test}
          </button>
          <button
            type="button"
            disabled={isBusy.value}
            onClick={() => void run(() => checkServer(name, recipient.value.trim()))}
          >
            {t.check}
          </button>
        </div>
      </form>
      {isBusy.value && <p class="faint">{t.running}</p>}
      <ErrorNotice error={error.value} />
      {result.value && <Result name={name} result={result.value} />}
    </PageFrame>
  );
}

/** Runs tests, one at a time. */
function useTest() {
  const isBusy = useSignal(false);
  const result = useSignal<TestResult | null>(null);
  const error = useSignal<unknown>(null);
  const run = async (test: () => Promise<TestResult>) => {
    if (isBusy.peek()) return;
    isBusy.value = true;
    result.value = null;
    error.value = null;
    announce(testTexts().running);
    try {
      const found = await test();
      result.value = found;
      announce(found.isSuccess ? testTexts().done : testTexts().failed);
    } catch (cause) {
      error.value = cause;
    } finally {
      isBusy.value = false;
    }
  };
  return { isBusy, result, error, run };
}

/** Says that the definition was saved just before, with the warnings. */
function Saved({ name }: { readonly name: string }) {
  const t = testTexts();
  const saved = useSignal(lastSaved.peek());
  useEffect(() => {
    lastSaved.value = null;
  }, []);
  if (saved.value?.name !== name) return null;
  const hasWarnings = (saved.value.detail?.warnings ?? []).length > 0;
  return (
    <Notice kind={hasWarnings ? "warn" : "ok"}>
      <p>{hasWarnings ? t.savedWarnings : t.saved}</p>
      <NoticeList detail={saved.value.detail} />
    </Notice>
  );
}

function Result({ name, result }: { readonly name: string; readonly result: TestResult }) {
  const t = testTexts();
  const isCopied = useSignal(false);
  const shown = useSignal<string | null>(null);
  const copy = async () => {
    const report = reportOf(name, result);
    try {
      await navigator.clipboard.writeText(report);
      isCopied.value = true;
      announce(common().copied);
    } catch {
      // Browsers have no clipboard for a page over HTTP that is not on this machine.
      shown.value = report;
    }
  };
  return (
    <div class="result">
      <div class="card">
        <Ladder result={result} />
        <button type="button" class="start" onClick={() => void copy()}>
          {isCopied.value ? common().copied : t.copyReport}
        </button>
        {shown.value !== null && (
          <TextArea label={t.report} value={shown.value} onChange={() => undefined} rows={12} isCode />
        )}
      </div>
      <div class="found">
        <Diagnosis name={name} result={result} />
        <ServerSeen result={result} />
      </div>
    </div>
  );
}
