CREATE TABLE oauth_token (
  key TEXT PRIMARY KEY NOT NULL,
  definition TEXT NOT NULL,
  state TEXT NOT NULL,
  version INTEGER NOT NULL,
  lease TEXT,
  lease_ends_at INTEGER,
  updated_at INTEGER NOT NULL
) STRICT;
--> statement-breakpoint
CREATE INDEX oauth_token_definition ON oauth_token (definition);
--> statement-breakpoint
CREATE TABLE oauth_grant (
  given TEXT PRIMARY KEY NOT NULL,
  definition TEXT NOT NULL,
  refresh_token TEXT NOT NULL,
  version INTEGER NOT NULL,
  used_at INTEGER NOT NULL
) STRICT;
--> statement-breakpoint
CREATE INDEX oauth_grant_definition ON oauth_grant (definition);
--> statement-breakpoint
-- Another version has other tokens. Its refresh token may be the same.
CREATE TRIGGER oauth_token_outdated AFTER UPDATE OF version ON smtp_server WHEN NEW.version <> OLD.version
BEGIN DELETE FROM oauth_token WHERE definition = OLD.id; END;
--> statement-breakpoint
CREATE TRIGGER oauth_deleted AFTER DELETE ON smtp_server
BEGIN
  DELETE FROM oauth_token WHERE definition = OLD.id;
  DELETE FROM oauth_grant WHERE definition = OLD.id;
END;
