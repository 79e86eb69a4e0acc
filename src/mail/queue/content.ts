import type { Platform } from "../../contracts/platform.ts";
import { Secret } from "../../domain/secret.ts";
import type { ResolvedServer } from "../../domain/smtp-server.ts";
import { SealpostError } from "../../errors.ts";
import type { Keyring } from "../../secrets/keyring.ts";
import { openBytes, seal } from "../../secrets/seal.ts";
import { pieceName } from "../../storage/outbox.ts";
import type { MessageEncryption } from "../encryption.ts";
import { layOut, type MessageSource, readLayout, type StoredServer } from "./content-layout.ts";

/** The encrypted part of a queued message: its final bytes, and what it takes to send them. */
export interface MailContent {
  /** The final bytes. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** `null` if the bytes leave as they are. */
  readonly encryption: MessageEncryption | null;
  /** Name of the definition that the bytes were built for. */
  readonly builtFor: string;
  /** Source to build the message again for another definition; `null` if there is only one definition. */
  readonly source: MessageSource | null;
  /** The unsaved definition of this message; `null` if its definition is saved. */
  readonly server: ResolvedServer | null;
  /** Whether the message is a decoy, which only hides that the caller has nothing to send, and is never delivered. */
  readonly decoy: boolean;
  /** Names the span that created the message (W3C Trace Context). Absent if none was recorded. */
  readonly traceparent?: string | undefined;
}

/** Encrypts and decrypts the content of queued messages. */
export interface ContentSeal {
  /** Returns the encrypted pieces in order. A small message has one. */
  seal(id: string, content: MailContent): Promise<readonly string[]>;
  /**
   * Decrypts the content of a message.
   * @param sealed the first piece. If it is empty, it is read, as the others are.
   * @throws {SealpostError} `unsealable` if no key decrypts a piece, or one is missing.
   */
  open(id: string, sealed: string): Promise<MailContent>;
}

/**
 * Creates what encrypts content in pieces, each bound to its row.
 * @param readPiece returns the encrypted text of a row, `undefined` if there is none.
 */
export function createContentSeal(
  keyring: Keyring,
  platform: Pick<Platform, "randomBytes">,
  readPiece: (row: string) => Promise<string | undefined>,
): ContentSeal {
  const contextOf = (row: string) => ({ table: "mail_content", row, column: "content" });

  async function openPiece(row: string, sealed: string): Promise<Uint8Array<ArrayBuffer>> {
    const found = sealed || (await readPiece(row));
    if (!found) throw new SealpostError("unsealable", "A piece of the content of a message is missing");
    return openBytes(keyring, found, contextOf(row));
  }

  return {
    async seal(id, { bytes, encryption, server, builtFor, ...content }) {
      const { certificates, clear } = encryption ?? { certificates: null, clear: null };
      const head = { ...content, certificates, finishedFor: builtFor, server: server && withSecret(server) };
      const pieces: string[] = [];
      // Sequentially, because each piece takes as much memory as a small message.
      for (const text of layOut(head, bytes, clear)) {
        pieces.push(await seal(keyring, text, contextOf(pieceName(id, pieces.length)), platform));
      }
      return pieces;
    },

    async open(id, sealed) {
      const first = await openPiece(id, sealed);
      const { head, bytes, clear } = await readLayout(first, (piece) => openPiece(pieceName(id, piece), ""));
      const { finishedFor: builtFor, server, certificates, ...content } = head;
      const encryption = certificates ? { certificates, clear } : null;
      return { ...content, builtFor, bytes, encryption, server: server && withoutSecret(server) };
    },
  };
}

/** The message is signed already, so the key is not stored. */
function withSecret({ signing: _, password, ...server }: ResolvedServer): StoredServer {
  return { ...server, password: password.reveal() };
}

function withoutSecret({ password, ...server }: StoredServer): ResolvedServer {
  return { ...server, password: new Secret(password), signing: null };
}
