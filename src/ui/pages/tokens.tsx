import { useSignal } from "@preact/signals";
import { call, pluginApi } from "../api.ts";
import { Loaded, useLoading } from "../components/loaded.tsx";
import { PageFrame } from "../components/page-frame.tsx";
import { Pager } from "../components/pager.tsx";
import { TokenTable } from "../components/token-table.tsx";
import { tokenTexts } from "../i18n/tokens.ts";

/** The tokens of everyone, and those that no one has. */
export function TokensView() {
  const t = tokenTexts();
  const pageNumber = useSignal(1);
  const list = useLoading(
    async () => (await call(pluginApi.token.$get({ query: { page: String(pageNumber.peek()) } }))).value,
  );
  return (
    <PageFrame title={t.title} subtitle={t.intro}>
      <Loaded from={list}>
        {(page) =>
          page.tokens.length === 0 ? (
            <p class="faint">{t.none}</p>
          ) : (
            <>
              <TokenTable tokens={page.tokens} reload={list.reload} showsOwner />
              <Pager
                page={page}
                onPage={(next) => {
                  pageNumber.value = next;
                  void list.reload();
                }}
              />
            </>
          )
        }
      </Loaded>
    </PageFrame>
  );
}
