DROP TABLE access_state;
--> statement-breakpoint
-- How often each table of rarely changed rows was changed. Triggers count, so no writer can forget it.
CREATE TABLE epoch (
  part TEXT PRIMARY KEY NOT NULL,
  n INTEGER NOT NULL
) STRICT;
--> statement-breakpoint
INSERT INTO epoch (part, n) VALUES ('admin', 1), ('policy', 1), ('plugin_config', 1), ('smtp_server', 1);
--> statement-breakpoint
CREATE TRIGGER epoch_admin_insert AFTER INSERT ON admin BEGIN UPDATE epoch SET n = n + 1 WHERE part = 'admin'; END;
--> statement-breakpoint
CREATE TRIGGER epoch_admin_update AFTER UPDATE ON admin BEGIN UPDATE epoch SET n = n + 1 WHERE part = 'admin'; END;
--> statement-breakpoint
CREATE TRIGGER epoch_admin_delete AFTER DELETE ON admin BEGIN UPDATE epoch SET n = n + 1 WHERE part = 'admin'; END;
--> statement-breakpoint
CREATE TRIGGER epoch_policy_insert AFTER INSERT ON policy BEGIN UPDATE epoch SET n = n + 1 WHERE part = 'policy'; END;
--> statement-breakpoint
CREATE TRIGGER epoch_policy_update AFTER UPDATE ON policy BEGIN UPDATE epoch SET n = n + 1 WHERE part = 'policy'; END;
--> statement-breakpoint
CREATE TRIGGER epoch_policy_delete AFTER DELETE ON policy BEGIN UPDATE epoch SET n = n + 1 WHERE part = 'policy'; END;
--> statement-breakpoint
CREATE TRIGGER epoch_plugin_config_insert AFTER INSERT ON plugin_config BEGIN UPDATE epoch SET n = n + 1 WHERE part = 'plugin_config'; END;
--> statement-breakpoint
CREATE TRIGGER epoch_plugin_config_update AFTER UPDATE ON plugin_config BEGIN UPDATE epoch SET n = n + 1 WHERE part = 'plugin_config'; END;
--> statement-breakpoint
CREATE TRIGGER epoch_plugin_config_delete AFTER DELETE ON plugin_config BEGIN UPDATE epoch SET n = n + 1 WHERE part = 'plugin_config'; END;
--> statement-breakpoint
CREATE TRIGGER epoch_smtp_server_insert AFTER INSERT ON smtp_server BEGIN UPDATE epoch SET n = n + 1 WHERE part = 'smtp_server'; END;
--> statement-breakpoint
CREATE TRIGGER epoch_smtp_server_update AFTER UPDATE ON smtp_server BEGIN UPDATE epoch SET n = n + 1 WHERE part = 'smtp_server'; END;
--> statement-breakpoint
CREATE TRIGGER epoch_smtp_server_delete AFTER DELETE ON smtp_server BEGIN UPDATE epoch SET n = n + 1 WHERE part = 'smtp_server'; END;
