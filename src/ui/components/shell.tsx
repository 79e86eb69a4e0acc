import { common } from "../i18n/common.ts";
import { type Page, segments, to } from "../router.ts";
import { logOut, secondsLeft, session } from "../session.ts";
import { leavePage } from "../unsaved.ts";
import { LanguageChoice } from "./language-choice.tsx";
import { LeaveDialog } from "./leave-dialog.tsx";
import { Announcer, PageFrame } from "./page-frame.tsx";

interface ShellProps {
  /** The pages that the session may open. */
  readonly pages: readonly Page[];
  /** The page that the address names; `undefined` if there is none. */
  readonly page: Page | undefined;
  readonly args: readonly string[];
}

/** The frame around every page of a session: navigation, session and content. */
export function Shell({ pages, page, args }: ShellProps) {
  const t = common();
  const { username = "", keyName = null } = session.value ?? {};
  const nothing = keyName === null ? t.nothingOffered : t.nothingForKey;
  const who = keyName === null ? username : t.apiKey(keyName);
  return (
    <div class="shell">
      <button type="button" class="skip" onClick={() => document.querySelector("h1")?.focus()}>
        {t.skip}
      </button>
      <header class="bar">
        <p class="brand">{t.product}</p>
        <nav aria-label={t.navigation}>
          <ul>
            {pages.map(
              ({ name, label }) =>
                label && (
                  <li key={name}>
                    <a
                      href={to(name)}
                      aria-current={(page?.parent ?? page?.name) === name ? "page" : undefined}
                    >
                      {label()}
                    </a>
                  </li>
                ),
            )}
          </ul>
        </nav>
        <div class="account">
          <LanguageChoice />
          <span class="who">{who}</span>
          <button type="button" class="quiet" onClick={() => leavePage(logOut)}>
            {t.logOut}
          </button>
        </div>
      </header>
      <main id="main">
        <SessionWarning />
        {page ? (
          <page.View key={segments.value.join("/")} args={args} />
        ) : (
          <PageFrame title={t.product}>
            <p>{segments.value.length === 0 ? nothing : t.notFound}</p>
          </PageFrame>
        )}
      </main>
      <Announcer />
      <LeaveDialog />
    </div>
  );
}

/** Warns in the last minute of a session. */
function SessionWarning() {
  const seconds = secondsLeft.value;
  if (seconds === null) return null;
  return (
    <p class="notice warn" role="alert">
      {common().endsIn(seconds)}
    </p>
  );
}
