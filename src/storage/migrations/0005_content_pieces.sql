-- The content of a message in pieces that any database takes as a value. What is stored becomes the first piece, in a row
-- of the same name, to which its encryption binds it.
CREATE TABLE mail_piece (
  id TEXT PRIMARY KEY NOT NULL,
  mail_id TEXT NOT NULL REFERENCES mail (id) ON DELETE CASCADE,
  piece INTEGER NOT NULL,
  content TEXT NOT NULL
) STRICT;
--> statement-breakpoint
INSERT INTO mail_piece (id, mail_id, piece, content) SELECT id, id, 0, content FROM mail_content;
--> statement-breakpoint
DROP TRIGGER mail_final;
--> statement-breakpoint
DROP TABLE mail_content;
--> statement-breakpoint
ALTER TABLE mail_piece RENAME TO mail_content;
--> statement-breakpoint
CREATE INDEX mail_content_mail ON mail_content (mail_id);
--> statement-breakpoint
CREATE TRIGGER mail_final AFTER UPDATE OF due_at, content_until ON mail
WHEN NEW.due_at IS NULL AND NEW.content_until IS NULL BEGIN
  DELETE FROM mail_content WHERE mail_id = NEW.id;
END;
