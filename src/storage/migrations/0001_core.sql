CREATE TABLE instance (
  name TEXT PRIMARY KEY NOT NULL,
  value TEXT NOT NULL
) STRICT;
--> statement-breakpoint
CREATE TABLE smtp_server (
  id TEXT PRIMARY KEY NOT NULL,
  identifier TEXT NOT NULL UNIQUE,
  server TEXT NOT NULL,
  port INTEGER NOT NULL,
  username TEXT NOT NULL,
  password TEXT NOT NULL,
  sender TEXT NOT NULL,
  tls INTEGER NOT NULL,
  timeout INTEGER NOT NULL,
  enqueue_job INTEGER NOT NULL,
  description TEXT NOT NULL,
  smime INTEGER NOT NULL,
  dont_send_on_error INTEGER NOT NULL,
  private_key TEXT NOT NULL,
  private_key_password TEXT NOT NULL,
  signing_key TEXT NOT NULL,
  certificate TEXT NOT NULL,
  etag_seed TEXT NOT NULL,
  version INTEGER NOT NULL
) STRICT;
--> statement-breakpoint
CREATE TABLE admin (
  id TEXT PRIMARY KEY NOT NULL,
  username TEXT NOT NULL,
  realm TEXT NOT NULL,
  password_hash TEXT NOT NULL,
  enabled INTEGER NOT NULL,
  generation INTEGER NOT NULL
) STRICT;
--> statement-breakpoint
CREATE UNIQUE INDEX admin_name ON admin (username, realm);
--> statement-breakpoint
CREATE TABLE policy (
  id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
  name TEXT NOT NULL UNIQUE,
  scope TEXT NOT NULL,
  action TEXT NOT NULL,
  adminuser TEXT NOT NULL,
  adminrealm TEXT NOT NULL,
  client TEXT NOT NULL,
  time TEXT NOT NULL,
  active INTEGER NOT NULL,
  priority INTEGER NOT NULL,
  description TEXT NOT NULL
) STRICT;
--> statement-breakpoint
CREATE TABLE access_state (
  id INTEGER PRIMARY KEY NOT NULL CHECK (id = 1),
  generation INTEGER NOT NULL
) STRICT;
--> statement-breakpoint
INSERT INTO access_state (id, generation) VALUES (1, 1);
--> statement-breakpoint
CREATE TABLE audit (
  number INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
  date INTEGER NOT NULL,
  action TEXT NOT NULL,
  success INTEGER NOT NULL,
  administrator TEXT NOT NULL,
  realm TEXT NOT NULL,
  client TEXT NOT NULL,
  identifier TEXT NOT NULL,
  recipient TEXT NOT NULL,
  fields TEXT NOT NULL,
  outcome TEXT NOT NULL,
  phase TEXT NOT NULL,
  info TEXT NOT NULL,
  policies TEXT NOT NULL,
  request_id TEXT NOT NULL,
  count INTEGER NOT NULL DEFAULT 1,
  share_key TEXT UNIQUE
) STRICT;
--> statement-breakpoint
CREATE INDEX audit_date ON audit (date);
--> statement-breakpoint
CREATE TABLE try_window (
  key TEXT PRIMARY KEY NOT NULL,
  failed INTEGER NOT NULL,
  undecided INTEGER NOT NULL,
  ends_at INTEGER NOT NULL
) STRICT;
