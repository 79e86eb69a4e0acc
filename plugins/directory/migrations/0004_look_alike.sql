ALTER TABLE directory_user ADD COLUMN look_alike TEXT NOT NULL DEFAULT '';
--> statement-breakpoint
CREATE INDEX directory_user_look_alike ON directory_user (look_alike, realm);
