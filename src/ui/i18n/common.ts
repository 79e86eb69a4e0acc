import { dictionary } from "./language.ts";

/** Texts that several pages share. */
export const common = dictionary(
  {
    product: "Sealpost",
    navigation: "Views",
    language: "Language",
    logOut: "Log out",
    apiKey: "API key",
    endsIn: (seconds: number) => `The session ends in ${seconds} s. Save your work; then log in again.`,
    loading: "Loading …",
    retry: "Try again",
    skip: "Skip to the content",
    notFound: "There is no such page.",
    cancel: "Cancel",
    close: "Close",
    back: "Back",
    copy: "Copy",
    copied: "Copied",
    none: "none",
  },
  {
    product: "Sealpost",
    navigation: "Ansichten",
    language: "Sprache",
    logOut: "Abmelden",
    apiKey: "API-Schlüssel",
    endsIn: (seconds) =>
      `Die Sitzung endet in ${seconds} s. Speichern Sie Ihre Arbeit und melden Sie sich neu an.`,
    loading: "Wird geladen …",
    retry: "Noch einmal versuchen",
    skip: "Zum Inhalt springen",
    notFound: "Diese Seite gibt es nicht.",
    cancel: "Abbrechen",
    close: "Schließen",
    back: "Zurück",
    copy: "Kopieren",
    copied: "Kopiert",
    none: "keine",
  },
);
