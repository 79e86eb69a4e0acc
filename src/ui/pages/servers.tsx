import { api, call } from "../api.ts";
import { Loaded, useLoading } from "../components/loaded.tsx";
import { PageFrame } from "../components/page-frame.tsx";
import { type ListedServer, ServerRow } from "../components/server-row.tsx";
import { serversTexts } from "../i18n/servers.ts";
import { open, type Page } from "../router.ts";
import { may } from "../session.ts";

const RELOAD_MS = 10_000;

/** The definitions, with the state of their servers. */
export const serversPage: Page = {
  name: "servers",
  label: () => serversTexts().title,
  right: "smtpserver_read",
  View: ServersView,
};

async function loadServers(): Promise<readonly ListedServer[]> {
  const { value, detail } = await call(api.smtpserver.$get({ query: { censor: "1", detail: "1" } }));
  const states = detail && "servers" in detail ? detail.servers : undefined;
  const names = Object.keys(value).toSorted((left, right) => left.localeCompare(right));
  return names.flatMap((name) => {
    const [definition, state] = [value[name], states?.[name]];
    return definition && state ? [{ name, definition, state }] : [];
  });
}

function ServersView() {
  const t = serversTexts();
  const servers = useLoading(loadServers, RELOAD_MS);
  const hasServers = (servers.value.value ?? []).length > 0;
  return (
    <PageFrame title={t.title} actions={hasServers && <NewServer />}>
      <Loaded from={servers}>
        {(all) =>
          all.length === 0 ? (
            <FirstSteps />
          ) : (
            <ul class="servers">
              {all.map((server) => (
                <ServerRow key={server.name} {...server} />
              ))}
            </ul>
          )
        }
      </Loaded>
    </PageFrame>
  );
}

function NewServer() {
  if (!may("smtpserver_write")) return null;
  return (
    <button type="button" class="primary" onClick={() => open("server")}>
      {serversTexts().newServer}
    </button>
  );
}

/** Leads from an empty instance to a delivered test message. */
function FirstSteps() {
  const t = serversTexts();
  return (
    <section class="empty">
      <h2>{t.emptyTitle}</h2>
      <p>{t.emptyIntro}</p>
      <ol>
        {[
          [t.step1, t.step1Text],
          [t.step2, t.step2Text],
          [t.step3, t.step3Text],
          [t.step4, t.step4Text],
        ].map(([title, text]) => (
          <li key={title}>
            <strong>{title}</strong>
            <span>{text}</span>
          </li>
        ))}
      </ol>
      <NewServer />
    </section>
  );
}
