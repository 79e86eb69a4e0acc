import type * as v from "valibot";
import type { mailStatsView } from "../../http/mail-stats.ts";
import { duration, hour } from "../i18n/format.ts";
import { count } from "../i18n/language.ts";
import { mailTexts } from "../i18n/mail.ts";
import { Table } from "./table.tsx";

export type MailStats = v.InferOutput<typeof mailStatsView>;

const HOUR_MS = 3_600_000;
const HOURS = 24;
/** Hours between two labels. */
const LABEL_HOURS = 6;
/** Units of the picture, which is as wide as its place. */
const HEIGHT = 100;
const GAP = 0.2;

interface Hour {
  readonly start: string;
  readonly sent: number;
  readonly waiting: number;
  readonly failed: number;
}

/** Draws the messages of the last 24 hours by hour, and the time that they took. */
export function MailChart({ stats }: { readonly stats: MailStats }) {
  const t = mailTexts();
  const hours = hoursOf(stats);
  const [sent, waiting, failed] = (["sent", "waiting", "failed"] as const).map((kind) =>
    count(hours.reduce((sum, one) => sum + one[kind], 0)),
  );
  const most = Math.max(...hours.map((one) => one.sent + one.waiting + one.failed));
  if (most === 0) return <p class="faint">{t.noneSubmitted}</p>;
  return (
    <div class="charts">
      <figure>
        <p class="most">{count(most)}</p>
        <svg
          viewBox={`0 0 ${HOURS} ${HEIGHT}`}
          preserveAspectRatio="none"
          role="img"
          aria-label={t.chart(sent ?? "", waiting ?? "", failed ?? "")}
        >
          <Bars hours={hours} scale={HEIGHT / most} />
        </svg>
        <p class="hours" aria-hidden="true">
          {hours
            .filter((_, index) => index % LABEL_HOURS === 0)
            .map(({ start }) => (
              <span key={start}>{hour(start)}</span>
            ))}
        </p>
        <figcaption class="legend">
          <span class="ok">{`${t.sent}: ${sent}`}</span>
          <span class="warn">{`${t.waiting}: ${waiting}`}</span>
          <span class="error">{`${t.failed}: ${failed}`}</span>
        </figcaption>
        <details>
          <summary>{t.asTable}</summary>
          <Table
            caption={t.lastDay}
            rows={hours.filter((one) => one.sent + one.waiting + one.failed > 0)}
            keyOf={({ start }) => start}
            columns={[
              { head: t.hour, cell: ({ start }) => hour(start) },
              { head: t.sent, kind: "number", cell: (one) => count(one.sent) },
              { head: t.waiting, kind: "number", cell: (one) => count(one.waiting) },
              { head: t.failed, kind: "number", cell: (one) => count(one.failed) },
            ]}
          />
        </details>
      </figure>
      <DeliveryTimes {...stats.delivery_ms} />
    </div>
  );
}

interface BarsProps {
  readonly hours: readonly Hour[];
  /** Height of one message. */
  readonly scale: number;
}

function Bars({ hours, scale }: BarsProps) {
  return hours.map((one, index) => {
    let top = HEIGHT;
    return (
      <g key={one.start}>
        {(["sent", "waiting", "failed"] as const).map((kind) => {
          const height = one[kind] * scale;
          top -= height;
          return <rect key={kind} class={kind} x={index + GAP / 2} y={top} width={1 - GAP} height={height} />;
        })}
      </g>
    );
  });
}

function DeliveryTimes({ p50, p95 }: MailStats["delivery_ms"]) {
  const t = mailTexts();
  if (p50 === null || p95 === null) return <p class="faint">{t.noneSent}</p>;
  const bar = (ms: number) => Math.max(2, (ms / Math.max(1, p95)) * 100);
  return (
    <section class="times">
      <h3>{t.timeToDelivery}</h3>
      {(
        [
          [t.half, p50],
          [t.most, p95],
        ] as const
      ).map(([label, ms]) => (
        <div key={label}>
          <p>
            <span class="faint">{label}</span> <strong>{duration(ms)}</strong>
          </p>
          <svg viewBox="0 0 100 4" preserveAspectRatio="none" aria-hidden="true">
            <rect class="track" width={100} height={4} />
            <rect class="sent" width={bar(ms)} height={4} />
          </svg>
        </div>
      ))}
    </section>
  );
}

/** Returns every hour of the day that the statistics cover, also those without messages. */
function hoursOf({ since, hours }: MailStats): readonly Hour[] {
  const firstMs = (Math.floor(Date.parse(since) / HOUR_MS) + 1) * HOUR_MS;
  return Array.from({ length: HOURS }, (_, index) => {
    const start = new Date(firstMs + index * HOUR_MS).toISOString();
    const states = new Map(Object.entries(hours[start] ?? {}));
    const sum = (...names: readonly string[]) =>
      names.reduce((all, name) => all + (states.get(name) ?? 0), 0);
    return {
      start,
      sent: sum("sent"),
      waiting: sum("queued", "sending", "deferred"),
      failed: sum("failed", "unknown", "expired"),
    };
  });
}
