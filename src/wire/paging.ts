/** What an answer says of a page, beside what is on it. */
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
