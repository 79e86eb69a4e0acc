import { call, pluginApi, type ValueOf } from "../api.ts";
import { Confirm } from "../components/confirm.tsx";
import { Loaded, useLoading } from "../components/loaded.tsx";
import { PageFrame } from "../components/page-frame.tsx";
import { Table } from "../components/table.tsx";
import { gatewayTexts } from "../i18n/gateways.ts";
import { listTexts } from "../i18n/lists.ts";
import { navigation } from "../i18n/navigation.ts";
import { open, to } from "../router.ts";
import { may } from "../session.ts";

type Gateway = ValueOf<typeof pluginApi.smsgateway.$get>[number];

/** The SMS gateways. */
export function GatewaysView() {
  const t = gatewayTexts();
  const list = useLoading(async () => (await call(pluginApi.smsgateway.$get())).value);
  return (
    <PageFrame title={navigation().gateways} subtitle={t.intro} actions={<NewGateway />}>
      <Loaded from={list}>
        {(gateways) =>
          gateways.length === 0 ? (
            <div class="empty">
              <h2>{t.emptyTitle}</h2>
              <p>{t.emptyText}</p>
            </div>
          ) : (
            <GatewayTable gateways={gateways} reload={list.reload} />
          )
        }
      </Loaded>
    </PageFrame>
  );
}

function NewGateway() {
  if (!may("smsgateway_write")) return null;
  return (
    <button type="button" class="primary" onClick={() => open("gateway")}>
      {gatewayTexts().newGateway}
    </button>
  );
}

interface GatewayTableProps {
  readonly gateways: readonly Gateway[];
  readonly reload: () => Promise<void>;
}

function GatewayTable({ gateways, reload }: GatewayTableProps) {
  const [t, l] = [gatewayTexts(), listTexts()];
  const remove = async (name: string) => {
    await call(pluginApi.smsgateway[":gateway"].$delete({ param: { gateway: encodeURIComponent(name) } }));
    await reload();
  };
  const remover = ({ name }: Gateway) => (
    <div class="actions">
      <Confirm label={l.remove} question={t.removeQuestion(name)} work={() => remove(name)} />
    </div>
  );
  return (
    <Table
      caption={navigation().gateways}
      rows={gateways}
      keyOf={({ id }) => id}
      columns={[
        { head: t.name, kind: "wide", cell: nameOf },
        { head: t.mailto, kind: "wide", cell: ({ options }) => <span>{options.MAILTO}</span> },
        { head: t.smtpidentifier, cell: ({ options }) => options.SMTPIDENTIFIER || "default" },
        ...(may("smsgateway_write") ? [{ head: l.actions, kind: "buttons" as const, cell: remover }] : []),
      ]}
    />
  );
}

function nameOf({ name, description }: Gateway) {
  return (
    <>
      {may("smsgateway_write") ? <a href={to("gateway", name)}>{name}</a> : <span>{name}</span>}
      {description && <p class="faint">{description}</p>}
    </>
  );
}
