ALTER TABLE directory_user ADD COLUMN certificate TEXT NOT NULL DEFAULT '';
