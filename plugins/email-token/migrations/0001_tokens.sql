CREATE TABLE email_token_token (
  serial TEXT PRIMARY KEY NOT NULL,
  type TEXT NOT NULL,
  user_id TEXT NOT NULL,
  username TEXT NOT NULL,
  realm TEXT NOT NULL,
  address TEXT NOT NULL,
  pin_hash TEXT NOT NULL,
  otp_length INTEGER NOT NULL,
  description TEXT NOT NULL,
  fail_count INTEGER NOT NULL,
  sent_at INTEGER NOT NULL,
  transaction_id TEXT NOT NULL,
  created_at INTEGER NOT NULL
) STRICT;
--> statement-breakpoint
CREATE INDEX email_token_token_user ON email_token_token (user_id);
--> statement-breakpoint
CREATE TABLE email_token_challenge (
  serial TEXT PRIMARY KEY NOT NULL,
  transaction_id TEXT NOT NULL,
  code_hash TEXT NOT NULL,
  tries_left INTEGER NOT NULL,
  expires_at INTEGER NOT NULL
) STRICT;
--> statement-breakpoint
CREATE INDEX email_token_challenge_transaction ON email_token_challenge (transaction_id);
