import type { TypedResponse } from "hono";
import { DEFINITION_FIELDS, type DefinitionField, type DetailGroup } from "../domain/definition-fields.ts";
import { notice } from "../domain/notices.ts";
import { CENSORED } from "../domain/secret.ts";
import { type FieldName, FURTHER_NAMES, type FurtherName, SECRET_NAMES } from "../domain/smtp-server.ts";
import type { ServerHealth } from "../mail/circuit.ts";
import type { StoredDefinition } from "../mail/servers/definitions.ts";
import type { CertificateReport, IdentityReport } from "../mail/servers/describe-identity.ts";
import { noticeDetail, type SuccessEnvelope, type SuccessText, successText } from "../wire/envelope.ts";
import type { DefinitionDetail, DefinitionView } from "./smtpserver-schema.ts";

/** Returns a definition as `GET` shows it. Key and passphrase are never shown, the password only if `reveal` is true. */
export function toDefinitionView(server: StoredDefinition, reveal: boolean): DefinitionView {
  const { port, username, sender, tls, timeout, description, smime, certificate } = server;
  return {
    server: server.server,
    port,
    username,
    password: shownPassword(server, reveal),
    sender,
    tls,
    timeout,
    enqueue_job: server.enqueueJob,
    description,
    smime,
    dont_send_on_error: server.dontSendOnError,
    private_key: censored(server.isSet.privateKey),
    private_key_password: censored(server.isSet.privateKeyPassword),
    certificate,
  };
}

type FurtherDefinition = Pick<StoredDefinition, FurtherName | "isSet">;

/** Returns the health of the server and its queue, the fields beyond the 14, and the certificate that signs. */
export function toDefinitionDetail(
  definition: FurtherDefinition,
  health: ServerHealth,
  identity: IdentityReport | null,
): DefinitionDetail {
  const further = furtherView(definition);
  return {
    health: healthView(health),
    ...further,
    smime: { ...further.smime, ...(identity && identityView(identity)) },
  };
}

function healthView({ circuit, failures, since, nextTry, lastFailure, waiting }: ServerHealth) {
  return {
    circuit,
    failures,
    last_failure: lastFailure && { ...lastFailure, date: lastFailure.date.toISOString() },
    waiting,
    since: since?.toISOString() ?? null,
    next_try: nextTry?.toISOString() ?? null,
  };
}

/** Returns a definition as `detail.servers` of the list shows it. */
export function toListDetail(
  definition: FurtherDefinition,
  health: ServerHealth,
  days_left: number | null,
  used_by: readonly string[],
) {
  const { limits, provider } = furtherView(definition);
  return { health: healthView(health), limits, provider, days_left, used_by: [...used_by] };
}

/** Returns the certificate that signs, as `detail.smime` shows it. */
export function identityView({ addresses, key, path, ...certificate }: IdentityReport) {
  return { ...certificateView(certificate), addresses: [...addresses], key, path: path.map(certificateView) };
}

function certificateView({ notBefore, notAfter, daysLeft, ...names }: CertificateReport) {
  return {
    ...names,
    not_before: notBefore.toISOString(),
    not_after: notAfter.toISOString(),
    days_left: daysLeft,
  };
}

type FurtherView = Pick<DefinitionDetail, "limits" | "transport" | "auth" | "provider" | "smime">;

/** Returns the further fields by the member of `detail` that shows them. Secrets are never shown. */
function furtherView(definition: FurtherDefinition): FurtherView {
  const shown = (group: DetailGroup) => {
    const isShown = (name: FieldName) => groupOf(DEFINITION_FIELDS[name]) === group;
    return Object.fromEntries([
      ...FURTHER_NAMES.filter(isShown).map((name) => [DEFINITION_FIELDS[name].parameter, definition[name]]),
      ...SECRET_NAMES.filter(isShown).map((name) => [
        DEFINITION_FIELDS[name].parameter,
        censored(definition.isSet[name]),
      ]),
    ]);
  };
  return {
    limits: shown("limits"),
    transport: shown("transport"),
    auth: shown("auth"),
    provider: definition.provider,
    smime: shown("smime"),
  };
}

function groupOf({ detail }: DefinitionField): DetailGroup | undefined {
  return detail;
}

function shownPassword({ password, isSet }: StoredDefinition, reveal: boolean): string {
  return reveal && password ? password.reveal() : censored(isSet.password);
}

function censored(isSet: boolean): string {
  return isSet ? CENSORED : "";
}

/** Creates the function that returns the text of the list. The text stays the same until a definition changes. */
export function createListTexts() {
  const revealed = new WeakMap<object, SuccessText>();
  const censored = new WeakMap<object, SuccessText>();
  return (all: readonly StoredDefinition[], reveal: boolean): SuccessText => {
    const texts = reveal ? revealed : censored;
    const views = () => all.map((server) => [server.identifier, toDefinitionView(server, reveal)]);
    const text = texts.get(all) ?? successText(Object.fromEntries(views()), unreadable(all, reveal));
    texts.set(all, text);
    return text;
  };
}

/** Notices for passwords that no key decrypts. They are shown as censored, and the other definitions stay readable. */
export function unreadable(all: readonly StoredDefinition[], reveal: boolean) {
  const names = all.filter((server) => reveal && server.password === null).map((server) => server.identifier);
  return noticeDetail(names.map((identifier) => notice("password_unreadable", "password", { identifier })));
}

type List = SuccessEnvelope<Readonly<Record<string, DefinitionView>>, ReturnType<typeof unreadable>>;
/** The list as a typed client sees it. */
export type ListResponse = Response & TypedResponse<List, 200, "json">;
