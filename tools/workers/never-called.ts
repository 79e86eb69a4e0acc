import { PECULIAR } from "./never-called-asn1.ts";
import { cases, members, twice, type UnusedCode } from "./unused-code.ts";

// Only the default builds lose these parts: neither Sealpost nor its plugins use them. A part that validates
// throws, never passes.

/**
 * Sealpost gives nodemailer's composer bodies that are encoded already and reads the tree that it has composed: no
 * streams, files, URLs, addresses, envelopes, calendars.
 */
const NODEMAILER: UnusedCode = {
  "nodemailer/dist/esm/mime-node/index.js": [
    ...members(
      "MimeNode",
      "replace remove build createReadStream transform processFunc stream addHeader setRaw",
    ),
    ...members("MimeNode", "_accessDisabled _destroyContentStreams _takeStreamContent _getStream"),
    ...members("MimeNode", "setEnvelope getEnvelope getAddresses _parseAddresses _parseEnvelopeAddresses"),
    ...members(
      "MimeNode",
      "_normalizeParsedAddresses _convertAddresses _normalizeAddress _normalizeLocalPart",
    ),
    ...members("MimeNode", "_encodeAddressName _generateMessageId"),
    twice("if (!value && key && typeof key === 'object')"),
    "if (typeof this.content.pipe === 'function')",
    "if (value && typeof value === 'object' && !formattedHeaders.includes(key))",
    "if (options.prepared)",
    ...["From", "Sender", "To", "Cc", "Bcc", "Reply-To", "In-Reply-To", "OTP-Token", "References"].map(
      (name) => `case '${name}' of key`,
    ),
    "case 'Bcc' of header.key",
    "MimeNode._encodeHeaderValue",
    "if (typeof this.normalizeHeaderKey === 'function')",
    // Each part has a type and a disposition, and the root its date and identifier.
    "if (!contentType)",
    "if (!options && typeof contentType === 'object')",
    "if (childNode.parentNode && childNode.parentNode !== this)",
    "if (this.filename && !this.getHeader('Content-Disposition'))",
    "if (!this.getHeader('Date'))",
    "if (!messageId)",
    // Texts are short ASCII, and files are in base64.
    "void if (this._isPlainText && mimeFuncs.hasLongerLines(this.content, 76))",
    "if (typeof this.content === 'string' || this.content instanceof Buffer)",
  ],
  // Media types that Sealpost accepts have neither comments nor continuations (RFC 2231 3).
  "nodemailer/dist/esm/mime-funcs/index.js": [
    "if (stripComments && chr === '(' && !quote && !quoteClosed && !(stage === 'value' && key !== false && !pendingSpace))",
    "if (!continuation)",
    "if (charsetMatch)",
    "if (!continuation.charset)",
    "_encodeContinuationSection()",
  ],
  "nodemailer/dist/esm/mail-composer/index.js": [
    ...members("MailComposer", "_getIcalEvent _processDataUrl"),
    "if (this.mail.raw)",
    "if (this.mail.headers)",
    "if (this.mail.otp)",
    "if (this.mail.envelope)",
    twice("if (this.mail.icalEvent)"),
    "if (this.mail.watchHtml)",
    "if (this.mail.amp)",
    "if (/^data:/i.test((attachment.path || attachment.href)))",
    String.raw`if (/^https?:\/\//i.test(attachment.path))`,
    "if (isMessageNode)",
    "if (!isMessageNode && attachment.filename !== false)",
    "if (attachment.raw)",
    "if (attachment.path)",
    "if (attachment.href)",
    "if (attachment.encoding)",
    "if (attachment.headers)",
    "if (/^data:/i.test((alternative.path || alternative.href)))",
    String.raw`if (/^https?:\/\//i.test(alternative.path))`,
    "if (alternative.filename)",
    "if (alternative.raw)",
    "if (alternative.path)",
    "if (alternative.href)",
    "if (alternative.encoding)",
    "if (alternative.headers)",
    "if (element.headers)",
    "if (this.mail.encoding && /^text\\//i.test(element.contentType))",
    "if (typeof element.content === 'string' && !['utf8', 'usascii', 'ascii'].includes(encoding))",
    "if (element.raw)",
  ],
};

