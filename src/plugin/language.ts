import type { Context } from "hono";

/**
 * The language among `available` that the client likes best (RFC 9110 12.5.4); the first if it likes none.
 * @example `const text = TEXTS[language(c, ["en", "de"])]`
 */
export function language<const L extends string>(c: Context, available: readonly [L, ...L[]]): L {
  const wanted = (c.req.header("accept-language") ?? "").split(",").map(parseRange);
  const ordered = wanted.filter(({ quality }) => quality > 0).toSorted((a, b) => b.quality - a.quality);
  for (const { range } of ordered) {
    const found = available.find((name) => range === name || range.startsWith(`${name}-`));
    if (found !== undefined) return found;
  }
  return available[0];
}

function parseRange(text: string): { readonly range: string; readonly quality: number } {
  const [range = "", ...parameters] = text.split(";").map((part) => part.trim().toLowerCase());
  const weight = parameters.find((parameter) => parameter.startsWith("q="));
  const quality = weight === undefined ? 1 : Number(weight.slice(2));
  return { range, quality: Number.isFinite(quality) ? quality : 0 };
}
