import type { Context } from "hono";
import {
  addressKey,
  type Directory,
  type DirectoryUser,
  type Env,
  language,
  missingRight,
  parseAddress,
  renderMessage,
  type Statement,
} from "sealpost/plugin";
import { CHANNELS } from "./channels.ts";
import type { TokenContext } from "./config.ts";
import type { TokenRow } from "./store.ts";
import { LANGUAGES, TEXTS } from "./texts.ts";

/** The right to change the directory's address has to be as strong. */
const RIGHT = "updateuser";
/** Notices to one address. Those after the tenth would say nothing new. */
const NOTICES = { max: 10, windowSeconds: 3_600 };

/** A token and the user who has it or gets it. */
interface Given {
  readonly token: Pick<TokenRow, "serial" | "type" | "address">;
  readonly owner: DirectoryUser | null;
}

/** Tokens whose codes go to another address than the one of their owner in the directory. */
export interface ForeignAddresses {
  /** @throws {SealpostError} `action_denied` if the address is foreign, and the admin may not change users. */
  assertAllowed(c: Context<Env>, given: Given): Promise<void>;
  /** Prepares the notice to the directory's address. Nothing to count or send if the token's address is not foreign. */
  noticeOf(c: Context<Env>, given: Given): Promise<OwnerNotice>;
}

/** The notice to the owner of a token, which is sent after the change. */
export interface OwnerNotice {
  /** Count the notice. They go first in the commit of the change. */
  readonly count: readonly Statement[];
  /**
   * Sends it, unless there were too many. A failure is logged: the owner has the token.
   * @param counted the results of `count`.
   */
  send(counted: readonly unknown[]): Promise<void>;
}

const NO_NOTICE: OwnerNotice = { count: [], send: async () => undefined };

export function createForeignAddresses({
  guard,
  mail,
  limits,
  log,
  directory,
}: Pick<TokenContext, "guard" | "mail" | "limits" | "log"> & {
  readonly directory: Directory | null;
}): ForeignAddresses {
  /** Returns the owner if the address of the token is foreign. */
  function foreignTo({ token: { type, address }, owner }: Given): DirectoryUser | null {
    if (directory === null || owner === null || address === "") return null;
    const { addressOf, limitKey } = CHANNELS[type];
    return limitKey(address) === limitKey(addressOf(owner)) ? null : owner;
  }

  return {
    async assertAllowed(c, given) {
      if (foreignTo(given) === null || (await guard.isAllowed(c, RIGHT))) return;
      throw missingRight(RIGHT);
    },

    async noticeOf(c, given) {
      const owner = foreignTo(given);
      const to = parseAddress(owner?.email ?? "");
      if (owner === null || to === null) return NO_NOTICE;
      const { serial, type, address } = given.token;
      const tongue = language(c, LANGUAGES);
      const [redacted = ""] = Object.values(CHANNELS[type].redacted(address));
      const values = { username: owner.username, serial, address: redacted };
      const none = { subject: "", text: "" };
      const message = renderMessage(none, TEXTS[tongue].foreign, values, tongue);
      const { consume, result } = await limits.plan({ key: `notice to ${addressKey(to)}`, ...NOTICES });
      return {
        count: consume,
        async send(counted) {
          if (!result(counted).allowed) return;
          try {
            // Through the settings' definition: the one of the token may be the enroller's choice.
            await mail.submit(
              undefined,
              { to: [{ name: "", address: to }], ...message },
              { queue: true, request: c },
            );
          } catch (error) {
            log.error("Cannot notify the owner of a token: {error}", { error });
          }
        },
      };
    },
  };
}
