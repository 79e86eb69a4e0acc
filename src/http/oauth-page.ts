import type { Context } from "hono";
import type { Env } from "../contracts/env.ts";
import type { SignInProblem } from "../mail/oauth/accept-grant.ts";
import { language } from "../plugin/texts.ts";

/** The end of a sign-in, as the page shows it. */
type SignInOutcome = "done" | "failed" | SignInProblem;

const STYLE = `
:root { color-scheme: light dark; font: 100%/1.5 system-ui, sans-serif }
main { max-width: 32rem; margin: 10vh auto; padding: 0 1rem }
`;

interface PageTexts extends Readonly<Record<Exclude<SignInOutcome, "failed">, string>> {
  readonly doneTitle: string;
  readonly failedTitle: string;
  /** For errors without a text of their own. */
  readonly failed: string;
}

/** Constants that need no escaping: nothing of the request or of the provider is on the page. */
const TEXTS = {
  en: {
    doneTitle: "Signed in",
    failedTitle: "The sign-in failed",
    done: "Sealpost may now send as this mailbox. You can close this window.",
    failed: "Something went wrong. Start the sign-in again later.",
    state: "This sign-in is unknown, was used already, or took longer than 10 minutes. Start it again.",
    admin: "The admin who started this sign-in may no longer change the definition. Start it again.",
    changed: "The definition was changed during the sign-in. Start it again.",
    denied: "The provider declined the sign-in, or you canceled it. The audit log has its error.",
    token: "The provider issued no token. The audit log has its error.",
    no_refresh_token:
      "The provider issued no refresh token. Add offline_access to oauth_scope, or remove the app from your account and consent again.",
    mailbox:
      "You signed in with another mailbox than the one of the definition. Start again and choose that one.",
  },
  de: {
    doneTitle: "Angemeldet",
    failedTitle: "Die Anmeldung ist fehlgeschlagen",
    done: "Sealpost darf jetzt als dieses Postfach senden. Sie können dieses Fenster schließen.",
    failed: "Etwas ist schiefgegangen. Starten Sie die Anmeldung später noch einmal.",
    state:
      "Diese Anmeldung ist unbekannt, wurde schon verwendet oder hat länger als 10 Minuten gedauert. Starten Sie sie noch einmal.",
    admin:
      "Der Admin, der diese Anmeldung gestartet hat, darf die Definition nicht mehr ändern. Starten Sie sie noch einmal.",
    changed: "Die Definition wurde während der Anmeldung geändert. Starten Sie sie noch einmal.",
    denied:
      "Der Anbieter hat die Anmeldung abgelehnt, oder Sie haben sie abgebrochen. Den Fehler nennt das Audit-Log.",
    token: "Der Anbieter hat kein Token ausgestellt. Den Fehler nennt das Audit-Log.",
    no_refresh_token:
      "Der Anbieter hat kein Refresh-Token ausgestellt. Ergänzen Sie offline_access in oauth_scope, oder entfernen Sie die App aus Ihrem Konto und stimmen Sie noch einmal zu.",
    mailbox:
      "Sie haben sich mit einem anderen Postfach angemeldet als dem der Definition. Starten Sie noch einmal und wählen Sie dieses.",
  },
} as const satisfies Readonly<Record<string, PageTexts>>;

/** Headers of every response to the browser: its address contains code and state. */
export async function callbackHeaders(): Promise<Readonly<Record<string, string>>> {
  const hash = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(STYLE));
  const style = `'sha256-${new Uint8Array(hash).toBase64()}'`;
  const policy = `default-src 'none'; style-src ${style}; form-action 'none'; base-uri 'none'; frame-ancestors 'none'`;
  return {
    "Content-Security-Policy": policy,
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    Vary: "Accept, Accept-Language",
  };
}

/** Returns the page that ends a sign-in, in the language of the browser. It has no scripts. */
export function signInPage(c: Context<Env>, outcome: SignInOutcome): string {
  const name = language(c, ["en", "de"]);
  const texts = TEXTS[name];
  const title = outcome === "done" ? texts.doneTitle : texts.failedTitle;
  return `<!doctype html>
<html lang="${name}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>${title}</title>
<style>${STYLE}</style>
</head>
<body>
<main>
<h1>${title}</h1>
<p>${texts[outcome]}</p>
</main>
</body>
</html>
`;
}
