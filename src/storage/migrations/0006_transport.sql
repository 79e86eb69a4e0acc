ALTER TABLE smtp_server ADD COLUMN pipelining TEXT NOT NULL DEFAULT 'auto';
--> statement-breakpoint
ALTER TABLE smtp_server ADD COLUMN auth_mechanism TEXT NOT NULL DEFAULT 'auto';
