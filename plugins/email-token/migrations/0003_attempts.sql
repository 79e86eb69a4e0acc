-- What attempts with a code came to, for a minute: for those whose response from the database was lost.
CREATE TABLE email_token_attempt (
  id TEXT PRIMARY KEY NOT NULL,
  outcome TEXT NOT NULL,
  serial TEXT NOT NULL,
  at INTEGER NOT NULL
) STRICT;
--> statement-breakpoint
CREATE INDEX email_token_attempt_at ON email_token_attempt (at);
