import { dictionary } from "./language.ts";

export const loginTexts = dictionary(
  {
    title: "Log in",
    intro: "Mail servers, tests and the reasons when a message does not arrive.",
    username: "User name",
    password: "Password",
    logIn: "Log in",
    withKey: "Use an API key",
    withPassword: "Use user name and password",
    key: "API key",
    keyHelp: "A key starts with sp_ and has rights of its own. It stays in the memory of this tab.",
    expired: "The session has ended. Log in again.",
    loggedOut: "You are logged out.",
  },
  {
    title: "Anmelden",
    intro: "Mailserver, Tests und die Gründe, wenn eine Nachricht nicht ankommt.",
    username: "Benutzername",
    password: "Passwort",
    logIn: "Anmelden",
    withKey: "API-Schlüssel verwenden",
    withPassword: "Benutzername und Passwort verwenden",
    key: "API-Schlüssel",
    keyHelp: "Ein Schlüssel beginnt mit sp_ und hat eigene Rechte. Er bleibt im Arbeitsspeicher dieses Tabs.",
    expired: "Die Sitzung ist beendet. Melden Sie sich neu an.",
    loggedOut: "Sie sind abgemeldet.",
  },
);
