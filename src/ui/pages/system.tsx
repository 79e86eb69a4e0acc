import { api, call, type ValueOf } from "../api.ts";
import { Badge } from "../components/badge.tsx";
import { Loaded, useLoading } from "../components/loaded.tsx";
import { Notice } from "../components/notice.tsx";
import { PageFrame } from "../components/page-frame.tsx";
import { Facts } from "../components/table.tsx";
import { findingText } from "../i18n/findings.ts";
import { navigation } from "../i18n/navigation.ts";
import { systemTexts } from "../i18n/system.ts";
import { may } from "../session.ts";

type Finding = ValueOf<typeof api.system.doctor.$get>[number];

/** The instance: its version, whether anything is wrong with it, and how its keys are replaced. */
export function SystemView() {
  return (
    <PageFrame title={navigation().system}>
      {may("metrics_read") && <Instance />}
      <DoctorReport />
      <Rotation />
    </PageFrame>
  );
}

function Instance() {
  const t = systemTexts();
  const info = useLoading(async () => {
    const metrics = await (await api.metrics.$get()).text();
    const [, labels = ""] = /^sealpost_info\{(.*)\} 1$/m.exec(metrics) ?? [];
    return new Map(
      [...labels.matchAll(/(\w+)="([^"]*)"/g)].map(([, name = "", value = ""]) => [name, value]),
    );
  });
  return (
    <section class="card" aria-labelledby="facts">
      <h2 id="facts">{t.facts}</h2>
      <Loaded from={info}>
        {(labels) => (
          <Facts
            facts={[
              [t.version, `Sealpost ${labels.get("version") ?? ""}`],
              [t.runtime, runtimeText(labels.get("runtime") ?? "")],
            ]}
          />
        )}
      </Loaded>
    </section>
  );
}

const RUNTIMES = new Map([
  ["bun", "Bun"],
  ["deno", "Deno"],
  ["node", "Node.js"],
  ["workerd", "Cloudflare Workers"],
]);

function runtimeText(key: string): string {
  return RUNTIMES.get(key) ?? key;
}

function DoctorReport() {
  const t = systemTexts();
  const report = useLoading(async () => (await call(api.system.doctor.$get())).value);
  return (
    <section class="card" aria-labelledby="doctor">
      <div class="page-head">
        <div>
          <h2 id="doctor">{t.doctor}</h2>
          <p class="help">{t.doctorHelp}</p>
        </div>
        <button
          type="button"
          onClick={() => {
            report.value.value = undefined;
            void report.reload();
          }}
        >
          {t.again}
        </button>
      </div>
      <div class="stack" aria-live="polite">
        <Loaded from={report}>{(findings) => <Findings findings={findings} />}</Loaded>
      </div>
    </section>
  );
}

function Findings({ findings }: { readonly findings: readonly Finding[] }) {
  const t = systemTexts();
  const problems = findings.filter(({ ok }) => !ok).length;
  return (
    <>
      <Notice kind={problems === 0 ? "ok" : "warn"}>
        {problems === 0 ? t.allFine : t.problems(problems)}
      </Notice>
      <ul class="findings">
        {findings
          .toSorted((left, right) => Number(left.ok) - Number(right.ok))
          .map((finding) => (
            <FindingRow key={finding.name} {...finding} />
          ))}
      </ul>
    </>
  );
}

function FindingRow({ name, ok, message, problems }: Finding) {
  const t = systemTexts();
  const { text, lang } = findingText(message, problems);
  return (
    <li class="finding">
      <Badge kind={ok ? "ok" : "warn"}>{ok ? t.ok : t.attention}</Badge>
      <strong>{nameOf(name)}</strong>
      {!ok && <p lang={lang}>{text}</p>}
    </li>
  );
}

/** Returns the name of a check. A newer API may have more of them. */
function nameOf(check: string): string {
  const { baseUrl, ...texts } = systemTexts();
  const names = new Map(Object.entries({ ...texts, base_url: baseUrl }));
  const text = names.get(check);
  return typeof text === "string" ? text : check;
}

function Rotation() {
  const t = systemTexts();
  return (
    <section class="card" aria-labelledby="rotation">
      <h2 id="rotation">{t.rotation}</h2>
      <p>{t.rotationText}</p>
      <ol class="steps">
        <li>
          {t.rotationNew} <code>sealpost keys new</code>
        </li>
        <li>{t.rotationRestart}</li>
        <li>
          {t.rotationRun} <code>sealpost keys rotate</code>
        </li>
        <li>{t.rotationEnd}</li>
      </ol>
    </section>
  );
}
