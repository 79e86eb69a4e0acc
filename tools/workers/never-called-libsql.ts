import { members, twice, type UnusedCode } from "./unused-code.ts";

/** Types of requests that Sealpost does not make. A response to one is rejected as one of an unknown type. */
const REQUESTS = ["sequence", "describe", "get_autocommit", "close_sql"];

/** The second version of the protocol over HTTP, which has JSON and no cursors; no transactions, sequences, encryption keys. */
export const UNUSED_BY_LIBSQL: UnusedCode = {
  "@libsql/client/lib-esm/http.js": [
    ...members("HttpClient", "migrate transaction executeMultiple sync reconnect closed"),
    "this.#remoteEncryptionKey",
    // The bindings of a Worker are checked before.
    'if (config.scheme !== "https" && config.scheme !== "http")',
    "if (config.encryptionKey !== undefined)",
  ],
  "@libsql/hrana-client/lib-esm/http/client.js": [
    "void if (protocolVersion == 3)",
    ...members("HttpClient", "_ensureVersion closed"),
  ],
  "@libsql/hrana-client/lib-esm/http/stream.js": [
    ...members(
      "HttpStream",
      "client _describe _sequence getAutocommit _openCursor _cursorClosed _closeSql close closed",
    ),
    "void if (this.#remoteEncryptionKey !== undefined)",
    ...members("HttpStream", "#flushCursor #createCursorRequest"),
    "if (this.#cursor !== undefined)",
    'if (firstEntry.type === "cursor")',
    twice('if (encoding === "protobuf")'),
  ],
  "@libsql/hrana-client/lib-esm/http/json_encode.js": REQUESTS.map(
    (type) => `void if (msg.type === "${type}")`,
  ),
  "@libsql/hrana-client/lib-esm/http/json_decode.js": REQUESTS.map((type) => `void if (type === "${type}")`),
  "@libsql/hrana-client/lib-esm/stream.js": members("Stream", "describe sequence queryRow queryValue run"),
  "@libsql/hrana-client/lib-esm/stmt.js": [
    ...members("Stmt", "bindIndex unbindAll"),
    // Arguments have no names.
    "Stmt.bindName()",
    "void if (Array.isArray(stmt))",
  ],
  "promise-limit/index.js": ["map()"],
  "@libsql/hrana-client/lib-esm/batch.js": [
    ...members("BatchStep", "queryRow queryValue"),
    "if (this.#useCursor)",
    "executeCursor()",
    ...["this.#executed", "this._index !== undefined"].map((misuse) => `if (${misuse})`),
    ...["step._index === undefined", "cond._batch !== expectedBatch"].map((misuse) => `if (${misuse})`),
    ...members("BatchCond", "error and or isAutocommit"),
  ],
  "@libsql/client/lib-esm/hrana.js": [
    twice("if (version >= 3)"),
    twice("if (disableForeignKeys)"),
    ...["WebSocketError", "ProtocolVersionError"].map((name) => `void if (e instanceof hrana.${name})`),
  ],
  // A batch has a cache of its own, which never closes a text.
  "@libsql/client/lib-esm/sql_cache.js": ["void if (this.capacity <= 0)", "Lru.delete"],
  "@libsql/hrana-client/lib-esm/sql.js": [
    ...members("Sql", "close _setClosed closed"),
    "if (this.#owner !== owner)",
    "void if (this.#closed !== undefined)",
  ],
  "@libsql/hrana-client/lib-esm/shared/json_encode.js": [
    'void if (msg.type === "and" || msg.type === "or")',
    'void if (msg.type === "is_autocommit")',
  ],
  // Integers are numbers.
  "@libsql/hrana-client/lib-esm/value.js": ["bigint", "string"].map(
    (mode) => `void if (intMode === "${mode}")`,
  ),
  "@libsql/core/lib-esm/config.js": [
    'if (typeof config !== "object")',
    "if (url === inMemoryMode)",
    twice("if (isInMemoryMode)"),
    'if (intMode !== "number" && intMode !== "bigint" && intMode !== "string")',
    `if (${["http", "ws", "https", "wss", "file"].map((name) => `scheme !== "${name}"`).join(" &&\n        ")})`,
  ],
  "@libsql/core/lib-esm/util.js": ["ResultSetImpl.toJSON()"],
};
