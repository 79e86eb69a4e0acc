import type { BaseBlock } from "asn1js";
import { remember } from "../domain/cache.ts";
import { domainOf, parseAddress } from "../domain/mailbox.ts";
import { child, children, type Der, isContext, joinedOctetsOf, oidOf, rawOf } from "./der.ts";
import { comparableName, nameText, printable } from "./names.ts";

/** The names for which an authority may issue certificates (RFC 5280 4.2.1.10). */
export interface NameConstraints {
  /** Returns the first name of a certificate below the authority that is forbidden; `null` if none. */
  readonly forbiddenName: (certificate: Named) => string | null;
}

/** `GeneralName` (RFC 5280 4.2.1.6). */
export interface GeneralName {
  /** The number of its tag, or the type of an `otherName`. */
  readonly kind: number | string;
  /** A whole `Name`, the contents of another primitive value, or a whole constructed one. */
  readonly value: Der;
}

/** The names of a certificate. */
interface Named {
  readonly addresses: readonly string[];
  readonly subject: Der;
  /** Names that are no addresses. */
  readonly alternativeNames: readonly GeneralName[];
  readonly basicConstraints: { readonly isAuthority: boolean } | null;
}

/** A constraint, comparable. */
interface Base extends GeneralName {
  /** A mailbox, a host, or the hosts of a domain if it starts with a period. */
  readonly text: string;
  /** The first parts of subjects. */
  readonly parts: readonly string[];
}

/** A name of a certificate. */
interface ConstrainedName {
  readonly kind: GeneralName["kind"];
  /** As people read it. */
  readonly text: string;
  /** Returns whether the name is within a base of its kind. `null` if it cannot be compared. */
  readonly isWithin: ((base: Base) => boolean) | null;
}

const OTHER_NAME = 0;
const RFC822_NAME = 1;
const DNS_NAME = 2;
const DIRECTORY_NAME = 4;
const URI = 6;
const IP_ADDRESS = 7;

/** As OpenSSL reads it: until the first colon or, without one, the first slash. */
const URI_HOST = /^[^:]*:\/\/([^:]+(?=:)|[^:/]+)/;
/** A host as common name, of the comparable parts of a name. Each label starts and ends as a word does. */
const COMMON_HOST = /(?:^|\+)2\.5\.4\.3="(\w[\w-]*(?:\b\.\b[\w-]+)+\b)"/;

/** @throws {DerError} for a damaged extension. */
export function readNameConstraints(constraints: BaseBlock): NameConstraints {
  const lists = children(constraints);
  const basesOf = (tag: number): readonly Base[] =>
    lists
      .filter((list) => isContext(list, tag))
      .flatMap((list) => children(list))
      .map((subtree) => readBase(child(subtree, 0)));
  const [permitted, excluded] = [basesOf(0), basesOf(1)];
  return {
    forbiddenName: remember((certificate) => {
      const found = namesOf(certificate).find((name) => isForbidden(permitted, excluded, name));
      return found === undefined ? null : printable(found.text);
    }),
  };
}

/** @throws {DerError} also for a name that cannot be compared, which would be an error later. */
export function readGeneralName(node: BaseBlock): GeneralName {
  const { tagNumber, isConstructed } = node.idBlock;
  const kind = tagNumber === OTHER_NAME ? oidOf(child(node, 0)) : tagNumber;
  if (kind !== DIRECTORY_NAME) return { kind, value: isConstructed ? rawOf(node) : joinedOctetsOf(node) };
  const value = rawOf(child(node, 0));
  comparableName(value);
  return { kind, value };
}

function readBase(node: BaseBlock): Base {
  const { kind, value } = readGeneralName(node);
  const text = ia5Of(value);
  return {
    kind,
    value,
    text: kind === RFC822_NAME ? comparableBase(text) : text.toLowerCase(),
    parts: kind === DIRECTORY_NAME ? comparableName(value) : [],
  };
}

/** A kind of name that cannot be compared is forbidden by any constraint of its kind. */
function isForbidden(
  permitted: readonly Base[],
  excluded: readonly Base[],
  { kind, isWithin }: ConstrainedName,
): boolean {
  const isOfKind = (base: Base) => base.kind === kind;
  if (isWithin === null) return permitted.some(isOfKind) || excluded.some(isOfKind);
  const covers = (base: Base) => isOfKind(base) && isWithin(base);
  return (permitted.some(isOfKind) && !permitted.some(covers)) || excluded.some(covers);
}

function namesOf({ addresses, subject, alternativeNames, basicConstraints }: Named): ConstrainedName[] {
  const parts = comparableName(subject);
  const names = alternativeNames.map(nameOf);
  // OpenSSL takes a common name that looks like a host for one, unless the certificate names hosts.
  const isForHosts = basicConstraints?.isAuthority || names.some(({ kind }) => kind === DNS_NAME);
  const hosts = isForHosts ? [] : parts.flatMap((part) => COMMON_HOST.exec(part)?.[1] ?? []);
  return [
    ...addresses.map(addressName),
    ...(parts.length > 0 ? [nameOf({ kind: DIRECTORY_NAME, value: subject })] : []),
    ...names,
    ...hosts.map(hostName),
  ];
}

function addressName(text: string): ConstrainedName {
  const mailbox = parseAddress(text) ?? text;
  const host = domainOf(mailbox).toLowerCase();
  return { kind: RFC822_NAME, text, isWithin: ({ text: base }) => isAddressWithin(mailbox, host, base) };
}

function hostName(text: string): ConstrainedName {
  const host = text.toLowerCase();
  const isWithin = ({ text: base }: Base) =>
    base === "" || host === base || host.endsWith(base.startsWith(".") ? base : `.${base}`);
  return { kind: DNS_NAME, text, isWithin };
}

function nameOf({ kind, value }: GeneralName): ConstrainedName {
  switch (kind) {
    case DNS_NAME:
      return hostName(ia5Of(value));
    case DIRECTORY_NAME: {
      const parts = comparableName(value);
      const isWithin = (base: Base) => base.parts.every((part, index) => part === parts[index]);
      return { kind, text: nameText(value), isWithin };
    }
    case URI: {
      const text = ia5Of(value);
      const [, host] = URI_HOST.exec(text.toLowerCase()) ?? [];
      const isWithin = host ? ({ text: base }: Base) => isAddressWithin(host, host, base) : null;
      return { kind, text, isWithin };
    }
    case IP_ADDRESS: {
      const isWithin = (base: Base) => isIpWithin(value, base.value);
      return { kind, text: value.length === 4 ? value.join(".") : hexOf(value), isWithin };
    }
    default:
      return { kind, text: hexOf(value), isWithin: null };
  }
}

function isAddressWithin(mailbox: string, host: string, base: string): boolean {
  if (base.startsWith(".")) return host.endsWith(base);
  return base === (base.includes("@") ? mailbox : host);
}

/** @param base an address, then a mask. */
function isIpWithin(address: Der, base: Der): boolean {
  const { length } = address;
  const mask = base.subarray(length);
  return (
    mask.length === length && address.every((octet, index) => ((octet ^ base[index]!) & mask[index]!) === 0)
  );
}

/** The local part of a mailbox is compared with regard to case. */
function comparableBase(base: string): string {
  const isMailbox = base.includes("@") && !base.startsWith(".");
  return isMailbox ? (parseAddress(base) ?? base) : base.toLowerCase();
}

function hexOf(value: Der): string {
  return `#${value.toHex()}`;
}

/** Returns an IA5String as text. */
export function ia5Of(value: Der): string {
  return new TextDecoder("latin1").decode(value);
}
