CREATE TABLE recovery_code (
  account TEXT NOT NULL,
  decoy INTEGER NOT NULL,
  beginning TEXT NOT NULL,
  code TEXT NOT NULL,
  tries INTEGER NOT NULL,
  claim TEXT NOT NULL,
  claimed_until INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  PRIMARY KEY (account, decoy)
) STRICT;
--> statement-breakpoint
CREATE INDEX recovery_code_expires_at ON recovery_code (expires_at);