/**
 * Sealpost parses, compares and writes addresses, with a prefix of its own. Conditions that validate throw as before, with
 * one text for all.
 */
const IPADDR: UnusedCode = {
  "ipaddr.js/lib/ipaddr.js": [
    "padPart()",
    ...members("ipaddr", "fromByteArray isValidCIDR parseCIDR"),
    ...members("ipaddr.IPv4", "broadcastAddressFromCIDR networkAddressFromCIDR subnetMaskFromPrefixLength"),
    ...members("ipaddr.IPv4", "isIPv4 isValidCIDR isValidCIDRFourPartDecimal parseCIDR"),
    ...members("IPv4.prototype", "prefixLengthFromSubnetMask toIPv4MappedAddress toNormalizedString"),
    ...members("ipaddr.IPv6", "broadcastAddressFromCIDR networkAddressFromCIDR subnetMaskFromPrefixLength"),
    ...members("ipaddr.IPv6", "isIPv6 isValidCIDR parseCIDR"),
    ...members("IPv6.prototype", "prefixLengthFromSubnetMask toFixedLengthString"),
    twice("if (cidrRange === undefined)"),
    "if (first.length !== second.length)",
    "if (octets.length !== 4)",
    "if (!((0 <= part && part <= 0xffff)))",
    ...["4", "6"].map((version) => `if (other.kind() !== 'ipv${version}')`),
    ...["0xffffffff", "0xffffff", "0xffff"].map((max) => `if (value > ${max} || value < 0)`),
    ...["parts", "addr"].map((parsed) => `if (${parsed} === null)`),
    "if (!this.isIPv4MappedAddress())",
  ],
};

/**
 * Exchanges of codes, assertions and refresh tokens. Sealpost reads the response itself, with its ID token and its errors:
 * of the package, it only sees that one is thrown.
 */
const OAUTH: UnusedCode = {
  "oauth4webapi/build/index.js": [
    "if (json.id_token !== undefined)",
    "assertDPoP()",
    twice("if (options?.DPoP !== undefined)"),
    "if (response.status !== expected)",
    "if (recognizedTokenTypes?.[json.token_type] !== undefined)",
    "if (useMtlsAlias && as.mtls_endpoint_aliases && endpoint in as.mtls_endpoint_aliases)",
    "if (looseInstanceOf(input, Headers))",
    "if (headers.has('authorization'))",
    "void if (USER_AGENT && !headers.has('user-agent'))",
    "void signal()",
    "rsAlg()",
  ],
};

/** Drizzle's condition for a column of a table that is not part of the query. */
const FOREIGN_COLUMN = `is(f.field, Column) && getTableName(f.field.table) !== (is(table, Subquery) ? table._.alias : is(table, SQLiteViewBase) ? table[ViewBaseConfig].name : is(table, SQL) ? void 0 : getTableName(table)) && !((table2) => joins?.some(
        ({ alias }) => alias === (table2[Table.Symbol.IsAlias] ? getTableName(table2) : table2[Table.Symbol.BaseName])
      ))(f.field.table)`;

/**
 * Sealpost's statements have left joins only and no unions, those that write run in batches, and its tables name the types
 * of their columns. The build leaves out the constraints of the tables.
 */
