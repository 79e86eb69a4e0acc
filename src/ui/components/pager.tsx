import { count } from "../i18n/language.ts";
import { listTexts } from "../i18n/lists.ts";

interface PagerProps {
  /** The page as the API returned it. */
  readonly page: { readonly count: number; readonly prev: number | null; readonly next: number | null };
  readonly onPage: (page: number) => void;
}

/** Leads to the pages of newer and older rows. */
export function Pager({ page: { count: rows, prev, next }, onPage }: PagerProps) {
  const t = listTexts();
  return (
    <div class="pager">
      <p class="faint">{t.rows(count(rows))}</p>
      {(prev !== null || next !== null) && (
        <div class="actions">
          <button type="button" disabled={prev === null} onClick={() => onPage(prev ?? 1)}>
            {t.newer}
          </button>
          <button type="button" disabled={next === null} onClick={() => onPage(next ?? 1)}>
            {t.older}
          </button>
        </div>
      )}
    </div>
  );
}
