ALTER TABLE events_binding ADD COLUMN seal_id TEXT NOT NULL DEFAULT '';
--> statement-breakpoint
ALTER TABLE events_binding ADD COLUMN secret TEXT NOT NULL DEFAULT '';
--> statement-breakpoint
ALTER TABLE events_binding ADD COLUMN headers TEXT NOT NULL DEFAULT '';
--> statement-breakpoint
CREATE TABLE events_webhook_delivery (
  id TEXT PRIMARY KEY NOT NULL,
  binding_id INTEGER NOT NULL,
  name TEXT NOT NULL,
  event TEXT NOT NULL,
  origin TEXT NOT NULL,
  body TEXT NOT NULL,
  state TEXT NOT NULL,
  attempts INTEGER NOT NULL,
  status INTEGER,
  code TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  due_at INTEGER,
  lease TEXT NOT NULL,
  lease_ends_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL
) STRICT;
--> statement-breakpoint
CREATE INDEX events_webhook_delivery_due ON events_webhook_delivery (binding_id, due_at) WHERE due_at IS NOT NULL;
--> statement-breakpoint
CREATE INDEX events_webhook_delivery_created ON events_webhook_delivery (created_at);
