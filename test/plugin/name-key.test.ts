import { expect, test } from "bun:test";
import { nameKey } from "sealpost/plugin";

test("nameKey() folds letter case, for every character of Unicode", () => {
  const differing: string[] = [];
  for (let code = 0; code <= 0x10_ffff; code++) {
    const character = String.fromCodePoint(code);
    if (!character.isWellFormed()) continue;
    const key = nameKey(character);
    const others = [character.toLowerCase(), character.toUpperCase(), key];
    if (others.some((other) => nameKey(other) !== key)) differing.push(code.toString(16));
  }
  expect(differing).toEqual([]);
});

test("nameKey() is the same for straße, STRASSE and STRAẞE", () => {
  expect(["straße", "STRASSE", "STRAẞE"].map(nameKey)).toEqual(["strasse", "strasse", "strasse"]);
});
