import * as v from "valibot";
import type { Receipt, ServerReport } from "../domain/delivery.ts";
import { described, named } from "./schemas.ts";

/** `detail.server`: what a conversation saw of the server. */
export const serverReportView = named(
  "ServerReport",
  v.object({
    greeting: described(v.nullable(v.string()), "Text of the greeting"),
    extensions: described(
      v.object({ clear: v.array(v.string()), tls: v.array(v.string()) }),
      "Lines of the replies to EHLO, before TLS and under it",
    ),
    mechanisms: described(v.array(v.string()), "SASL mechanisms"),
    size: described(v.nullable(v.number()), "Largest message in octets; null: no limit was declared"),
    tls: described(
      v.nullable(
        v.object({
          protocol: v.nullable(v.string()),
          chain: described(
            v.array(v.object({ subject: v.string(), issuer: v.string(), not_after: v.nullable(v.string()) })),
            "Leaf first; empty where the runtime hides it",
          ),
          days_left: v.nullable(v.number()),
        }),
      ),
      "Null: without TLS",
    ),
    addresses: described(
      v.nullable(v.array(v.object({ address: v.string(), result: v.string(), ms: v.number() }))),
      "Addresses that were dialed, with `connected` or why not; null: the connection was open already, or the platform dials",
    ),
  }),
);
type ServerReportView = v.InferOutput<typeof serverReportView>;

/** @returns undefined if the server was not asked; of a denied target, nothing may be revealed. */
export function toServerReportView(receipt: Receipt | undefined): ServerReportView | undefined {
  if (receipt === undefined || !isAsked(receipt)) return undefined;
  const { seen } = receipt;
  return {
    greeting: seen.greeting,
    extensions: { clear: [...seen.extensions.clear], tls: [...seen.extensions.tls] },
    mechanisms: [...seen.mechanisms],
    size: seen.sizeOctets,
    tls: tlsView(receipt),
    addresses: addressesView(seen.addresses),
  };
}

function isAsked(receipt: Receipt): boolean {
  if (receipt.successful) return true;
  const { phase, code } = receipt.failure;
  return phase !== "policy" && code !== "sender_missing";
}

/** A certificate that was rejected is shown too: its chain tells why. */
function tlsView({ tls, seen: { chain } }: Receipt): ServerReportView["tls"] {
  if (tls === null && chain === null) return null;
  return {
    protocol: tls?.protocol ?? null,
    chain: (chain ?? []).map(({ subject, issuer, notAfter }) => ({
      ...{ subject, issuer },
      not_after: notAfter?.toISOString() ?? null,
    })),
    days_left: tls?.daysLeft ?? null,
  };
}

function addressesView(addresses: ServerReport["addresses"]): ServerReportView["addresses"] {
  if (addresses === null) return null;
  return addresses
    .filter(({ result }) => result !== "egress_denied")
    .map(({ address, result, ms }) => ({ address, result, ms: Math.round(ms * 10) / 10 }));
}
