-- Keys for programs. The key itself is never stored.
CREATE TABLE api_key (
  id TEXT PRIMARY KEY NOT NULL,
  name TEXT NOT NULL,
  hash TEXT NOT NULL UNIQUE,
  admin_id TEXT NOT NULL,
  rights TEXT NOT NULL,
  servers TEXT NOT NULL,
  client TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  expires_at INTEGER
) STRICT;
--> statement-breakpoint
-- Changes by use, so it is not in the table that is cached.
CREATE TABLE api_key_use (
  id TEXT PRIMARY KEY NOT NULL,
  used_at INTEGER NOT NULL
) STRICT;
--> statement-breakpoint
-- A key is void without its admin, whoever deletes that row.
CREATE TRIGGER api_key_admin_delete AFTER DELETE ON admin BEGIN DELETE FROM api_key WHERE admin_id = OLD.id; END;
--> statement-breakpoint
CREATE TRIGGER api_key_use_delete AFTER DELETE ON api_key BEGIN DELETE FROM api_key_use WHERE id = OLD.id; END;
--> statement-breakpoint
INSERT INTO epoch (part, n) VALUES ('api_key', 1);
--> statement-breakpoint
CREATE TRIGGER epoch_api_key_insert AFTER INSERT ON api_key BEGIN UPDATE epoch SET n = n + 1 WHERE part = 'api_key'; END;
--> statement-breakpoint
CREATE TRIGGER epoch_api_key_update AFTER UPDATE ON api_key BEGIN UPDATE epoch SET n = n + 1 WHERE part = 'api_key'; END;
--> statement-breakpoint
CREATE TRIGGER epoch_api_key_delete AFTER DELETE ON api_key BEGIN UPDATE epoch SET n = n + 1 WHERE part = 'api_key'; END;
--> statement-breakpoint
-- The API key that started a sign-in. Empty if an admin did.
ALTER TABLE oauth_sign_in ADD COLUMN api_key_id TEXT NOT NULL DEFAULT '';
