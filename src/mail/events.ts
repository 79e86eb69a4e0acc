/** Events about mail and its servers, and their data. */
interface MailEvents {
  /** A queued message reached a final state other than `sent`. */
  readonly mail_failed: {
    readonly mailId: string;
    readonly identifier: string;
    readonly submitter: string;
    readonly recipients: readonly string[];
    readonly state: string;
    readonly code: string;
  };
  /** Queued mail of this definition waits until its server works again. */
  readonly circuit_opened: { readonly identifier: string; readonly phase: string; readonly code: string };
  /** A definition gets no access token until an admin changes something. Emitted at most once a day for each code. */
  readonly oauth_failed: { readonly identifier: string; readonly phase: string; readonly code: string };
  /** A certificate expires in less than 30 days, or has expired. Emitted once a day. */
  readonly certificate_expiring: {
    readonly identifier: string;
    /** The field of the definition: `certificate`, `tls_certificate` or `oauth_certificate`. */
    readonly parameter: string;
    /** `YYYY-MM-DD` */
    readonly expires: string;
    /** Whole days; negative if the certificate has expired. */
    readonly daysLeft: number;
  };
}

/** Emits an event. Returns immediately and never throws. */
export type Notify = <K extends keyof MailEvents>(name: K, data: MailEvents[K]) => void;
