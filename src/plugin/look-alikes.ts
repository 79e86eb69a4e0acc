import { nameKey } from "../domain/names.ts";

/** Characters that no font shows, among them variation selectors (UTS 39 4). */
const INVISIBLE = /\p{Default_Ignorable_Code_Point}/gu;

/**
 * Returns keys of what a name looks like: skeletons by UTS 39 4, in one letter case. The first is that of the folded name.
 * The second is that of the name as written, because a capital I looks like a small l. A name imitates another if one of
 * its keys is the first of the other's.
 */
export async function lookAlikeKeys(name: string): Promise<readonly [string, string]> {
  // 100 KB that most instances do not need.
  const { default: replaceLookAlikes } = await import("unhomoglyph");
  return [
    skeletonOf(nameKey(name), replaceLookAlikes),
    skeletonOf(name.normalize("NFKC"), replaceLookAlikes),
  ];
}

/** Never empty, so that a key that is missing in the database differs from every other. */
function skeletonOf(text: string, replaceLookAlikes: (text: string) => string): string {
  const visible = text.normalize("NFD").replace(INVISIBLE, "");
  return nameKey(replaceLookAlikes(visible === "" ? text : visible));
}
