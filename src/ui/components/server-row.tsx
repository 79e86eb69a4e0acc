import { useId } from "preact/hooks";
import type { DefinitionView, ListedDetail } from "../../http/smtpserver-schema.ts";
import { failureText, phaseText } from "../i18n/failures.ts";
import { count, relativeTime } from "../i18n/language.ts";
import { serversTexts } from "../i18n/servers.ts";
import { open } from "../router.ts";
import { guessEncryption } from "../server-form.ts";
import { may } from "../session.ts";

/** A definition of the list. */
export interface ListedServer {
  readonly name: string;
  readonly definition: DefinitionView;
  readonly state: ListedDetail;
}

/** Days before the end of a certificate at which it needs attention. */
const SOON_DAYS = 30;

/** One definition with its state, and its actions. */
export function ServerRow({ name, definition, state }: ListedServer) {
  const t = serversTexts();
  const id = useId();
  const { sender, username } = definition;
  const { health, days_left, used_by } = state;
  return (
    <li class="server">
      <div class="server-name">
        <h2 id={id}>{name}</h2>
        <p>{addressOf(definition)}</p>
        <p class="faint">{sender || username || t.noSender}</p>
      </div>
      <State health={health} />
      <dl class="facts">
        <div>
          <dt>{t.waiting}</dt>
          <dd>{count(health.waiting)}</dd>
        </div>
        <div>
          <dt>{t.security}</dt>
          <dd class={isReadable(definition) ? "bad" : undefined}>{t[securityOf(definition)]}</dd>
        </div>
        <div>
          <dt>{t.certificate}</dt>
          <dd class={days_left !== null && days_left < SOON_DAYS ? "bad" : undefined}>
            {days_left === null ? t.unsigned : t.daysLeft(days_left)}
          </dd>
        </div>
        <div>
          <dt>{t.usedBy}</dt>
          <dd>{used_by.length === 0 ? "–" : used_by.join(", ")}</dd>
        </div>
      </dl>
      {may("smtpserver_write") && (
        <div class="actions">
          <button type="button" aria-describedby={id} onClick={() => open("test", name)}>
            {t.test}
          </button>
          <button type="button" aria-describedby={id} onClick={() => open("server", name)}>
            {t.edit}
          </button>
        </div>
      )}
      {health.last_failure && (
        <p class="last-failure">
          {t.lastFailure(
            relativeTime(health.last_failure.date),
            phaseText(health.last_failure.phase),
            failureText(health.last_failure.code, health.last_failure.phase),
          )}
        </p>
      )}
    </li>
  );
}

/** The state of a server as a word, with what it means. */
function State({ health: { circuit, failures, next_try } }: { readonly health: ListedDetail["health"] }) {
  const t = serversTexts();
  if (circuit === "open") {
    const help = next_try === null ? t.failingHelp(failures) : t.downHelp(relativeTime(next_try));
    return <Badge kind="error" text={t.down} help={help} />;
  }
  if (circuit === "half-open") return <Badge kind="warn" text={t.probing} help={t.probingHelp} />;
  if (failures > 0) return <Badge kind="warn" text={t.failing} help={t.failingHelp(failures)} />;
  return <Badge kind="ok" text={t.ready} help={t.readyHelp} />;
}

function Badge({
  kind,
  text,
  help,
}: {
  readonly kind: string;
  readonly text: string;
  readonly help: string;
}) {
  return (
    <p class={`badge ${kind}`} title={help}>
      {text}
    </p>
  );
}

/** How the connection to the server is encrypted. */
function securityOf({ server, tls }: DefinitionView): "implicit" | "starttls" | "plain" | "api" {
  if (/^(graph|ses):/i.test(server)) return "api";
  if (/^smtps:/i.test(server)) return "implicit";
  return tls ? "starttls" : "plain";
}

/** Whether the network can read what is sent. */
function isReadable(definition: DefinitionView): boolean {
  return securityOf(definition) === "plain" && guessEncryption(definition.server, "") !== "none";
}

/** The server with its port, unless it has one of its own. */
function addressOf({ server, port }: DefinitionView): string {
  return /^\w+:\/\//.test(server) || /:\d+$/.test(server) ? server : `${server}:${port}`;
}
