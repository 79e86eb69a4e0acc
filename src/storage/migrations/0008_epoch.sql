DROP TABLE access_state;
--> statement-breakpoint
-- One row: how often each table of rarely changed rows was changed. Triggers count, so no writer can forget it.
CREATE TABLE epoch (
  id INTEGER PRIMARY KEY NOT NULL CHECK (id = 1),
  admins INTEGER NOT NULL,
  policies INTEGER NOT NULL,
  settings INTEGER NOT NULL,
  servers INTEGER NOT NULL
) STRICT;
--> statement-breakpoint
INSERT INTO epoch (id, admins, policies, settings, servers) VALUES (1, 1, 1, 1, 1);
--> statement-breakpoint
CREATE TRIGGER epoch_admin_insert AFTER INSERT ON admin BEGIN UPDATE epoch SET admins = admins + 1; END;
--> statement-breakpoint
CREATE TRIGGER epoch_admin_update AFTER UPDATE ON admin BEGIN UPDATE epoch SET admins = admins + 1; END;
--> statement-breakpoint
CREATE TRIGGER epoch_admin_delete AFTER DELETE ON admin BEGIN UPDATE epoch SET admins = admins + 1; END;
--> statement-breakpoint
CREATE TRIGGER epoch_policy_insert AFTER INSERT ON policy BEGIN UPDATE epoch SET policies = policies + 1; END;
--> statement-breakpoint
CREATE TRIGGER epoch_policy_update AFTER UPDATE ON policy BEGIN UPDATE epoch SET policies = policies + 1; END;
--> statement-breakpoint
CREATE TRIGGER epoch_policy_delete AFTER DELETE ON policy BEGIN UPDATE epoch SET policies = policies + 1; END;
--> statement-breakpoint
CREATE TRIGGER epoch_setting_insert AFTER INSERT ON plugin_config BEGIN UPDATE epoch SET settings = settings + 1; END;
--> statement-breakpoint
CREATE TRIGGER epoch_setting_update AFTER UPDATE ON plugin_config BEGIN UPDATE epoch SET settings = settings + 1; END;
--> statement-breakpoint
CREATE TRIGGER epoch_setting_delete AFTER DELETE ON plugin_config BEGIN UPDATE epoch SET settings = settings + 1; END;
--> statement-breakpoint
CREATE TRIGGER epoch_server_insert AFTER INSERT ON smtp_server BEGIN UPDATE epoch SET servers = servers + 1; END;
--> statement-breakpoint
CREATE TRIGGER epoch_server_update AFTER UPDATE ON smtp_server BEGIN UPDATE epoch SET servers = servers + 1; END;
--> statement-breakpoint
CREATE TRIGGER epoch_server_delete AFTER DELETE ON smtp_server BEGIN UPDATE epoch SET servers = servers + 1; END;
