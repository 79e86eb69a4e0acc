import { serverTexts } from "../i18n/server.ts";
import type { Preset } from "../presets.ts";
import type { Form } from "../server-form.ts";
import { bind } from "./bind.ts";
import { Select } from "./choices.tsx";
import { Field } from "./field.tsx";
import { SecretField } from "./secret-field.tsx";
import { SignIn } from "./sign-in.tsx";

interface LoginSectionProps {
  readonly form: Form;
  readonly preset: Preset | undefined;
  readonly isNew: boolean;
}

/** How a definition logs in: by password, or by access token. */
export function LoginSection({ form, preset, isNew }: LoginSectionProps) {
  const t = serverTexts();
  const { auth } = form.values.value;
  return (
    <section class="card">
      <h2>{t.login}</h2>
      <Select
        {...bind(form, "auth")}
        options={[
          ["password", t.byPassword],
          ["oauth2", t.byToken],
        ]}
      />
      <div class="row">
        <Field
          {...bind(form, "username")}
          help={preset && preset.username.value !== "" ? preset.username.expected : t.usernameHelp}
          autoCapitalize="none"
        />
        {auth === "password" && (
          <SecretField
            {...bind(form, "password")}
            name="password"
            help={preset?.secret.expected ?? undefined}
          />
        )}
      </div>
      {auth === "oauth2" && <TokenFields form={form} preset={preset} isNew={isNew} />}
    </section>
  );
}

function TokenFields({ form, preset, isNew }: LoginSectionProps) {
  const t = serverTexts();
  const { oauth_flow: flow, oauth_token_url, name } = form.values.value;
  return (
    <>
      <Select
        {...bind(form, "oauth_flow")}
        options={[
          ["client_credentials", t.clientCredentials],
          ["jwt_bearer", t.serviceAccount],
          ["refresh_token", t.refreshToken],
        ]}
      />
      {flow === "jwt_bearer" ? (
        <SecretField {...bind(form, "oauth_service_account")} name="oauth_service_account" isLong />
      ) : (
        <>
          <Field
            {...bind(form, "oauth_token_url")}
            help={oauth_token_url.includes("{") ? t.tenant : undefined}
          />
          <div class="row">
            <Field {...bind(form, "oauth_client_id")} />
            <SecretField {...bind(form, "oauth_client_secret")} name="oauth_client_secret" />
          </div>
        </>
      )}
      <Field {...bind(form, "oauth_scope")} />
      {flow === "refresh_token" && !isNew && <SignIn name={name} provider={preset?.name ?? null} />}
    </>
  );
}
