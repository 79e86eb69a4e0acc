-- Until when the content of a message in its final state is kept for a retry; NULL: it is erased.
ALTER TABLE mail ADD COLUMN content_until INTEGER;
--> statement-breakpoint
CREATE INDEX mail_content_until ON mail (content_until) WHERE content_until IS NOT NULL;
--> statement-breakpoint
DROP TRIGGER mail_ended;
--> statement-breakpoint
-- Erases the content with the statement that makes the state final, or that ends the time for which it is kept.
CREATE TRIGGER mail_final AFTER UPDATE OF due_at, content_until ON mail
WHEN NEW.due_at IS NULL AND NEW.content_until IS NULL BEGIN
  DELETE FROM mail_content WHERE id = NEW.id;
END;
--> statement-breakpoint
-- The token of the worker that probes the server; NULL: none does.
ALTER TABLE server_health ADD COLUMN probe TEXT;
