import type { Page } from "../router.ts";
import { serverPage } from "./server.tsx";
import { serversPage } from "./servers.tsx";
import { testPage } from "./test.tsx";

/** Every page, in the order of the navigation. The first one opens after the login. */
export const PAGES: readonly Page[] = [serversPage, serverPage, testPage];
