import * as v from "valibot";
import { wholeNumber } from "./schemas.ts";

const MAX_PAGE = 1_000_000;
const MAX_PAGE_SIZE = 1_000;
const DEFAULT_PAGE_SIZE = 15;

export const pageNumber = v.optional(wholeNumber(1, MAX_PAGE), 1);
export const pageSize = v.optional(wholeNumber(1, MAX_PAGE_SIZE), DEFAULT_PAGE_SIZE);

/** The parameters that choose a page of a list. */
export const pageParams = { page: pageNumber, page_size: pageSize };

/** The fields of a page in addition to its rows. */
export const pageView = {
  count: v.number(),
  current: v.number(),
  prev: v.nullable(v.number()),
  next: v.nullable(v.number()),
};

/** Returns the fields of {@link pageView}. */
export function pageOf(
  { page, pageSize }: { readonly page: number; readonly pageSize: number },
  total: number,
) {
  return {
    count: total,
    current: page,
    prev: page > 1 ? page - 1 : null,
    next: page * pageSize < total ? page + 1 : null,
  };
}
