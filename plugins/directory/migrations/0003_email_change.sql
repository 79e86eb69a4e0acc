-- New addresses that wait for the code sent to them, one for each user.
CREATE TABLE directory_email_change (
  user_id TEXT PRIMARY KEY NOT NULL,
  email TEXT NOT NULL,
  email_key TEXT NOT NULL,
  code_mac TEXT NOT NULL,
  tries INTEGER NOT NULL,
  confirmed_by TEXT NOT NULL,
  expires_at INTEGER NOT NULL
) STRICT;
--> statement-breakpoint
CREATE INDEX directory_email_change_expires ON directory_email_change (expires_at);
