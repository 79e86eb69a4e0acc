import core from "./0001_core.sql" with { type: "text" };
import queue from "./0002_queue.sql" with { type: "text" };
import plugins from "./0003_plugins.sql" with { type: "text" };
import waits from "./0004_waits.sql" with { type: "text" };
import pieces from "./0005_content_pieces.sql" with { type: "text" };
import transport from "./0006_transport.sql" with { type: "text" };
import attempts from "./0007_attempts.sql" with { type: "text" };
import epoch from "./0008_epoch.sql" with { type: "text" };
import providers from "./0009_providers.sql" with { type: "text" };
import oauthTokens from "./0010_oauth_tokens.sql" with { type: "text" };
import signIns from "./0011_oauth_sign_ins.sql" with { type: "text" };
import smimePss from "./0012_smime_pss.sql" with { type: "text" };
import smimeEncrypt from "./0013_smime_encrypt.sql" with { type: "text" };
import apiKey from "./0014_api_key.sql" with { type: "text" };
import operatorNonce from "./0015_operator_nonce.sql" with { type: "text" };

/** Every migration in order. A published one is never edited. */
export const MIGRATIONS = [
  { name: "0001_core", sql: core },
  { name: "0002_queue", sql: queue },
  { name: "0003_plugins", sql: plugins },
  { name: "0004_waits", sql: waits },
  { name: "0005_content_pieces", sql: pieces },
  { name: "0006_transport", sql: transport },
  { name: "0007_attempts", sql: attempts },
  { name: "0008_epoch", sql: epoch },
  { name: "0009_providers", sql: providers },
  { name: "0010_oauth_tokens", sql: oauthTokens },
  { name: "0011_oauth_sign_ins", sql: signIns },
  { name: "0012_smime_pss", sql: smimePss },
  { name: "0013_smime_encrypt", sql: smimeEncrypt },
  { name: "0014_api_key", sql: apiKey },
  { name: "0015_operator_nonce", sql: operatorNonce },
] as const;