const DRIZZLE: UnusedCode = {
  "drizzle-orm/sqlite-core/dialect.js": [
    ...members(
      "SQLiteDialect",
      "escapeString buildRelationalQuery buildSetOperations() buildSetOperationQuery",
    ),
    "SQLiteSyncDialect.migrate",
    "SQLiteAsyncDialect.migrate",
    'if (field.columnType === "SQLiteNumericBigInt")',
    "if (setOperators.length > 0)",
    "if (select)",
    "void if (col.defaultFn !== void 0)",
    "void if (!col.default && col.onUpdateFn !== void 0)",
    `if (${FOREIGN_COLUMN})`,
  ],
  "drizzle-orm/alias.js": [
    "if (prop === ViewBaseConfig)",
    "if (this.replaceOriginalName && prop === Table.Symbol.OriginalName)",
  ],
  "drizzle-orm/utils.js": ['void if (typeof name !== "string")', "if (entries.length === 0)"],
  "drizzle-orm/selection-proxy.js": ["if (prop === ViewBaseConfig)"],
  "drizzle-orm/query-promise.js": members("QueryPromise", "finally"),
  "drizzle-orm/entity.js": ["if (!Object.prototype.hasOwnProperty.call(type, entityKind))"],
  "drizzle-orm/sql/sql.js": [
    ...members("SQL", "append inlineParams if mapInlineParam"),
    twice("if (inlineParams)"),
    "if (prepareTyping)",
    ...["p", "p.value"].map((placeholder) => `if (!(${placeholder}.name in values))`),
    'if (_config.invokeSource === "indexes")',
    "if (is(chunk, View))",
    "if (isPgEnum(chunk))",
  ],
  "drizzle-orm/sqlite-core/query-builders/select.js": [
    "if (is(source, SQLiteViewBase))",
    "if (!this.session)",
    'if (typeof tableName === "string" && this.config.joins?.some((join) => join.alias === tableName))',
    ...cases("joinType", "right cross inner full"),
    { part: "if (this.config.setOperators.length > 0)", count: 4 },
    ...["where", "on"].map((argument) => `if (typeof ${argument} === "function")`),
    twice('if (typeof columns[0] === "function")'),
    "SQLiteSelectQueryBuilderBase.toSQL",
    ...members("SQLiteSelectQueryBuilderBase", "rightJoin innerJoin fullJoin crossJoin having as $dynamic"),
    ...members(
      "SQLiteSelectQueryBuilderBase",
      "union unionAll intersect except createSetOperator addSetOperators",
    ),
    ...members("SQLiteSelectBase", "run values $withCache"),
    "void createSetOperator()",
    "getSQLiteSetOperators()",
  ],
  "drizzle-orm/sqlite-core/query-builders/update.js": [
    ...members("SQLiteUpdateBase", "leftJoin rightJoin innerJoin fullJoin createJoin from orderBy limit"),
    ...members("SQLiteUpdateBase", "toSQL $dynamic run all get values"),
  ],
  "drizzle-orm/sqlite-core/query-builders/insert.js": [
    ...members("SQLiteInsertBase", "toSQL $dynamic run all get values"),
    "if (config.where && (config.targetWhere || config.setWhere))",
    "if (values.length === 0)",
    "SQLiteInsertBuilder.select",
  ],
  "drizzle-orm/cache/core/cache.js": members("NoopCache", "get put onMutate strategy"),
  "drizzle-orm/sqlite-core/query-builders/delete.js": members(
    "SQLiteDeleteBase",
    "orderBy limit toSQL $dynamic run all get values",
  ),
  "drizzle-orm/sqlite-core/query-builders/query-builder.js": members(
    "QueryBuilder",
    "$with with selectDistinct select",
  ),
  "drizzle-orm/sqlite-core/db.js": [
    ...members("BaseSQLiteDatabase", "$count transaction values"),
    // After with(), Sealpost only selects.
    ...["selectDistinct()", "update()", "insert()"].map(twice),
    "delete_()",
    "if (this._.schema)",
    'if (typeof qb === "function")',
  ],
  "drizzle-orm/sqlite-core/session.js": [
    // Nothing is cached there.
    'void if (cache && cache.strategy() === "all" && cacheConfig === void 0)',
    "void if (!this.cacheConfig?.enable)",
    // Sealpost replaces the first.
    ...members("SQLitePreparedQuery", "queryWithCache execute mapAllResult mapGetResult"),
    ...members("ExecuteResultSync", "execute sync"),
    ...members(
      "SQLiteSession",
      "run values count extractRawAllValueFromBatchResult extractRawGetValueFromBatchResult",
    ),
    "SQLiteSession.extractRawValuesValueFromBatchResult",
    "SQLiteTransaction.rollback",
  ],
  "drizzle-orm/libsql/session.js": [
    ...members("LibSQLSession", "migrate transaction extractRawValuesValueFromBatchResult"),
    "LibSQLTransaction.transaction",
    ...members("LibSQLPreparedQuery", "run isResponseInArrayMode"),
    twice("if (this.customResultMapper)"),
    'if (typeof TextDecoder !== "undefined")',
  ],
  "drizzle-orm/sqlite-core/query-builders/raw.js": members("SQLiteRaw", "isResponseInArrayMode"),
  "drizzle-orm/sqlite-core/columns/all.js": ["getSQLiteColumnBuilders()"],
  "drizzle-orm/column-builder.js": members(
    "ColumnBuilder",
    "notNull primaryKey $defaultFn $default $onUpdateFn $onUpdate",
  ),
  "drizzle-orm/sqlite-core/columns/common.js": [
    ...members("SQLiteColumnBuilder", "references unique generatedAlwaysAs"),
    ...["onUpdate", "onDelete"].map((action) => `void if (actions2.${action})`),
    "void if (!config.uniqueName)",
  ],
  "drizzle-orm/sqlite-core/columns/integer.js": [
    "SQLiteBaseIntegerBuilder.primaryKey",
    "SQLiteBaseInteger.getSQLType",
    "SQLiteTimestampBuilder.defaultNow",
    // Times are in milliseconds.
    twice('void if (this.config.mode === "timestamp")'),
  ],
  "drizzle-orm/sqlite-core/table.js": ["void if (extraConfig)"],
  "drizzle-orm/sqlite-core/columns/text.js": ["SQLiteText.getSQLType", "SQLiteTextJson.getSQLType"],
  "drizzle-orm/casing.js": [
    "toSnakeCase()",
    "toCamelCase()",
    ...members("CasingCache", "cacheTable clearCache"),
    // Every column has a name of its own.
    "if (!this.cache[key])",
  ],
};

