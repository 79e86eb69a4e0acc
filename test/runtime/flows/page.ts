import { expect } from "bun:test";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { PAGE_HEADERS } from "../../../src/http/page.ts";
import { buildPage, PAGE_FOLDER } from "../../../tools/page.ts";
import type { Flow } from "../flow.ts";

/** The admin page, which servers read from files. */
export const PAGE: readonly Flow[] = [
  {
    claim: "a browser finds the admin page at /, with its policy",
    async run({ origin }) {
      if (!existsSync(join(PAGE_FOLDER, "ui"))) await buildPage();
      const page = await fetch(`${origin}/`, { headers: { Accept: "text/html" } });
      expect([page.status, page.url]).toEqual([200, `${origin}/ui/`]);
      expect(page.headers.get("content-security-policy")).toBe(PAGE_HEADERS.all["Content-Security-Policy"]);
      const [script = ""] = /index-\w+\.js/.exec(await page.text()) ?? [];
      const { status, headers } = await fetch(`${origin}/ui/${script}`);
      expect([status, headers.get("cache-control")]).toEqual([200, PAGE_HEADERS.hashed["Cache-Control"]]);
    },
    except: { workerd: { because: "static assets serve it, which have a test of their own" } },
  },
];
