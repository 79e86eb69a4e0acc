-- Attempts in one tree and in order of time: a commit changes one page of it, not one of the table and of two indexes.
CREATE TABLE email_token_attempt_by_time (
  id TEXT NOT NULL,
  outcome TEXT NOT NULL,
  serial TEXT NOT NULL,
  at INTEGER NOT NULL,
  PRIMARY KEY (at, id)
) STRICT, WITHOUT ROWID;
--> statement-breakpoint
INSERT INTO email_token_attempt_by_time (id, outcome, serial, at)
SELECT id, outcome, serial, at FROM email_token_attempt;
--> statement-breakpoint
DROP TABLE email_token_attempt;
--> statement-breakpoint
ALTER TABLE email_token_attempt_by_time RENAME TO email_token_attempt;
