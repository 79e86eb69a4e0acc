import { useSignalEffect } from "@preact/signals";
import { render } from "preact";
import { lazyView } from "./components/lazy.tsx";
import { language } from "./i18n/language.ts";
import { LoginPage } from "./pages/login.tsx";
import { session } from "./session.ts";

const inside = lazyView(async () => (await import("./components/inside.tsx")).Inside);

/** The whole page: the login, or what is behind it. */
function App() {
  useSignalEffect(() => {
    document.documentElement.lang = language.value;
  });
  return session.value === null ? <LoginPage /> : <inside.View />;
}

const root = document.getElementById("page");
if (root) {
  render(<App />, root);
  // While the user types, so that the login leads on without a wait.
  void inside.preload();
}
