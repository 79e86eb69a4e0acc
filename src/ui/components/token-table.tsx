import { call, pluginApi, type ValueOf } from "../api.ts";
import { listTexts } from "../i18n/lists.ts";
import { tokenTexts } from "../i18n/tokens.ts";
import { to } from "../router.ts";
import { may } from "../session.ts";
import { Badge } from "./badge.tsx";
import { Confirm } from "./confirm.tsx";
import { ErrorNotice } from "./notice.tsx";
import { Table } from "./table.tsx";
import { useWork } from "./work.ts";

type Token = ValueOf<typeof pluginApi.token.$get>["tokens"][number];

interface TokenTableProps {
  readonly tokens: readonly Token[];
  readonly reload: () => Promise<void>;
  /** Default: false. */
  readonly showsOwner?: boolean;
}

/** Tokens with their state, and what may be done about them. */
export function TokenTable({ tokens, reload, showsOwner = false }: TokenTableProps) {
  const t = tokenTexts();
  const owner = { head: t.owner, kind: "wide" as const, cell: ownerOf };
  return (
    <Table
      caption={t.title}
      rows={tokens}
      keyOf={({ serial }) => serial}
      columns={[
        { head: t.serial, kind: "wide", cell: nameOf },
        ...(showsOwner ? [owner] : []),
        { head: t.type, cell: ({ tokentype }) => t[tokentype] },
        { head: t.address, kind: "wide", cell: addressOf },
        { head: t.state, cell: stateOf },
        {
          head: listTexts().actions,
          kind: "buttons",
          cell: (token) => <Actions token={token} reload={reload} />,
        },
      ]}
    />
  );
}

function nameOf({ serial, description }: Token) {
  return (
    <>
      <span class="mono">{serial}</span>
      {description && <p class="faint">{description}</p>}
    </>
  );
}

function ownerOf({ username, user_realm }: Token) {
  if (!username) return <span class="faint">{tokenTexts().nobody}</span>;
  return may("userlist") ? <a href={to("person", username, user_realm)}>{username}</a> : username;
}

function addressOf({ info }: Token) {
  return <span>{String(info.email ?? info.phone ?? tokenTexts().fromDirectory)}</span>;
}

function stateOf({ active, revoked, locked, rollout_state, failcount, maxfail }: Token) {
  const t = tokenTexts();
  const badge = () => {
    if (revoked) return <Badge kind="error">{t.revoked}</Badge>;
    if (!active) return <Badge kind="plain">{t.inactive}</Badge>;
    if (locked) return <Badge kind="error">{t.locked}</Badge>;
    if (rollout_state === "verify") return <Badge kind="warn">{t.verifying}</Badge>;
    return <Badge kind="ok">{t.active}</Badge>;
  };
  return (
    <>
      {badge()}
      {failcount > 0 && <p class="faint">{t.failures(failcount, maxfail)}</p>}
    </>
  );
}

interface ActionsProps {
  readonly token: Token;
  readonly reload: () => Promise<void>;
}

function Actions({ token: { serial, active, revoked, username, failcount }, reload }: ActionsProps) {
  const [t, l] = [tokenTexts(), listTexts()];
  const { isBusy, error, run } = useWork();
  const json = { serial };
  const then = (work: () => Promise<unknown>) => async () => {
    await work();
    await reload();
  };
  const toggle = active ? "disable" : "enable";
  const change = then(() => call(pluginApi.token[toggle].$post({ json })));
  const reset = then(() => call(pluginApi.token.reset.$post({ json })));
  const revoke = then(() => call(pluginApi.token.revoke.$post({ json })));
  const unassign = then(() => call(pluginApi.token.unassign.$post({ json })));
  const remove = then(() =>
    call(pluginApi.token[":serial"].$delete({ param: { serial: encodeURIComponent(serial) } })),
  );
  return (
    <div class="actions">
      <ErrorNotice error={error.value} />
      {!revoked && may(toggle) && (
        <button type="button" disabled={isBusy.value} onClick={() => void run(change)}>
          {l[toggle]}
        </button>
      )}
      {failcount > 0 && may("reset") && (
        <button type="button" disabled={isBusy.value} onClick={() => void run(reset)}>
          {t.reset}
        </button>
      )}
      {username && may("unassign") && (
        <Confirm
          label={t.unassign}
          question={t.unassignQuestion(serial)}
          work={unassign}
          isDangerous={false}
        />
      )}
      {!revoked && may("revoke") && (
        <Confirm label={t.revoke} question={t.revokeQuestion(serial)} work={revoke} />
      )}
      {may("delete") && <Confirm label={l.remove} question={t.removeQuestion(serial)} work={remove} />}
    </div>
  );
}
