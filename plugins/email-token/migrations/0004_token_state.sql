ALTER TABLE email_token_token ADD COLUMN active INTEGER NOT NULL DEFAULT 1;
--> statement-breakpoint
ALTER TABLE email_token_token ADD COLUMN revoked INTEGER NOT NULL DEFAULT 0;
--> statement-breakpoint
-- 'verify': the token counts for nothing until its address is verified.
ALTER TABLE email_token_token ADD COLUMN rollout_state TEXT NOT NULL DEFAULT '';
--> statement-breakpoint
-- The server definition or gateway that codes of this token are sent through. Empty: that of the settings.
ALTER TABLE email_token_token ADD COLUMN identifier TEXT NOT NULL DEFAULT '';
