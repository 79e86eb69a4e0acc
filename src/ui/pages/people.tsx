import { useSignal } from "@preact/signals";
import { call, pluginApi, type ValueOf } from "../api.ts";
import { Field } from "../components/field.tsx";
import { Loaded, useLoading } from "../components/loaded.tsx";
import { PageFrame } from "../components/page-frame.tsx";
import { Table } from "../components/table.tsx";
import { listTexts } from "../i18n/lists.ts";
import { navigation } from "../i18n/navigation.ts";
import { peopleTexts } from "../i18n/people.ts";
import { open, to } from "../router.ts";
import { may } from "../session.ts";

type User = ValueOf<typeof pluginApi.user.$get>[number];

const NAMES = ["username", "email", "surname", "realm"] as const;
const ALL: Readonly<Record<(typeof NAMES)[number], string>> = {
  username: "",
  email: "",
  surname: "",
  realm: "",
};
/** More people are found by the filters. */
const PAGE_SIZE = "100";

/** The users of the directory. */
export function PeopleView() {
  const t = peopleTexts();
  const filter = useSignal(ALL);
  const people = useLoading(async () => {
    const given = Object.entries(filter.peek()).filter(([, text]) => text.trim() !== "");
    const query = Object.fromEntries(given.map(([name, text]) => [name, `*${text.trim()}*`]));
    return (await call(pluginApi.user.$get({ query: { ...query, page_size: PAGE_SIZE } }))).value;
  });
  return (
    <PageFrame title={navigation().people} subtitle={t.intro} actions={<Actions />}>
      <search class="filters">
        {NAMES.map((name) => (
          <Field
            key={name}
            label={t[name]}
            value={filter.value[name]}
            onChange={(value) => {
              filter.value = { ...filter.peek(), [name]: value };
              void people.reload();
            }}
            autoCapitalize="none"
          />
        ))}
      </search>
      <Loaded from={people}>
        {(users) => {
          if (users.length > 0) return <PeopleTable users={users} />;
          return filter.value === ALL ? <Empty /> : <p class="faint">{listTexts().noMatch}</p>;
        }}
      </Loaded>
    </PageFrame>
  );
}

function Actions() {
  const t = peopleTexts();
  return (
    <>
      {may("tokenlist") && (
        <button type="button" onClick={() => open("tokens")}>
          {t.allTokens}
        </button>
      )}
      {may("adduser") && (
        <button type="button" class="primary" onClick={() => open("person")}>
          {t.newPerson}
        </button>
      )}
    </>
  );
}

function PeopleTable({ users }: { readonly users: readonly User[] }) {
  const t = peopleTexts();
  return (
    <Table
      caption={navigation().people}
      rows={users}
      keyOf={({ userid }) => userid}
      columns={[
        {
          head: t.username,
          kind: "wide",
          cell: ({ username, realm }) => <a href={to("person", username, realm)}>{username}</a>,
        },
        {
          head: t.name,
          kind: "wide",
          cell: ({ givenname, surname }) => `${givenname} ${surname}`.trim() || "–",
        },
        { head: t.email, kind: "wide", cell: ({ email }) => <span>{email || "–"}</span> },
        { head: t.phone, cell: ({ phone }) => phone || "–" },
        { head: t.realm, cell: ({ realm }) => realm || "–" },
      ]}
    />
  );
}

function Empty() {
  const t = peopleTexts();
  return (
    <div class="empty">
      <h2>{t.emptyTitle}</h2>
      <p>{t.emptyText}</p>
    </div>
  );
}
