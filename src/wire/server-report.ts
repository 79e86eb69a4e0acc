import * as v from "valibot";
import type { Receipt, ServerReport } from "../domain/delivery.ts";
import { described, named } from "./schemas.ts";

/** `detail.server`: what the conversation revealed about the server. */
export const serverReportView = named(
  "ServerReport",
  v.object({
    greeting: described(v.nullable(v.string()), "Text of the greeting"),
    extensions: described(
      v.object({ clear: v.array(v.string()), tls: v.array(v.string()) }),
      "Lines of the replies to EHLO, before TLS and under it",
    ),
    mechanisms: described(v.array(v.string()), "SASL mechanisms"),
    size: described(
      v.nullable(v.number()),
      "Largest message in octets. `null` if the server declares no limit",
    ),
    tls: described(
      v.nullable(
        v.object({
          protocol: v.nullable(v.string()),
          chain: described(
            v.array(v.object({ subject: v.string(), issuer: v.string(), not_after: v.nullable(v.string()) })),
            "Leaf first. Empty if the runtime does not show it",
          ),
          days_left: v.nullable(v.number()),
        }),
      ),
      "`null` without TLS",
    ),
    addresses: described(
      v.nullable(v.array(v.object({ address: v.string(), result: v.string(), ms: v.number() }))),
      "Dialed addresses, with `connected` or the reason why not. `null` if the connection was already open, or if the platform dials",
    ),
  }),
);
type ServerReportView = v.InferOutput<typeof serverReportView>;

/** Returns `undefined` if the server was not contacted. A denied target reveals nothing. */
export function toServerReportView(receipt: Receipt | undefined): ServerReportView | undefined {
  if (receipt === undefined || !isContacted(receipt)) return undefined;
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

function isContacted(receipt: Receipt): boolean {
  if (receipt.successful) return true;
  const { phase, code } = receipt.failure;
  return phase !== "policy" && code !== "sender_missing";
}

/** Includes a rejected certificate, whose chain shows the reason. */
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
