import { common } from "../i18n/common.ts";
import { isLanguage, LANGUAGES, language, setLanguage } from "../i18n/language.ts";

/** Chooses the language of the page. */
export function LanguageChoice() {
  return (
    <select
      class="quiet"
      aria-label={common().language}
      value={language.value}
      onChange={({ currentTarget: { value } }) => {
        if (isLanguage(value)) setLanguage(value);
      }}
    >
      {Object.entries(LANGUAGES).map(([code, name]) => (
        <option key={code} value={code} lang={code}>
          {name}
        </option>
      ))}
    </select>
  );
}
