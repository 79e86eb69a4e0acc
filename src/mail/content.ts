import type { Platform } from "../contracts/platform.ts";
import type { MessageIdentity, NormalizedMessage } from "../domain/message.ts";
import { Secret } from "../domain/secret.ts";
import type { SendingServer } from "../domain/smtp-server.ts";
import type { Keyring } from "../secrets/keyring.ts";
import { open, seal } from "../secrets/seal.ts";

/** What of a queued mail nobody may read: what is sent, and what is needed to send it. */
export interface MailContent {
  /** The finished mail. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** The definition that it was finished for. */
  readonly finishedFor: string;
  /** To finish it anew for a definition with another sender or certificate; null: it goes through one only. */
  readonly source: {
    readonly message: NormalizedMessage;
    readonly identity: Omit<MessageIdentity, "from">;
  } | null;
  /** A definition that is not saved, used for this mail alone. */
  readonly server: SendingServer | null;
  /** Queued for the sake of appearances: nobody gets it. */
  readonly decoy: boolean;
}

export type ContentSeal = ReturnType<typeof createContentSeal>;

/** Seals the content of a mail for its row, and opens it. */
export function createContentSeal(keyring: Keyring, platform: Pick<Platform, "randomBytes">) {
  const contextOf = (id: string) => ({ table: "mail_content", row: id, column: "content" });
  return {
    async seal(id: string, content: MailContent): Promise<string> {
      const { bytes, server, ...plain } = content;
      const text = {
        ...plain,
        bytes: new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes),
        server: server && withSecret(server),
      };
      return seal(keyring, JSON.stringify(text), contextOf(id), platform);
    },

    /** @throws {SealpostError} `unsealable` if no key opens it. */
    async open(id: string, sealed: string): Promise<MailContent> {
      const text = (await open(keyring, sealed, contextOf(id))).reveal();
      const { bytes, server, source, ...plain } = JSON.parse(text);
      return {
        ...plain,
        bytes: new TextEncoder().encode(bytes),
        server: server && withoutSecret(server),
        source: source && {
          ...source,
          identity: { ...source.identity, date: new Date(source.identity.date) },
        },
      };
    },
  };
}

type StoredServer = Omit<SendingServer, "password" | "signing"> & { readonly password: string };

/** The mail is signed already, so the key stays behind. */
function withSecret({ signing: _, password, ...server }: SendingServer): StoredServer {
  return { ...server, password: password.reveal() };
}

function withoutSecret({ password, ...server }: StoredServer): SendingServer {
  return { ...server, password: new Secret(password), signing: null };
}
