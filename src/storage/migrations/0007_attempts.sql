-- Attempts that are not decided yet; each is free again when it expires, whatever happened to its process.
CREATE TABLE attempt_slot (
  attempt TEXT NOT NULL,
  key TEXT NOT NULL,
  expires_at INTEGER NOT NULL,
  PRIMARY KEY (attempt, key)
) STRICT, WITHOUT ROWID;
--> statement-breakpoint
CREATE INDEX attempt_slot_key ON attempt_slot (key);
--> statement-breakpoint
CREATE INDEX attempt_slot_expires_at ON attempt_slot (expires_at);
