import type { Platform } from "../../contracts/platform.ts";
import { Secret } from "../../domain/secret.ts";
import type { ResolvedServer } from "../../domain/smtp-server.ts";
import { SealpostError } from "../../errors.ts";
import type { Keyring } from "../../secrets/keyring.ts";
import { open, seal } from "../../secrets/seal.ts";
import { pieceName } from "../../storage/outbox.ts";
import { layOut, type MessageSource, readLayout, type StoredServer } from "./content-layout.ts";

/** The secret part of a queued message: the bytes that are sent, and what sending them needs. */
export interface MailContent {
  /** The final bytes. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** The definition that they were built for. */
  readonly builtFor: string;
  /** Builds the message again for a definition with another sender or certificate; `null` if it goes through one only. */
  readonly source: MessageSource | null;
  /** The unsaved definition of this message; `null` if it goes through a saved one. */
  readonly server: ResolvedServer | null;
  /** Whether it is queued only to hide that there is no message: no one gets it. */
  readonly decoy: boolean;
}

export type ContentSeal = ReturnType<typeof createContentSeal>;

/**
 * Creates what encrypts the content of a message, in pieces, each bound to its row, and decrypts it.
 * @param readPiece returns the sealed text of a row, `undefined` if there is none.
 */
export function createContentSeal(
  keyring: Keyring,
  platform: Pick<Platform, "randomBytes">,
  readPiece: (row: string) => Promise<string | undefined>,
) {
  const contextOf = (row: string) => ({ table: "mail_content", row, column: "content" });

  async function openPiece(row: string, sealed: string): Promise<string> {
    const found = sealed || (await readPiece(row));
    if (!found) throw new SealpostError("unsealable", "The content of a message lacks a piece");
    return (await open(keyring, found, contextOf(row))).reveal();
  }

  return {
    /** Returns the sealed pieces in order. Of a small message there is one. */
    async seal(id: string, { bytes, server, builtFor, ...content }: MailContent): Promise<readonly string[]> {
      const head = { ...content, finishedFor: builtFor, server: server && withSecret(server) };
      const pieces: string[] = [];
      // One after the other: each is as large as a small message may be.
      for (const text of layOut(head, bytes)) {
        pieces.push(await seal(keyring, text, contextOf(pieceName(id, pieces.length)), platform));
      }
      return pieces;
    },

    /**
     * @param sealed the first piece; empty: it is read, as the others are.
     * @throws {SealpostError} `unsealable` if no key opens a piece, or one is missing.
     */
    async open(id: string, sealed: string): Promise<MailContent> {
      const first = await openPiece(id, sealed);
      const { head, bytes } = await readLayout(first, (piece) => openPiece(pieceName(id, piece), ""));
      const { finishedFor: builtFor, server, ...content } = head;
      return { ...content, builtFor, bytes, server: server && withoutSecret(server) };
    },
  };
}

/** The mail is signed already, so the key stays behind. */
function withSecret({ signing: _, password, ...server }: ResolvedServer): StoredServer {
  return { ...server, password: password.reveal() };
}

function withoutSecret({ password, ...server }: StoredServer): ResolvedServer {
  return { ...server, password: new Secret(password), signing: null };
}
