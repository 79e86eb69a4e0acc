import { call, pluginApi } from "../api.ts";
import { Checkbox, Select } from "../components/choices.tsx";
import { EventOptions } from "../components/event-options.tsx";
import { EventsField } from "../components/events-field.tsx";
import { Field } from "../components/field.tsx";
import { Loaded, useLoading } from "../components/loaded.tsx";
import { ErrorNotice } from "../components/notice.tsx";
import { PageFrame } from "../components/page-frame.tsx";
import { useForm } from "../components/work.ts";
import {
  ACTIONS,
  type Action,
  type Binding,
  bodyOf,
  type EventValues,
  KINDS,
  PARAMETERS,
  valuesOf,
} from "../event-form.ts";
import { common } from "../i18n/common.ts";
import { eventTexts } from "../i18n/events.ts";
import { listTexts } from "../i18n/lists.ts";
import { open, type PageProps } from "../router.ts";

/** Creates or changes a message or webhook that events cause. */
export function EventView({ args: [id] }: PageProps) {
  const t = eventTexts();
  const loaded = useLoading(async () => {
    const known = (await call(pluginApi.event.available.$get())).value;
    if (id === undefined) return { known, stored: undefined };
    const [stored] = (await call(pluginApi.event[":id"].$get({ param: { id } }))).value;
    return { known, stored };
  });
  return (
    <PageFrame
      title={id === undefined ? t.newBinding : t.editTitle}
      subtitle={loaded.value.value?.stored?.name}
    >
      <Loaded from={loaded}>{(given) => <EventForm {...given} />}</Loaded>
    </PageFrame>
  );
}

interface EventFormProps {
  /** `undefined` for a new one. */
  readonly stored: Binding | undefined;
  /** The names of all events. */
  readonly known: readonly string[];
}

function EventForm({ stored, known }: EventFormProps) {
  const t = eventTexts();
  const form = useForm<EventValues>(valuesOf(stored), { ...t, argument: t.addresses }, PARAMETERS);
  const { values, bind, isBusy, error, onSubmit } = form;
  const save = onSubmit(async () => {
    await call(pluginApi.event.$post({ json: bodyOf(values.peek(), stored) }));
    open("events");
  });
  const conditions = Object.entries(stored?.conditions ?? {}).map(([name, value]) => `${name}=${value}`);
  const choose = (action: Action) => {
    const to = action === "sendsms" ? KINDS.sendsms[0] : KINDS.sendmail[0];
    values.value = { ...values.peek(), action, to, argument: "" };
  };
  return (
    <form class="card form" onSubmit={save} aria-busy={isBusy.value}>
      <ErrorNotice error={error} />
      <Field {...bind("name")} required />
      <EventsField {...bind("events")} known={known} />
      <Select
        label={t.action}
        value={values.value.action}
        onChange={choose}
        options={ACTIONS.map((action) => [action, t[action]] as const)}
        error={bind("action").error}
      />
      <EventOptions values={values.value} bind={bind} hasSecret={stored?.action === "webhook"} />
      {conditions.length > 0 && <p class="faint">{t.conditions(conditions.join(", "))}</p>}
      <Checkbox {...bind("active")} />
      <div class="actions">
        <button type="submit" class="primary" disabled={isBusy.value}>
          {listTexts().save}
        </button>
        <button type="button" onClick={() => open("events")}>
          {common().cancel}
        </button>
      </div>
    </form>
  );
}
