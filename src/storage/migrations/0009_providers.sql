ALTER TABLE smtp_server ADD COLUMN provider TEXT NOT NULL DEFAULT '';
--> statement-breakpoint
ALTER TABLE smtp_server ADD COLUMN api_url TEXT NOT NULL DEFAULT '';
--> statement-breakpoint
ALTER TABLE smtp_server ADD COLUMN auth TEXT NOT NULL DEFAULT 'password';
--> statement-breakpoint
ALTER TABLE smtp_server ADD COLUMN oauth_flow TEXT NOT NULL DEFAULT 'client_credentials';
--> statement-breakpoint
ALTER TABLE smtp_server ADD COLUMN oauth_token_url TEXT NOT NULL DEFAULT '';
--> statement-breakpoint
ALTER TABLE smtp_server ADD COLUMN oauth_authorization_url TEXT NOT NULL DEFAULT '';
--> statement-breakpoint
ALTER TABLE smtp_server ADD COLUMN oauth_device_url TEXT NOT NULL DEFAULT '';
--> statement-breakpoint
ALTER TABLE smtp_server ADD COLUMN oauth_client_id TEXT NOT NULL DEFAULT '';
--> statement-breakpoint
ALTER TABLE smtp_server ADD COLUMN oauth_client_secret TEXT NOT NULL DEFAULT '';
--> statement-breakpoint
ALTER TABLE smtp_server ADD COLUMN oauth_private_key TEXT NOT NULL DEFAULT '';
--> statement-breakpoint
ALTER TABLE smtp_server ADD COLUMN oauth_certificate TEXT NOT NULL DEFAULT '';
--> statement-breakpoint
ALTER TABLE smtp_server ADD COLUMN oauth_service_account TEXT NOT NULL DEFAULT '';
--> statement-breakpoint
ALTER TABLE smtp_server ADD COLUMN oauth_refresh_token TEXT NOT NULL DEFAULT '';
--> statement-breakpoint
ALTER TABLE smtp_server ADD COLUMN oauth_scope TEXT NOT NULL DEFAULT '';
--> statement-breakpoint
ALTER TABLE smtp_server ADD COLUMN oauth_mechanism TEXT NOT NULL DEFAULT 'auto';
--> statement-breakpoint
ALTER TABLE smtp_server ADD COLUMN tls_certificate TEXT NOT NULL DEFAULT '';
--> statement-breakpoint
ALTER TABLE smtp_server ADD COLUMN tls_private_key TEXT NOT NULL DEFAULT '';
