import { render } from "sealpost/plugin";
import { type Language, PAGE } from "./texts.ts";

const STYLE = `
:root { color-scheme: light dark; font: 100%/1.5 system-ui, sans-serif }
main { max-width: 26rem; margin: 10vh auto; padding: 0 1rem }
label, button { display: block; margin-top: 1rem }
input { display: block; box-sizing: border-box; width: 100%; font: inherit; padding: .4rem }
button { font: inherit; padding: .4rem 1rem }
`;

/**
 * The code is in the fragment, which no server, proxy or Referer ever sees, and the script removes it from the address bar.
 * It is only used when the button is pressed: programs that check links in messages do not press buttons.
 */
const SCRIPT = `
"use strict";
const given = new URLSearchParams(location.hash.slice(1));
history.replaceState(null, "", location.pathname);
const find = (id) => document.getElementById(id);
const show = (id) => { for (const one of document.querySelectorAll("[role=status] > *")) one.hidden = one.id !== id };
const name = (given.get("realm") ? given.get("user") + "@" + given.get("realm") : given.get("user")) ?? "";
const isComplete = Boolean(given.get("user") && given.get("code"));
find("form").hidden = !isComplete;
find("name").value = name;
show(isComplete ? "" : "incomplete");
function verdict(status, value) {
  if (status === 200) return value === true ? "done" : "stale";
  return { 400: "refused", 429: "busy" }[status] ?? "failed";
}
find("form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const password = find("password").value;
  if (password !== find("again").value) return show("differ");
  find("button").disabled = true;
  const body = { user: given.get("user"), realm: given.get("realm") ?? "", recoverycode: given.get("code"), password };
  let outcome = "failed";
  try {
    const headers = { "Content-Type": "application/json", "Accept-Language": document.documentElement.lang };
    const response = await fetch(location.pathname, {
      method: "POST", headers, body: JSON.stringify(body), credentials: "omit", redirect: "error",
    });
    outcome = verdict(response.status, (await response.json()).result?.value);
  } catch (error) {
    console.error(error);
  }
  find("button").disabled = false;
  find("form").hidden = outcome === "done" || outcome === "stale";
  show(outcome);
});
`;

/** @param text constants that need no HTML escaping. */
const html = (
  text: Readonly<Record<keyof typeof PAGE.en, string>>,
  language: Language,
  least: number,
) => `<!doctype html>
<html lang="${language}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>${text.title}</title>
<style>${STYLE}</style>
</head>
<body>
<main>
<h1>${text.title}</h1>
<form id="form" hidden>
<label>${text.account} <input id="name" autocomplete="username" readonly></label>
<label>${text.password}
<input id="password" type="password" autocomplete="new-password" minlength="${least}" required></label>
<label>${text.again} <input id="again" type="password" autocomplete="new-password" required></label>
<button id="button">${text.button}</button>
</form>
<div role="status">
${OUTCOMES.map((name) => `<p id="${name}" hidden>${text[name]}</p>`).join("\n")}
</div>
<noscript><p>${text.noscript}</p></noscript>
</main>
<script>${SCRIPT}</script>
</body>
</html>
`;
const OUTCOMES = ["incomplete", "differ", "done", "stale", "refused", "busy", "failed"] as const;

interface Page {
  readonly html: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** Creates the page that the link leads to. It contains nothing about accounts: the name comes from the link. */
export async function resetPage(language: Language, minCharacters: number): Promise<Page> {
  const least = String(minCharacters);
  const text = { ...PAGE[language], refused: render(PAGE[language].refused, { least }) };
  const policy = [
    "default-src 'none'",
    `script-src '${await sourceHash(SCRIPT)}'`,
    `style-src '${await sourceHash(STYLE)}'`,
    "connect-src 'self'",
    "form-action 'none'",
    "base-uri 'none'",
    "frame-ancestors 'none'",
  ];
  return {
    html: html(text, language, minCharacters),
    headers: {
      "Content-Security-Policy": policy.join("; "),
      "Referrer-Policy": "no-referrer",
      "Cross-Origin-Opener-Policy": "same-origin",
      "Content-Language": language,
      Vary: "Accept-Language",
    },
  };
}

/** Returns a source expression that allows exactly this text (CSP Level 3, 8.5). */
async function sourceHash(text: string): Promise<string> {
  const hash = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  return `sha256-${new Uint8Array(hash).toBase64()}`;
}
