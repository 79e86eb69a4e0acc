CREATE TABLE sms_gateway_gateway (
  id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
  identifier TEXT NOT NULL UNIQUE,
  description TEXT NOT NULL,
  mailto TEXT NOT NULL,
  subject TEXT NOT NULL,
  body TEXT NOT NULL,
  regexp TEXT NOT NULL,
  smtpidentifier TEXT NOT NULL
) STRICT;
