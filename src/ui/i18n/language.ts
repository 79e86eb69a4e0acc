import { signal } from "@preact/signals";

export const LANGUAGES = { en: "English", de: "Deutsch" } as const;
type Language = keyof typeof LANGUAGES;

/** A text, or a function that puts values into it. */
type Entry = string | ((...values: never[]) => string);
type Dictionary = Readonly<Record<string, Entry>>;
/** The same entries in another language. */
type Translated<T> = { readonly [K in keyof T]: T[K] extends string ? string : T[K] };

const STORAGE_KEY = "sealpost.language";

/** The language of the page. A change renders every text again. */
export const language = signal<Language>(initialLanguage());

/**
 * Creates the texts of one page or component. A German entry that is missing does not compile.
 * @returns a function that returns the texts in the current language.
 * @example
 * ```ts
 * const t = dictionary({ save: "Save" }, { save: "Speichern" });
 * t().save;
 * ```
 */
export function dictionary<T extends Dictionary>(en: T, de: Translated<T>): () => T | Translated<T> {
  return () => (language.value === "de" ? de : en);
}

/** Returns the names that texts are for, in their order. The compiler proves that none is missing. */
export function keysOf<K extends string>(texts: Readonly<Record<K, string>>): readonly K[] {
  return Object.keys(texts) as K[];
}

/** Changes the language of the page, and remembers it in this browser. */
export function setLanguage(chosen: Language): void {
  language.value = chosen;
  try {
    localStorage.setItem(STORAGE_KEY, chosen);
  } catch {
    // A browser that keeps nothing shows its own language the next time.
  }
}

export function isLanguage(text: string): text is Language {
  return Object.hasOwn(LANGUAGES, text);
}

function initialLanguage(): Language {
  const wanted = [storedLanguage(), ...navigator.languages.map((tag) => tag.slice(0, 2).toLowerCase())];
  return wanted.find(isLanguage) ?? "en";
}

function storedLanguage(): string {
  try {
    return localStorage.getItem(STORAGE_KEY) ?? "";
  } catch {
    return "";
  }
}

/** Formats a day, such as "29 Nov 2026". */
export function date(iso: string): string {
  return new Intl.DateTimeFormat(language.value, { dateStyle: "medium" }).format(new Date(iso));
}

const UNITS = [
  ["day", 86_400],
  ["hour", 3_600],
  ["minute", 60],
  ["second", 1],
] as const;

/** Formats the distance of a time to now, such as "5 minutes ago". */
export function relativeTime(iso: string): string {
  const seconds = Math.round((Date.parse(iso) - Date.now()) / 1_000);
  const [unit, size] = UNITS.find(([, length]) => Math.abs(seconds) >= length) ?? ["second", 1];
  const format = new Intl.RelativeTimeFormat(language.value, { numeric: "auto" });
  return format.format(Math.trunc(seconds / size), unit);
}

export function count(value: number): string {
  return new Intl.NumberFormat(language.value).format(value);
}
