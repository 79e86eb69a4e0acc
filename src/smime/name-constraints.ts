import type { BaseBlock } from "asn1js";
import { domainOf, parseAddress } from "../domain/mailbox.ts";
import type { Certificate } from "./certificate.ts";
import { child, children, type Der, isContext, rawOf, readDer } from "./der.ts";
import { comparableName, nameText } from "./names.ts";

/** `GeneralName` choices (RFC 5280 4.2.1.6). Certificates for mail have no others that can be constrained. */
const RFC822_NAME = 1;
const DIRECTORY_NAME = 4;

/**
 * Returns the first name of a certificate that the name constraints of an authority above it do not allow (RFC 5280
 * 4.2.1.10); `null` if they allow all.
 */
export function forbiddenName(constraints: Der, { addresses, subject }: Certificate): string | null {
  const subtrees = children(readDer(constraints));
  const basesOf = (tag: number) =>
    subtrees
      .filter((list) => isContext(list, tag))
      .flatMap((list) => children(list))
      .map((subtree) => child(subtree, 0));
  const [permitted, excluded] = [basesOf(0), basesOf(1)];

  const isForbidden = (type: number, isWithin: (base: BaseBlock) => boolean) => {
    const ofType = (base: BaseBlock) => isContext(base, type);
    const allowed = permitted.filter(ofType);
    return (allowed.length > 0 && !allowed.some(isWithin)) || excluded.filter(ofType).some(isWithin);
  };
  const address = addresses.find((one) =>
    isForbidden(RFC822_NAME, (base) => isAddressWithin(one, textOf(base))),
  );
  if (address !== undefined) return address;
  const name = comparableName(subject);
  const isNamed = name.length > 0;
  return isNamed && isForbidden(DIRECTORY_NAME, (base) => isNameWithin(name, base))
    ? nameText(subject)
    : null;
}

/** A constraint is a mailbox, a host, or the hosts of a domain if it starts with a period. */
function isAddressWithin(text: string, constraint: string): boolean {
  const address = parseAddress(text) ?? text;
  const host = domainOf(address).toLowerCase();
  const wanted = constraint.toLowerCase();
  if (wanted.startsWith(".")) return host.endsWith(wanted);
  if (!constraint.includes("@")) return host === wanted;
  // The local part is compared with regard to case.
  return address === (parseAddress(constraint) ?? constraint);
}

function isNameWithin(name: readonly string[], base: BaseBlock): boolean {
  const constraint = comparableName(rawOf(child(base, 0)));
  return constraint.every((part, index) => part === name[index]);
}

/** Returns the contents of an implicitly tagged IA5String. */
function textOf(base: BaseBlock): string {
  const { valueBlock }: { readonly valueBlock: object } = base;
  return "valueHexView" in valueBlock && valueBlock.valueHexView instanceof Uint8Array
    ? new TextDecoder("latin1").decode(valueBlock.valueHexView)
    : "";
}
