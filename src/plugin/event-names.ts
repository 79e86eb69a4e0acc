/** What Sealpost itself tells, beside the actions of its interface. */
export const CORE_EVENTS = {
  mail_failed: "A queued mail ended otherwise than sent",
  circuit_opened: "A mail server is down, and queued mail waits until it is back",
  certificate_expiring: "The certificate of a definition expires soon",
} as const;
