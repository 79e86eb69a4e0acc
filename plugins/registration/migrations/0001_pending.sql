CREATE TABLE registration_pending (
  id TEXT PRIMARY KEY NOT NULL,
  user_id TEXT NOT NULL,
  username TEXT NOT NULL,
  realm TEXT NOT NULL,
  email TEXT NOT NULL,
  phone TEXT NOT NULL,
  givenname TEXT NOT NULL,
  surname TEXT NOT NULL,
  password_hash TEXT NOT NULL,
  code_mac TEXT NOT NULL,
  tries INTEGER NOT NULL,
  confirmed_by TEXT NOT NULL,
  expires_at INTEGER NOT NULL
) STRICT;
--> statement-breakpoint
CREATE INDEX registration_pending_expires ON registration_pending (expires_at);
