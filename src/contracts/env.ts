import type { Principal } from "../domain/admin.ts";
import type { AuditActor, AuditTarget } from "../domain/audit.ts";
import type { Notice } from "../domain/notices.ts";

/** The state of a request, passed from one middleware to the next. */
export interface Env {
  readonly Bindings: {
    /** IP address of the peer, if the runtime passes it with each request. */
    readonly peerAddress?: string | undefined;
  };
  readonly Variables: {
    readonly requestId: string;
    /** Canonical IP address of the client; `null` if unknown. */
    readonly clientAddress: string | null;
    /** Whether the request is one of the operator, who has every right. */
    readonly isOperator: boolean;
    /** Set after the right is checked. */
    readonly principal: Principal;
    /** Set after the token is checked. Identifies the caller in audit rows of this request. */
    readonly actor: AuditActor;
    /** `METHOD /route/<parameter>`; set before the token is checked. */
    readonly auditAction: string;
    /** Path of the route as declared, such as `/mail/<id>`. Not set if no route matches. */
    readonly routePath: string | undefined;
    /** The user or resource of this request, if the path does not name it. */
    readonly auditTarget: AuditTarget;
    /** Set once the audit row for the rejection of this request is written. */
    readonly isAudited: boolean;
    /** Notices about the parameters of the request. Set after its body is read. */
    readonly notices: readonly Notice[];
    /** Name of the plugin that owns the route; not set for routes of Sealpost itself. */
    readonly plugin: string;
    /** Data of the API action's event, in addition to the path parameters. Never a secret, a code or a body. */
    readonly eventData: Readonly<Record<string, unknown>>;
  };
}
