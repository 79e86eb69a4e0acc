ALTER TABLE smtp_server ADD COLUMN max_connections INTEGER NOT NULL DEFAULT 5;
--> statement-breakpoint
ALTER TABLE smtp_server ADD COLUMN mails_per_minute INTEGER NOT NULL DEFAULT 0;
--> statement-breakpoint
CREATE TABLE mail (
  id TEXT PRIMARY KEY NOT NULL,
  state TEXT NOT NULL,
  identifier TEXT NOT NULL,
  lane TEXT NOT NULL,
  alternatives TEXT NOT NULL,
  submitter TEXT NOT NULL,
  message_id TEXT NOT NULL,
  sender TEXT NOT NULL,
  purpose TEXT NOT NULL,
  on_unknown TEXT NOT NULL,
  recipients TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  expires_at INTEGER,
  give_up_at INTEGER NOT NULL,
  due_at INTEGER,
  lease TEXT,
  begun INTEGER NOT NULL DEFAULT 0,
  lost INTEGER NOT NULL DEFAULT 0
) STRICT;
--> statement-breakpoint
-- Apart, so that a change of state does not write it again.
CREATE TABLE mail_content (
  id TEXT PRIMARY KEY NOT NULL REFERENCES mail (id) ON DELETE CASCADE,
  content TEXT NOT NULL
) STRICT;
--> statement-breakpoint
-- Whoever ends a mail, its content goes with it.
CREATE TRIGGER mail_ended AFTER UPDATE OF due_at ON mail WHEN NEW.due_at IS NULL BEGIN
  DELETE FROM mail_content WHERE id = NEW.id;
END;
--> statement-breakpoint
CREATE INDEX mail_due ON mail (lane, due_at, created_at) WHERE due_at IS NOT NULL;
--> statement-breakpoint
CREATE INDEX mail_movable ON mail (lane, due_at) WHERE due_at IS NOT NULL AND alternatives <> '[]';
--> statement-breakpoint
CREATE INDEX mail_give_up ON mail (give_up_at) WHERE due_at IS NOT NULL;
--> statement-breakpoint
CREATE INDEX mail_created ON mail (created_at);
--> statement-breakpoint
CREATE INDEX mail_counts ON mail (state, identifier, created_at);
--> statement-breakpoint
CREATE TABLE mail_attempt (
  number INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
  mail_id TEXT NOT NULL,
  identifier TEXT NOT NULL,
  date INTEGER NOT NULL,
  result TEXT NOT NULL
) STRICT;
--> statement-breakpoint
CREATE INDEX mail_attempt_mail ON mail_attempt (mail_id);
--> statement-breakpoint
CREATE INDEX mail_attempt_pace ON mail_attempt (identifier, date);
--> statement-breakpoint
CREATE TABLE server_health (
  identifier TEXT PRIMARY KEY NOT NULL,
  failures INTEGER NOT NULL,
  opens INTEGER NOT NULL,
  open_until INTEGER,
  since INTEGER NOT NULL,
  failed_at INTEGER NOT NULL,
  phase TEXT NOT NULL,
  code TEXT NOT NULL
) STRICT;
--> statement-breakpoint
CREATE TABLE idempotency (
  scope TEXT NOT NULL,
  key TEXT NOT NULL,
  content TEXT NOT NULL,
  answer TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  PRIMARY KEY (scope, key)
) STRICT;
--> statement-breakpoint
CREATE INDEX idempotency_created ON idempotency (created_at);
