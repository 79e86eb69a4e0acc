import { useSignalEffect } from "@preact/signals";
import { render } from "preact";
import { Shell } from "./components/shell.tsx";
import { language } from "./i18n/language.ts";
import { PAGES } from "./pages/index.ts";
import { LoginPage } from "./pages/login.tsx";
import { segments } from "./router.ts";
import { may, session } from "./session.ts";

/** The whole page: the login, or the page that the address names. */
function App() {
  useSignalEffect(() => {
    document.documentElement.lang = language.value;
  });
  if (session.value === null) return <LoginPage />;
  const offered = PAGES.filter(({ right }) => right === undefined || may(right));
  const [name, ...args] = segments.value;
  // A page that needs no right of its own is part of another one.
  const first = offered.find(({ right }) => right !== undefined);
  const page = offered.find((one) => one.name === (name ?? first?.name));
  return <Shell pages={offered} page={page} args={args} />;
}

const root = document.getElementById("page");
if (root) render(<App />, root);
