import { date } from "../i18n/language.ts";
import { testTexts } from "../i18n/test.ts";
import type { TestResult } from "../test-run.ts";

/** The server as the conversation showed it: greeting, TLS, certificates and extensions. */
export function ServerSeen({ result: { detail } }: { readonly result: TestResult }) {
  const t = testTexts();
  const { server, smime, delivery } = detail;
  if (server === undefined) return null;
  const { greeting, tls, extensions, mechanisms, size, addresses } = server;
  const rows: readonly (readonly [string, readonly string[]])[] = [
    [t.greeting, greeting === null ? [] : [greeting]],
    [t.tls, tls !== null ? [tlsText(tls)] : greeting === null ? [] : [t.noTls]],
    [t.chain, (tls?.chain ?? []).map(certificateText)],
    [t.mechanisms, mechanisms.length === 0 ? [] : [mechanisms.join(", ")]],
    [t.size, size === null ? [] : [t.megabytes(size)]],
    [t.clearExtensions, tls === null ? [] : extensions.clear],
    [t.extensions, tls === null ? extensions.clear : extensions.tls],
    [t.addresses, (addresses ?? []).map(addressText)],
    [t.roundTrips, delivery.round_trips === null ? [] : [String(delivery.round_trips)]],
    [t.signed, smime === undefined ? [] : [smime.signed ? t.signedYes : t.signedNo]],
  ];
  return (
    <section class="card" aria-labelledby="seen">
      <h2 id="seen">{t.seen}</h2>
      <dl class="seen">
        {rows
          .filter(([, values]) => values.length > 0)
          .map(([label, values]) => (
            <div key={label}>
              <dt>{label}</dt>
              <dd>
                {values.map((value) => (
                  <span key={value}>{value}</span>
                ))}
              </dd>
            </div>
          ))}
      </dl>
    </section>
  );
}

function tlsText({
  protocol,
  days_left,
}: {
  readonly protocol: string | null;
  readonly days_left: number | null;
}) {
  const left = days_left === null ? "" : `, ${testTexts().daysLeft(days_left)}`;
  return `${protocol ?? "TLS"}${left}`;
}

function certificateText(one: { readonly subject: string; readonly not_after: string | null }): string {
  return one.not_after === null ? one.subject : `${one.subject} (${date(one.not_after)})`;
}

function addressText(one: {
  readonly address: string;
  readonly result: string;
  readonly ms: number;
}): string {
  const t = testTexts();
  return `${one.address}: ${one.result === "connected" ? t.connected : one.result}, ${t.ms(one.ms)}`;
}
