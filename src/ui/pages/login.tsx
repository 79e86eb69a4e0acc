import { useSignal } from "@preact/signals";
import { api, call } from "../api.ts";
import { Field } from "../components/field.tsx";
import { LanguageChoice } from "../components/language-choice.tsx";
import { ErrorNotice, Notice } from "../components/notice.tsx";
import { PageFrame } from "../components/page-frame.tsx";
import { useWork } from "../components/work.ts";
import { common } from "../i18n/common.ts";
import { loginTexts } from "../i18n/login.ts";
import { lastEnd, startSession } from "../session.ts";

/** Logs in with user name and password, or with an API key. */
export function LoginPage() {
  const t = loginTexts();
  const isKey = useSignal(false);
  const end = lastEnd.value;
  return (
    <div class="login">
      <header class="login-head">
        <p class="brand">{common().product}</p>
        <LanguageChoice />
      </header>
      <main>
        <PageFrame title={t.title} subtitle={t.intro}>
          {end && (
            <Notice kind={end === "expired" ? "warn" : "info"}>
              <p>{end === "expired" ? t.expired : t.loggedOut}</p>
            </Notice>
          )}
          {isKey.value ? <KeyForm /> : <PasswordForm />}
          <button
            type="button"
            class="link"
            onClick={() => {
              isKey.value = !isKey.value;
            }}
          >
            {isKey.value ? t.withPassword : t.withKey}
          </button>
        </PageFrame>
      </main>
    </div>
  );
}

/** Starts the session of a token or an API key with the rights that it has now. @throws {ApiError} if it is not valid. */
async function startSessionOf(credential: string): Promise<void> {
  const headers = { Authorization: `Bearer ${credential}` };
  const { value } = await call(api.auth.$get({}, { headers }));
  startSession(credential, value);
}

function PasswordForm() {
  const t = loginTexts();
  const username = useSignal("");
  const password = useSignal("");
  const { isBusy, error, onSubmit } = useWork();
  const logIn = async () => {
    const given = { username: username.value.trim(), password: password.value };
    const { value } = await call(api.auth.$post({ json: given }));
    await startSessionOf(value.token);
  };
  return (
    <form onSubmit={onSubmit(logIn)} aria-busy={isBusy.value}>
      <ErrorNotice error={error.value} />
      <Field
        label={t.username}
        value={username.value}
        onChange={(value) => {
          username.value = value;
        }}
        autoComplete="username"
        autoCapitalize="none"
        required
      />
      <Field
        label={t.password}
        type="password"
        value={password.value}
        onChange={(value) => {
          password.value = value;
        }}
        autoComplete="current-password"
        required
      />
      <button type="submit" class="primary wide" disabled={isBusy.value}>
        {t.logIn}
      </button>
    </form>
  );
}

function KeyForm() {
  const t = loginTexts();
  const key = useSignal("");
  const { isBusy, error, onSubmit } = useWork();
  const logIn = () => startSessionOf(key.value.trim());
  return (
    <form onSubmit={onSubmit(logIn)} aria-busy={isBusy.value}>
      <ErrorNotice error={error.value} />
      <Field
        label={t.key}
        type="password"
        value={key.value}
        onChange={(value) => {
          key.value = value;
        }}
        help={t.keyHelp}
        pattern="\s*sp_\S+\s*"
        required
      />
      <button type="submit" class="primary wide" disabled={isBusy.value}>
        {t.logIn}
      </button>
    </form>
  );
}
