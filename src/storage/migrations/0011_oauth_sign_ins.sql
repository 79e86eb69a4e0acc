-- Sign-ins that wait for the browser to come back. A row is deleted when its state is used, or when it has expired.
CREATE TABLE oauth_sign_in (
  state_hash TEXT PRIMARY KEY NOT NULL,
  definition_id TEXT NOT NULL,
  facts TEXT NOT NULL,
  admin_id TEXT NOT NULL,
  generation INTEGER NOT NULL,
  administrator TEXT NOT NULL,
  realm TEXT NOT NULL,
  client TEXT NOT NULL,
  code_verifier TEXT NOT NULL,
  expires_at INTEGER NOT NULL
) STRICT;
--> statement-breakpoint
CREATE INDEX oauth_sign_in_expires_at ON oauth_sign_in (expires_at);
