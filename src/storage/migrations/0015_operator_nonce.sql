-- The nonces of calls with the operator key, so that none is accepted twice. A restore keeps the table of the instance that
-- is replaced, so it may exist already.
CREATE TABLE IF NOT EXISTS operator_nonce (
  nonce TEXT PRIMARY KEY NOT NULL,
  expires_at INTEGER NOT NULL
) STRICT;
