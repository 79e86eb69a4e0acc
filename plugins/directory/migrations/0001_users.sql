CREATE TABLE directory_user (
  id TEXT PRIMARY KEY NOT NULL,
  realm TEXT NOT NULL,
  name_key TEXT NOT NULL,
  username TEXT NOT NULL,
  email TEXT NOT NULL,
  email_key TEXT NOT NULL,
  phone TEXT NOT NULL,
  givenname TEXT NOT NULL,
  surname TEXT NOT NULL,
  password_hash TEXT NOT NULL
) STRICT;
--> statement-breakpoint
CREATE UNIQUE INDEX directory_user_name ON directory_user (realm, name_key);
--> statement-breakpoint
CREATE INDEX directory_user_email ON directory_user (email_key) WHERE email_key <> '';
