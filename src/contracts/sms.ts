import type { SubmitOptions } from "./plugin/mail.ts";

/** An SMS to one phone. */
export interface TextMessage {
  /** As the directory or an admin writes it, with or without `+` and separators. */
  readonly phone: string;
  readonly text: string;
}

/** The outcome of an SMS. */
export type SmsOutcome =
  | { readonly state: "delivered" | "queued" }
  | {
      readonly state: "failed";
      /** `gateway_unknown`, `phone_unusable`, or the code of the failed message. */
      readonly code: string;
      /** `unknown` if it may have been accepted anyway. */
      readonly outcome: "not-sent" | "unknown";
      /** More information for admins; never the text. */
      readonly detail: Readonly<Record<string, unknown>>;
    };

/** Sends SMS. The plugin `sms-gateway` does so by email; a host app can provide another. */
export interface Sms {
  /** Names of the gateways. Without it, a token may name any gateway. */
  gateways?(): Promise<readonly string[]>;
  /**
   * Sends an SMS. A failure of the gateway is an outcome, not an exception.
   * @param gateway name of a gateway; if empty, the one named `default`.
   */
  send(
    gateway: string,
    message: TextMessage,
    options: Pick<SubmitOptions, "purpose" | "expiresAt" | "request">,
  ): Promise<SmsOutcome>;
}
