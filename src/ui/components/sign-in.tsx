import { useSignal } from "@preact/signals";
import { api, call } from "../api.ts";
import { serverTexts } from "../i18n/server.ts";
import { ErrorNotice } from "./notice.tsx";

interface SignInProps {
  /** Name of the definition. */
  readonly name: string;
  /** Name of the provider; `null` if no preset is chosen. */
  readonly provider: string | null;
}

/** Signs in with the mailbox of a stored definition at its provider, in a new window. */
export function SignIn({ name, provider }: SignInProps) {
  const t = serverTexts();
  const error = useSignal<unknown>(null);
  const redirectUri = useSignal<string | null>(null);
  const start = async () => {
    error.value = null;
    try {
      const param = { identifier: encodeURIComponent(name) };
      const { value, detail } = await call(api.smtpserver[":identifier"].oauth.start.$post({ param }));
      redirectUri.value = detail?.redirect_uri ?? null;
      if (/^https?:/.test(value)) window.open(value, "_blank", "noopener,noreferrer");
    } catch (cause) {
      error.value = cause;
    }
  };
  return (
    <div class="sign-in">
      <button type="button" onClick={() => void start()}>
        {provider === null ? t.signIn : t.signInWith(provider)}
      </button>
      <p class="help">{redirectUri.value === null ? t.signInHelp : t.redirect(redirectUri.value)}</p>
      <ErrorNotice error={error.value} />
    </div>
  );
}
