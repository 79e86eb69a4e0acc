-- The server definitions and gateways that tokens of their own name, each once. The use of a token leaves them as they are.
CREATE TABLE email_token_route (
  type TEXT NOT NULL,
  identifier TEXT NOT NULL,
  PRIMARY KEY (type, identifier)
) STRICT, WITHOUT ROWID;
--> statement-breakpoint
CREATE INDEX email_token_token_identifier ON email_token_token (type, identifier) WHERE identifier <> '';
--> statement-breakpoint
INSERT INTO email_token_route (type, identifier)
SELECT DISTINCT type, identifier FROM email_token_token WHERE identifier <> '';
--> statement-breakpoint
CREATE TRIGGER email_token_route_insert AFTER INSERT ON email_token_token WHEN NEW.identifier <> '' BEGIN
  INSERT INTO email_token_route (type, identifier) SELECT NEW.type, NEW.identifier
  WHERE NOT EXISTS (SELECT 1 FROM email_token_route WHERE type = NEW.type AND identifier = NEW.identifier);
END;
--> statement-breakpoint
CREATE TRIGGER email_token_route_update AFTER UPDATE OF type, identifier ON email_token_token
WHEN OLD.type <> NEW.type OR OLD.identifier <> NEW.identifier BEGIN
  INSERT INTO email_token_route (type, identifier) SELECT NEW.type, NEW.identifier
  WHERE NEW.identifier <> ''
    AND NOT EXISTS (SELECT 1 FROM email_token_route WHERE type = NEW.type AND identifier = NEW.identifier);
  DELETE FROM email_token_route WHERE type = OLD.type AND identifier = OLD.identifier AND NOT EXISTS (
    SELECT 1 FROM email_token_token WHERE type = OLD.type AND identifier = OLD.identifier AND identifier <> '');
END;
--> statement-breakpoint
CREATE TRIGGER email_token_route_delete AFTER DELETE ON email_token_token WHEN OLD.identifier <> '' BEGIN
  DELETE FROM email_token_route WHERE type = OLD.type AND identifier = OLD.identifier AND NOT EXISTS (
    SELECT 1 FROM email_token_token WHERE type = OLD.type AND identifier = OLD.identifier AND identifier <> '');
END;
