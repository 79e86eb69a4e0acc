import type { SubmitOptions } from "./plugin/mail.ts";

/** A short message to one phone. */
export interface TextMessage {
  /** As the directory or an admin has it, with or without `+` and signs between the digits. */
  readonly phone: string;
  readonly text: string;
}

/** What became of a short message. */
export type SmsOutcome =
  | { readonly state: "delivered" | "queued" }
  | {
      readonly state: "failed";
      /** Such as `gateway_unknown`, `phone_unusable`, or the code of a mail's failure. */
      readonly code: string;
      /** Whether it may have been taken all the same. */
      readonly outcome: "not-sent" | "unknown";
      /** What an admin may be told beside it; never the text. */
      readonly detail: Readonly<Record<string, unknown>>;
    };

/** Sends short messages. The plugin `sms-gateway` does so by mail; a host app may bring another. */
export interface Sms {
  /**
   * Sends one. Never throws for what a gateway does.
   * @param gateway name of a gateway; empty: the one called `default`.
   */
  send(
    gateway: string,
    message: TextMessage,
    options: Pick<SubmitOptions, "purpose" | "expiresAt" | "request">,
  ): Promise<SmsOutcome>;
}