/** Sealpost's routes parse bodies themselves, and its tokens have HS256. */
const HONO: UnusedCode = {
  "hono/dist/hono-base.js": [
    ...members("Hono", "mount request fire route basePath notFound #clone"),
    'if ("getResponse" in err)',
  ],
  "hono/dist/utils/jwt/jws.js": [
    "pemToBinary()",
    "exportPublicJwkFrom()",
    ...cases("name", "HS384 HS512 RS256 RS384 RS512 PS256 PS384 PS512 ES256 ES384 ES512 EdDSA"),
    twice("void if (!crypto.subtle || !crypto.subtle.importKey)"),
    'if (key.type !== "private" && key.type !== "secret")',
    twice('void if (typeof key === "object")'),
    'void if (key.includes("PRIVATE"))',
    'void if (key.includes("PUBLIC"))',
    'void if (typeof key === "string" && key.includes("PRIVATE"))',
  ],
  "hono/dist/utils/jwt/jwt.js": [
    'if (typeof privateKey === "object" && "alg" in privateKey)',
    "if (!algOrOptions)",
    "if (!alg)",
    // Sealpost checks the times itself.
    ...["nbf", "exp", "iat"].map((claim) => `if (${claim} && payload.${claim} !== void 0)`),
    "if (iss)",
    "if (aud)",
  ],
  "hono/dist/context.js": members(
    "Context",
    "render setRenderer setLayout getLayout status var event executionCtx",
  ),
  // Paths are strict and have no optional parameters, and queries are read whole.
  "hono/dist/utils/url.js": [
    "void checkOptionalParameter()",
    "getPathNoStrict()",
    "void if (rest.length)",
    "if (!multiple && key && !/[%+&=]/.test(key))",
    "if (multiple)",
  ],
  // Pages are plain texts.
  "hono/dist/utils/html.js": ["resolveCallback()"],
  "hono/dist/request.js": [
    ...members("HonoRequest", "parseBody json text bytes blob formData"),
    ...members("HonoRequest", "queries valid addValidatedData matchedRoutes routePath"),
  ],
};

/** Sealpost validates with schemas of valibot alone, which other libraries do not see. */
const VALIBOT: UnusedCode = {
  "valibot/dist/index.mjs": [
    'schema["~standard"]',
    // Nothing sets texts for all schemas, or values for what is invalid.
    ...["getGlobalMessage", "getSchemaMessage", "getSpecificMessage"].map((name) => `void ${name}()`),
    "getFallback()",
    { part: "void if (valueSchema.fallback !== void 0)", count: 8 },
  ],
};

/** Unused by both builds. */
export const UNUSED: UnusedCode = {
  ...PECULIAR,
  ...NODEMAILER,
  ...IPADDR,
  ...OAUTH,
  ...DRIZZLE,
  ...HONO,
  ...VALIBOT,
};
