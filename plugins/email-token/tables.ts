import { integer, sqliteTable, text } from "drizzle-orm/sqlite-core";

// The tables as queries see them; `migrations/*.sql` makes them.

export const TOKEN_TYPES = ["email", "sms"] as const;
export type TokenType = (typeof TOKEN_TYPES)[number];

/** Tokens: somebody who can be sent a code. */
export const token = sqliteTable("email_token_token", {
  serial: text("serial").primaryKey(),
  type: text("type").$type<TokenType>().notNull(),
  /** What the directory calls the owner, for ever; empty: nobody's. */
  userId: text("user_id").notNull(),
  username: text("username").notNull(),
  realm: text("realm").notNull(),
  /** Mail address or phone number; empty: as the directory has it when a code is sent. */
  address: text("address").notNull(),
  /** Keyed hash, or a PHC string of before; the same for all tokens of a user. Empty: only an admin triggers it. */
  pinHash: text("pin_hash").notNull(),
  /** Digits of a code. */
  otpLength: integer("otp_length").notNull(),
  description: text("description").notNull(),
  failCount: integer("fail_count").notNull(),
  /** When the last code was sent that has not been used; 1970: none. */
  sentAt: integer("sent_at", { mode: "timestamp_ms" }).notNull(),
  /** Of the last code. */
  transactionId: text("transaction_id").notNull(),
  createdAt: integer("created_at", { mode: "timestamp_ms" }).notNull(),
});
export type TokenRow = typeof token.$inferSelect;

/** The one code of a token that may be good. */
export const challenge = sqliteTable("email_token_challenge", {
  serial: text("serial").primaryKey(),
  transactionId: text("transaction_id").notNull(),
  /** Keyed hash of transaction and code. */
  codeHash: text("code_hash").notNull(),
  triesLeft: integer("tries_left").notNull(),
  expiresAt: integer("expires_at", { mode: "timestamp_ms" }).notNull(),
});
export type ChallengeRow = typeof challenge.$inferSelect;

/** Result of an attempt with a code. `limited`: the code was not compared. */
export type AttemptOutcome = "accepted" | "wrong" | "unknown" | "limited";

/** Attempts of the last minute. */
export const attempt = sqliteTable("email_token_attempt", {
  id: text("id").primaryKey(),
  outcome: text("outcome").$type<AttemptOutcome>().notNull(),
  /** The token that the code was right for, or wrong for; empty: there is none. */
  serial: text("serial").notNull(),
  at: integer("at", { mode: "timestamp_ms" }).notNull(),
});
export type AttemptRow = typeof attempt.$inferSelect;
