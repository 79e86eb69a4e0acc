import type { Page } from "../router.ts";
import { serversPage } from "./servers.tsx";

/** Every page, in the order of the navigation. The first one opens after the login. */
export const PAGES: readonly Page[] = [serversPage];
