import { call, pluginApi, type ValueOf } from "../api.ts";
import { TextArea } from "../components/choices.tsx";
import { Field } from "../components/field.tsx";
import { GatewayTest } from "../components/gateway-test.tsx";
import { Loaded, useLoading } from "../components/loaded.tsx";
import { ErrorNotice } from "../components/notice.tsx";
import { PageFrame } from "../components/page-frame.tsx";
import { useForm } from "../components/work.ts";
import { common } from "../i18n/common.ts";
import { gatewayTexts } from "../i18n/gateways.ts";
import { listTexts } from "../i18n/lists.ts";
import { open, type PageProps } from "../router.ts";

type Gateway = ValueOf<typeof pluginApi.smsgateway.$get>[number];

const PARAMETERS = {
  mailto: "option.MAILTO",
  subject: "option.SUBJECT",
  body: "option.BODY",
  regexp: "option.REGEXP",
  smtpidentifier: "option.SMTPIDENTIFIER",
} as const;

/** Creates, changes or tests an SMS gateway. */
export function GatewayView({ args: [name] }: PageProps) {
  const t = gatewayTexts();
  const loaded = useLoading(async () => {
    const providers = (await call(pluginApi.smsgateway.providers.$get())).value;
    const [provider] = Object.values(providers);
    return { stored: await storedGateway(name), servers: provider?.parameters.SMTPIDENTIFIER?.values ?? [] };
  });
  return (
    <PageFrame title={name === undefined ? t.newGateway : t.editTitle} subtitle={name}>
      <Loaded from={loaded}>{(given) => <GatewayForm {...given} />}</Loaded>
      {name !== undefined && <GatewayTest name={name} />}
    </PageFrame>
  );
}

async function storedGateway(name: string | undefined): Promise<Gateway | undefined> {
  if (name === undefined) return undefined;
  const param = { gateway: encodeURIComponent(name) };
  const [gateway] = (await call(pluginApi.smsgateway[":gateway"].$get({ param }))).value;
  return gateway;
}

interface GatewayFormProps {
  /** `undefined` for a new one. */
  readonly stored: Gateway | undefined;
  /** Names of the definitions. */
  readonly servers: readonly string[];
}

function GatewayForm({ stored, servers }: GatewayFormProps) {
  const t = gatewayTexts();
  const { values, bind, isBusy, error, onSubmit } = useForm(valuesOf(stored), t, PARAMETERS);
  const save = onSubmit(async () => {
    const { name, description, mailto, subject, body, regexp, smtpidentifier } = values.peek();
    const json = {
      name,
      description,
      [PARAMETERS.mailto]: mailto,
      [PARAMETERS.subject]: subject,
      [PARAMETERS.body]: body,
      [PARAMETERS.regexp]: regexp,
      [PARAMETERS.smtpidentifier]: smtpidentifier,
    };
    await call(pluginApi.smsgateway.$post({ json }));
    open("gateways");
  });
  return (
    <form class="card form" onSubmit={save} aria-busy={isBusy.value}>
      <ErrorNotice error={error} />
      <Field {...bind("name")} help={t.nameHelp} disabled={stored !== undefined} required />
      <Field {...bind("description")} />
      <Field {...bind("mailto")} help={t.mailtoHelp} required />
      <Field {...bind("subject")} />
      <TextArea {...bind("body")} help={t.bodyHelp} />
      <Field {...bind("regexp")} help={t.regexpHelp} />
      <Field
        {...bind("smtpidentifier")}
        help={t.servers(servers.length > 0 ? servers.join(", ") : common().none)}
      />
      <div class="actions">
        <button type="submit" class="primary" disabled={isBusy.value}>
          {listTexts().save}
        </button>
        <button type="button" onClick={() => open("gateways")}>
          {common().cancel}
        </button>
      </div>
    </form>
  );
}

function valuesOf(gateway: Gateway | undefined) {
  const { name = "", description = "", options = {} } = gateway ?? {};
  return {
    name,
    description,
    mailto: options.MAILTO ?? "",
    subject: options.SUBJECT ?? "{phone}",
    body: options.BODY ?? "{otp}",
    regexp: options.REGEXP ?? "",
    smtpidentifier: options.SMTPIDENTIFIER ?? "",
  };
}
