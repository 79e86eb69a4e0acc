import { PAGES } from "../pages/index.ts";
import { segments } from "../router.ts";
import { may } from "../session.ts";
import { Shell } from "./shell.tsx";

/** Everything behind the login: the page that the address names, if the session may open it. */
export function Inside() {
  const offered = PAGES.filter(({ right }) => right === undefined || may(right));
  // A page that needs no right of its own is part of another one.
  const first = offered.find(({ right }) => right !== undefined);
  const [name = first?.name, ...args] = segments.value;
  return <Shell pages={offered} page={offered.find((one) => one.name === name)} args={args} />;
}
