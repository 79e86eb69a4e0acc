import { call, pluginApi } from "../api.ts";
import { EnrollForm } from "../components/enroll-form.tsx";
import { Loaded, useLoading } from "../components/loaded.tsx";
import { PageFrame } from "../components/page-frame.tsx";
import { ChangePerson, NewPerson, type Person } from "../components/person-form.tsx";
import { TokenTable } from "../components/token-table.tsx";
import { peopleTexts } from "../i18n/people.ts";
import { tokenTexts } from "../i18n/tokens.ts";
import type { PageProps } from "../router.ts";
import { may } from "../session.ts";

/** One user: data, and tokens. */
export function PersonView({ args: [username, realm = ""] }: PageProps) {
  const person = useLoading(async () => {
    if (username === undefined) return null;
    const query = { username, ...(realm && { realm }) };
    const { value } = await call(pluginApi.user.$get({ query }));
    return value.find((one) => one.username === username) ?? null;
  });
  if (username === undefined) {
    return (
      <PageFrame title={peopleTexts().newPerson}>
        <NewPerson />
      </PageFrame>
    );
  }
  return (
    <PageFrame title={username} subtitle={realm}>
      <Loaded from={person}>
        {(found) =>
          found === null ? (
            <p>{peopleTexts().missing}</p>
          ) : (
            <>
              <ChangePerson person={found} reload={person.reload} />
              {(may("tokenlist") || mayEnroll()) && <Tokens person={found} />}
            </>
          )
        }
      </Loaded>
    </PageFrame>
  );
}

function mayEnroll(): boolean {
  return may("enrollEMAIL") || may("enrollSMS");
}

function Tokens({ person }: { readonly person: Person }) {
  const t = tokenTexts();
  const { username: user, realm } = person;
  const tokens = useLoading(async () => {
    if (!may("tokenlist")) return null;
    return (await call(pluginApi.token.$get({ query: { user, realm } }))).value.tokens;
  });
  return (
    <section class="list" aria-labelledby="tokens">
      <h2 id="tokens">{t.title}</h2>
      <Loaded from={tokens}>
        {(list) =>
          list !== null && list.length === 0 ? (
            <p class="faint">{t.empty}</p>
          ) : (
            list !== null && <TokenTable tokens={list} reload={tokens.reload} />
          )
        }
      </Loaded>
      {mayEnroll() && <EnrollForm person={person} onEnrolled={tokens.reload} />}
    </section>
  );
}
