import { useId } from "preact/hooks";
import type { api, ValueOf } from "../api.ts";
import { listTexts } from "../i18n/lists.ts";
import { descriptionOf, settingTexts } from "../i18n/settings.ts";
import { may } from "../session.ts";

type Setting = ValueOf<typeof api.plugins.$get>[number]["settings"][number];

interface SettingFieldProps {
  readonly setting: Setting;
  /** The value in effect. A secret is censored. */
  readonly stored: unknown;
  /** The value of the form; `undefined` if it was not changed. */
  readonly changed: unknown;
  readonly error: string | undefined;
  readonly onChange: (value: unknown) => void;
  readonly onReset: () => unknown;
}

/** Templates are texts of several lines. */
const TEMPLATE = /(text|html)$/;

/** One setting: its description, its value, and the default. The default shows its type. */
export function SettingField(props: SettingFieldProps) {
  const { setting, stored, changed, error, onReset } = props;
  const t = settingTexts();
  const id = useId();
  const { text, lang } = descriptionOf(setting.name, setting.description);
  const isDefault = textOf(stored) === textOf(setting.default);
  const described = [`${id}-name`, `${id}-help`, error && `${id}-error`].filter(Boolean).join(" ");
  const attributes = { id, "aria-describedby": described, "aria-invalid": error ? true : undefined };
  return (
    <div class={`field setting ${typeof setting.default === "boolean" ? "flag" : ""}`}>
      <label for={id} lang={lang}>
        {text}
      </label>
      <Control {...props} attributes={attributes} />
      <p class="help">
        <code id={`${id}-name`}>{setting.name}</code>{" "}
        <span id={`${id}-help`}>
          {t.byDefault(shownOf(setting.default))}
          {Array.isArray(setting.default) && ` · ${t.listHelp}`}
          {setting.secret && stored !== "" && ` · ${t.stored}`}
        </span>
      </p>
      {error && (
        <p class="field-error" id={`${id}-error`}>
          {error}
        </p>
      )}
      {!isDefault && changed === undefined && may("configwrite") && (
        <button type="button" class="link" aria-describedby={`${id}-name`} onClick={() => void onReset()}>
          {t.reset}
        </button>
      )}
    </div>
  );
}

interface ControlProps extends Pick<SettingFieldProps, "setting" | "stored" | "changed" | "onChange"> {
  readonly attributes: object;
}

function Control({ setting, stored, changed, onChange, attributes }: ControlProps) {
  const { name, secret, default: fallback } = setting;
  const value = changed ?? (secret ? "" : stored);
  const shared = { ...attributes, disabled: !may("configwrite"), autoComplete: "off", spellcheck: false };
  if (typeof fallback === "boolean") {
    return (
      <input
        {...shared}
        type="checkbox"
        checked={value === true}
        onChange={({ currentTarget }) => onChange(currentTarget.checked)}
      />
    );
  }
  const change = (text: string) => onChange(Array.isArray(fallback) ? listOf(text) : text);
  const text = changed === undefined ? textOf(value) : typedOf(value);
  if (TEMPLATE.test(name)) {
    return (
      <textarea
        {...shared}
        rows={text === "" ? 2 : 6}
        value={text}
        onInput={({ currentTarget }) => change(currentTarget.value)}
      />
    );
  }
  if (secret) {
    return (
      <input
        {...shared}
        type="password"
        value={text}
        onInput={({ currentTarget }) => change(currentTarget.value)}
      />
    );
  }
  return (
    <input
      {...shared}
      type="text"
      inputMode={typeof fallback === "number" ? "numeric" : undefined}
      value={text}
      onInput={({ currentTarget }) => change(currentTarget.value)}
    />
  );
}

function listOf(text: string): readonly string[] {
  return text.split(",").map((entry) => entry.trimStart());
}

/** Returns what is being typed, also after a comma. */
function typedOf(value: unknown): string {
  return Array.isArray(value) ? value.join(", ").replace(/, $/, ",") : textOf(value);
}

function textOf(value: unknown): string {
  return Array.isArray(value) ? value.join(", ") : String(value ?? "");
}

function shownOf(value: unknown): string {
  if (typeof value === "boolean") return value ? listTexts().yes : listTexts().no;
  return textOf(value) || settingTexts().nothing;
}
