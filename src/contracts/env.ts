import type { Principal } from "../domain/admin.ts";
import type { AuditActor, AuditTarget } from "../domain/audit.ts";
import type { Notice } from "../domain/notices.ts";

/** What a request carries from one middleware to the next. */
export interface Env {
  readonly Bindings: {
    /** Address of the peer, where the runtime's server tells it per request. */
    readonly peerAddress?: string | undefined;
  };
  readonly Variables: {
    readonly requestId: string;
    /** Canonical IP address of the client; null if unknown. */
    readonly clientAddress: string | null;
    /** Set once the right is checked. */
    readonly principal: Principal;
    /** Set once the token is checked; what audit rows of this request say of who did it. */
    readonly actor: AuditActor;
    /** `METHOD /route/<parameter>`; set before the token is checked. */
    readonly auditAction: string;
    /** Whom or what this request is about, where the path does not say it. */
    readonly auditTarget: AuditTarget;
    /** Set once the rejection of this request has its audit row. */
    readonly isAudited: boolean;
    /** Notices about the parameters of the request; set once its body is read. */
    readonly notices: readonly Notice[];
    /** Name of the plugin whose route it is; not set: a route of Sealpost itself. */
    readonly plugin: string;
    /** What an API action's event says beside the variable parts of the path; never a secret, a code or a body. */
    readonly eventData: Readonly<Record<string, unknown>>;
  };
}
