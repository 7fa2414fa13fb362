-- The first schema of certbound. Rules named below are those of the design,
-- section 3. A later PostgreSQL dialect uses the same numbers and names.
--
-- Times are UTC, whole seconds since 1970 (rule 18). Flags are 0 or 1. Digests
-- are 32 raw bytes. Tables that are looked up by a text key are WITHOUT ROWID:
-- one tree walk instead of two.

-- Facts about this database as a whole that must exist at most once, such as
-- the first administrator (rule 23): the primary key is the guard.
CREATE TABLE meta (
    name       TEXT    NOT NULL PRIMARY KEY,
    value      TEXT    NOT NULL,
    created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE partners (
    id         TEXT    NOT NULL PRIMARY KEY CHECK (length(id) BETWEEN 1 AND 128 AND id NOT GLOB '*[^A-Za-z0-9._-]*'),
    name       TEXT    NOT NULL,
    disabled   INTEGER NOT NULL CHECK (disabled IN (0, 1)),
    version    INTEGER NOT NULL CHECK (version >= 1),
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    -- A lockout is kept apart from disabled: its end brings back what was.
    locked_at   INTEGER,
    lock_reason TEXT CHECK ((locked_at IS NULL) = (lock_reason IS NULL))
) STRICT, WITHOUT ROWID;

-- Rule 4: one row a bundle, so that clients can refer to a name; its versions
-- are rows of their own. latest_version hands out the version numbers.
CREATE TABLE trust_bundles (
    name           TEXT    NOT NULL PRIMARY KEY CHECK (length(name) BETWEEN 1 AND 128 AND name NOT GLOB '*[^!-~]*'),
    latest_version INTEGER NOT NULL CHECK (latest_version >= 1)
) STRICT, WITHOUT ROWID;

CREATE TABLE trust_bundle_versions (
    name               TEXT    NOT NULL REFERENCES trust_bundles (name),
    version            INTEGER NOT NULL CHECK (version >= 1),
    status             TEXT    NOT NULL CHECK (status IN ('active', 'retired')),
    content_hash       TEXT    NOT NULL,
    anchors_pem        TEXT    NOT NULL CHECK (anchors_pem <> ''),
    intermediates_pem  TEXT    NOT NULL,
    issuers_pem        TEXT    NOT NULL,
    max_depth          INTEGER NOT NULL CHECK (max_depth >= 0),
    allow_public_roots INTEGER NOT NULL CHECK (allow_public_roots IN (0, 1)),
    created_at         INTEGER NOT NULL,
    created_by         TEXT,
    PRIMARY KEY (name, version)
) STRICT;

-- A bundle is swapped as a whole: never two active versions, not even for a moment.
CREATE UNIQUE INDEX trust_bundle_versions_active ON trust_bundle_versions (name) WHERE status = 'active';

-- A change of a trust bundle that waits for a second administrator, or has. bundle
-- refers to nothing: it may not be there yet. base_* is what the change was proposed
-- against; whoever approves finds the bundle in that state, or is refused. Nothing
-- here is in force: what is approved becomes a version.
CREATE TABLE trust_proposals (
    id                 TEXT    NOT NULL PRIMARY KEY CHECK (id <> ''),
    action             TEXT    NOT NULL CHECK (action IN ('create', 'change', 'retire')),
    bundle             TEXT    NOT NULL CHECK (bundle <> ''),
    content_hash       TEXT    NOT NULL,
    anchors_pem        TEXT    NOT NULL CHECK ((action = 'retire') = (anchors_pem = '')),
    intermediates_pem  TEXT    NOT NULL,
    issuers_pem        TEXT    NOT NULL,
    max_depth          INTEGER NOT NULL CHECK (max_depth >= 0),
    allow_public_roots INTEGER NOT NULL CHECK (allow_public_roots IN (0, 1)),
    base_version       INTEGER NOT NULL CHECK ((action = 'create') = (base_version = 0)),
    base_status        TEXT    NOT NULL CHECK ((action = 'create') = (base_status = '')),
    reason             TEXT    NOT NULL,
    proposed_by        TEXT    NOT NULL CHECK (proposed_by <> ''),
    created_at         INTEGER NOT NULL,
    expires_at         INTEGER NOT NULL CHECK (expires_at > created_at),
    status             TEXT    NOT NULL CHECK (status IN ('open', 'approved', 'rejected', 'withdrawn')),
    decided_by         TEXT    NOT NULL CHECK ((status = 'open') = (decided_by = '')),
    decided_at         INTEGER CHECK ((status = 'open') = (decided_at IS NULL)),
    decision_reason    TEXT    NOT NULL,
    applied_version    INTEGER NOT NULL CHECK (applied_version = 0 OR status = 'approved'),
    -- Two pairs of eyes are not one pair twice; only one's own is withdrawn.
    CONSTRAINT trust_proposals_two_people CHECK (status NOT IN ('approved', 'rejected') OR decided_by <> proposed_by),
    CONSTRAINT trust_proposals_own CHECK (status <> 'withdrawn' OR decided_by = proposed_by)
) STRICT, WITHOUT ROWID;

CREATE INDEX trust_proposals_status ON trust_proposals (status, id);
CREATE INDEX trust_proposals_bundle ON trust_proposals (bundle, id);
CREATE INDEX trust_proposals_over ON trust_proposals (coalesce(decided_at, expires_at));

-- generation is rule 11: tokens carry it, revocation raises it, nothing lowers it.
CREATE TABLE clients (
    id                TEXT    NOT NULL PRIMARY KEY CHECK (length(id) BETWEEN 1 AND 256 AND id NOT GLOB '*[^!-~]*'),
    partner_id        TEXT    NOT NULL REFERENCES partners (id),
    name              TEXT    NOT NULL,
    method            TEXT    NOT NULL CHECK (method IN ('tls_client_auth', 'self_signed_tls_client_auth')),
    matcher_kind      TEXT    CHECK (matcher_kind IN ('subject_dn', 'san_dns', 'san_uri', 'san_ip', 'san_email')),
    matcher_value     TEXT    CHECK (matcher_value <> ''),
    matcher_canonical TEXT    CHECK (matcher_canonical <> ''),
    trust_bundle      TEXT    REFERENCES trust_bundles (name),
    disabled          INTEGER NOT NULL CHECK (disabled IN (0, 1)),
    generation        INTEGER NOT NULL CHECK (generation >= 1),
    version           INTEGER NOT NULL CHECK (version >= 1),
    created_at        INTEGER NOT NULL,
    updated_at        INTEGER NOT NULL,
    -- Where a self-signed client publishes its certificates (RFC 8705 §2.2.2).
    jwks_uri          TEXT    CHECK (jwks_uri IS NULL OR jwks_uri <> '' AND method = 'self_signed_tls_client_auth'),
    -- Whether a certificate of a PKI client must be on record before it is accepted.
    registered_only   INTEGER NOT NULL DEFAULT 0 CHECK (registered_only = 0 OR registered_only = 1 AND method = 'tls_client_auth'),
    -- When it was last seen with a certificate whose row is another client's.
    shared_at         INTEGER,
    -- Rule 3: a PKI client has exactly one matcher and one bundle; a self-signed one has neither.
    CONSTRAINT clients_matcher_follows_method CHECK (
        (method = 'tls_client_auth') = (matcher_kind IS NOT NULL) AND
        (method = 'tls_client_auth') = (matcher_value IS NOT NULL) AND
        (method = 'tls_client_auth') = (matcher_canonical IS NOT NULL) AND
        (method = 'tls_client_auth') = (trust_bundle IS NOT NULL))
) STRICT, WITHOUT ROWID;

-- Rule 5: one subject of one bundle is one client. Self-signed clients have NULL
-- here, which is distinct from every other NULL.
CREATE UNIQUE INDEX clients_matcher ON clients (trust_bundle, matcher_kind, matcher_canonical);
-- The clients of a partner: listing, and locking the partner out.
CREATE INDEX clients_partner ON clients (partner_id, id);
-- The clients of a trust bundle, and those with the same subject in another one.
CREATE INDEX clients_trust_bundle ON clients (trust_bundle, id) WHERE trust_bundle IS NOT NULL;
-- Those whose tokens may rest on a certificate that is on record for another one.
CREATE INDEX clients_sharing ON clients (trust_bundle, shared_at) WHERE shared_at IS NOT NULL;
CREATE INDEX clients_subject ON clients (matcher_kind, matcher_canonical) WHERE matcher_kind IS NOT NULL;

CREATE TABLE apis (
    id                     TEXT    NOT NULL PRIMARY KEY CHECK (length(id) BETWEEN 1 AND 128 AND id NOT GLOB '*[^!-~]*'),
    audience               TEXT    NOT NULL UNIQUE CHECK (audience <> ''),
    token_lifetime_seconds INTEGER NOT NULL CHECK (token_lifetime_seconds BETWEEN 0 AND 3600),
    signing_alg            TEXT    NOT NULL,
    version                INTEGER NOT NULL CHECK (version >= 1),
    created_at             INTEGER NOT NULL,
    updated_at             INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Rule 10: a scope belongs to one API, so asked scopes lead to one audience. The
-- CHECK is the scope-token of RFC 6749 §3.3; queries rely on it having no space.
CREATE TABLE api_scopes (
    scope  TEXT NOT NULL PRIMARY KEY CHECK (length(scope) BETWEEN 1 AND 256 AND scope NOT GLOB '*[^!-~]*' AND instr(scope, '"') = 0 AND instr(scope, '\') = 0),
    api_id TEXT NOT NULL REFERENCES apis (id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

CREATE INDEX api_scopes_api ON api_scopes (api_id, scope);

CREATE TABLE client_scopes (
    client_id TEXT NOT NULL REFERENCES clients (id) ON DELETE CASCADE,
    scope     TEXT NOT NULL REFERENCES api_scopes (scope),
    PRIMARY KEY (client_id, scope)
) STRICT, WITHOUT ROWID;

-- Who holds a scope; also what makes removing a scope from an API cheap to check.
CREATE INDEX client_scopes_scope ON client_scopes (scope, client_id);

-- Rule 14: who may introspect an audience's tokens and read the feed.
CREATE TABLE api_resource_servers (
    api_id    TEXT NOT NULL REFERENCES apis (id) ON DELETE CASCADE,
    client_id TEXT NOT NULL REFERENCES clients (id) ON DELETE CASCADE,
    PRIMARY KEY (api_id, client_id)
) STRICT, WITHOUT ROWID;

-- "Is this client a resource server, and of which APIs?"
CREATE INDEX api_resource_servers_client ON api_resource_servers (client_id, api_id);

-- A certificate belongs to one client: the thumbprint is the key.
CREATE TABLE certificates (
    thumbprint BLOB    NOT NULL PRIMARY KEY CHECK (length(thumbprint) = 32),
    client_id  TEXT    NOT NULL REFERENCES clients (id) ON DELETE CASCADE,
    der        BLOB    NOT NULL CHECK (length(der) > 0),
    not_before INTEGER NOT NULL,
    not_after  INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    -- NULL: registered by an administrator. seen: a PKI client showed it, which says
    -- nothing about who may use it. enrolled: signed here for a link. published: its
    -- client has it at its jwks_uri, where anybody can publish anybody's certificate.
    source        TEXT    CHECK (source IN ('seen', 'enrolled', 'published')),
    -- Accepted until then, if that is before not_after; retire_told once resource
    -- servers have heard that it has passed.
    retire_at     INTEGER,
    retire_told   INTEGER NOT NULL DEFAULT 0 CHECK (retire_told IN (0, 1)),
    first_seen_at INTEGER,
    last_seen_at  INTEGER CHECK ((first_seen_at IS NULL) = (last_seen_at IS NULL)),
    -- What the client sent along when it was last seen, DER after DER: without it nobody
    -- could tell later whether another version of the trust bundle accepts it too.
    presented     BLOB    CHECK (length(presented) > 0)
) STRICT;

-- What expires soon, and what may be forgotten.
CREATE INDEX certificates_not_after ON certificates (not_after, thumbprint);
CREATE INDEX certificates_seen ON certificates (not_after) WHERE source = 'seen';
-- What resource servers have to be told of.
CREATE INDEX certificates_retiring ON certificates (retire_at) WHERE retire_at IS NOT NULL AND retire_told = 0;
-- Whose tokens may still live when a trust bundle changes.
CREATE INDEX certificates_in_use ON certificates (last_seen_at, thumbprint) WHERE last_seen_at IS NOT NULL;
CREATE INDEX certificates_client ON certificates (client_id, created_at);

-- How it went with each jwks_uri, and when it is due again. The row is there as
-- long as the client has one; another address begins anew. What was read last
-- stands in certificates, so that a restart needs no network. due_at is also the
-- lease of whoever is reading the set now.
CREATE TABLE client_key_sets (
    client_id  TEXT    NOT NULL PRIMARY KEY REFERENCES clients (id) ON DELETE CASCADE,
    uri        TEXT    NOT NULL CHECK (uri <> ''),
    due_at     INTEGER NOT NULL,
    begun_at   INTEGER,
    read_at    INTEGER,
    failures   INTEGER NOT NULL CHECK (failures >= 0),
    problem    TEXT    NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX client_key_sets_due ON client_key_sets (due_at);
CREATE INDEX client_key_sets_failing ON client_key_sets (client_id) WHERE failures > 0;

-- Rule 17: the private half is an envelope; kek_id says which key-encryption key
-- opens it. This database never holds one.
CREATE TABLE signing_keys (
    kid          TEXT    NOT NULL PRIMARY KEY CHECK (kid <> ''),
    purpose      TEXT    NOT NULL CHECK (purpose <> ''),
    algorithm    TEXT    NOT NULL CHECK (algorithm <> ''),
    status       TEXT    NOT NULL CHECK (status IN ('next', 'active', 'retired', 'revoked')),
    public_jwk   TEXT    NOT NULL CHECK (public_jwk <> ''),
    kek_id       TEXT    NOT NULL CHECK (kek_id <> ''),
    sealed       BLOB    NOT NULL CHECK (length(sealed) > 0),
    created_at   INTEGER NOT NULL,
    due_at       INTEGER CHECK (status = 'next' OR due_at IS NULL),
    activated_at INTEGER CHECK (status <> 'active' OR activated_at IS NOT NULL),
    retired_at   INTEGER CHECK (status <> 'retired' OR retired_at IS NOT NULL),
    -- A retired key that never leaves the JWKS would verify for ever.
    expires_at   INTEGER CHECK (status <> 'retired' OR expires_at IS NOT NULL),
    revoked_at   INTEGER CHECK ((status = 'revoked') = (revoked_at IS NOT NULL))
) STRICT;

-- Two processes that start on an empty database both make a key; one row wins.
-- The same goes for two that both find the next key missing.
CREATE UNIQUE INDEX signing_keys_active ON signing_keys (purpose, algorithm) WHERE status = 'active';
CREATE UNIQUE INDEX signing_keys_next ON signing_keys (purpose, algorithm) WHERE status = 'next';

-- A certificate that was revoked here stays refused, whoever presents it: until
-- it expires by itself, or for good when its notAfter is not known. A row is kept
-- when it is lifted; the audit events tell the whole story. Entries of the feed
-- are no substitute: they end with the last token of the certificate.
CREATE TABLE certificate_denials (
    thumbprint BLOB    NOT NULL PRIMARY KEY CHECK (length(thumbprint) = 32),
    client_id  TEXT    REFERENCES clients (id) ON DELETE SET NULL,
    reason     TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER,
    lifted_at  INTEGER
) STRICT;

CREATE INDEX certificate_denials_client ON certificate_denials (client_id) WHERE client_id IS NOT NULL;

-- Goes up with every commit that changes what a token request reads: whoever keeps
-- something in memory sees here whether it still holds.
CREATE TABLE registration (
    id      INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    version INTEGER NOT NULL CHECK (version >= 1)
) STRICT;

INSERT INTO registration (id, version) VALUES (1, 1);

-- Rule 12: seq comes from this one row, locked until commit, so that entries
-- become visible in the order of their numbers. What was pruned has expired, and
-- nobody misses it.
CREATE TABLE feed_counter (
    id  INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    seq INTEGER NOT NULL CHECK (seq >= 0)
) STRICT;

INSERT INTO feed_counter (id, seq) VALUES (1, 0);

-- Rules 11 and 12: what resource servers must refuse. A client entry carries the
-- least valid generation, which nothing lowers; the others name a thumbprint, jti
-- or kid, lifted only by an explicit entry. Pruned once expires_at has passed.
CREATE TABLE feed_entries (
    seq            INTEGER NOT NULL PRIMARY KEY CHECK (seq >= 1),
    kind           TEXT    NOT NULL CHECK (kind IN ('client', 'certificate', 'binding', 'token', 'key')),
    action         TEXT    NOT NULL CHECK (action = 'deny' OR (action = 'lift' AND kind <> 'client')),
    subject        TEXT    NOT NULL CHECK (subject <> ''),
    min_generation INTEGER CHECK ((kind = 'client') = (min_generation IS NOT NULL) AND min_generation >= 1),
    created_at     INTEGER NOT NULL,
    expires_at     INTEGER NOT NULL,
    client_id      TEXT    CHECK (client_id <> '' AND (client_id IS NULL OR kind = 'token')), -- whose token it is
    generation     INTEGER CHECK ((generation IS NULL) = (client_id IS NULL) AND generation >= 1)
) STRICT;

-- How many tokens of one client are denied?
CREATE INDEX feed_entries_client ON feed_entries (client_id, expires_at) WHERE client_id IS NOT NULL;

-- "Is this subject denied now?" is its newest entry.
CREATE INDEX feed_entries_subject ON feed_entries (kind, subject, seq);
CREATE INDEX feed_entries_expires ON feed_entries (expires_at);

-- A link by which one certificate is signed for one client. The secret in it is kept
-- as its SHA-256: it has 256 random bits, so there is nothing to guess. A row stays
-- when it is used, and says which certificate came of it.
CREATE TABLE enrollments (
    id               TEXT    NOT NULL PRIMARY KEY CHECK (id <> ''),
    secret_hash      BLOB    NOT NULL UNIQUE CHECK (length(secret_hash) = 32),
    client_id        TEXT    NOT NULL REFERENCES clients (id) ON DELETE CASCADE,
    trust_bundle     TEXT    NOT NULL REFERENCES trust_bundles (name),
    san_kind         TEXT    NOT NULL CHECK (san_kind IN ('san_dns', 'san_uri')),
    san              TEXT    NOT NULL CHECK (san <> ''),
    lifetime_seconds INTEGER NOT NULL CHECK (lifetime_seconds >= 1),
    created_by       TEXT    NOT NULL,
    created_at       INTEGER NOT NULL,
    expires_at       INTEGER NOT NULL,
    used_at          INTEGER,
    thumbprint       BLOB    CHECK (length(thumbprint) = 32),
    CONSTRAINT enrollments_used_once CHECK ((used_at IS NULL) = (thumbprint IS NULL))
) STRICT;

CREATE INDEX enrollments_client ON enrollments (client_id, created_at);
CREATE INDEX enrollments_expires ON enrollments (expires_at);

-- Rule 17: who signs for a bundle's links. The root of it is nowhere near.
CREATE TABLE enrollment_issuers (
    trust_bundle TEXT    NOT NULL PRIMARY KEY REFERENCES trust_bundles (name),
    chain_pem    TEXT    NOT NULL CHECK (chain_pem <> ''),
    kek_id       TEXT    NOT NULL CHECK (kek_id <> ''),
    sealed       BLOB    NOT NULL CHECK (length(sealed) > 0),
    created_at   INTEGER NOT NULL
) STRICT;

-- Rule 15: the answer to a repeated POST, committed with what it created.
CREATE TABLE idempotency_keys (
    client_id     TEXT    NOT NULL REFERENCES clients (id) ON DELETE CASCADE,
    key           TEXT    NOT NULL CHECK (length(key) BETWEEN 1 AND 255),
    request_hash  BLOB    NOT NULL CHECK (length(request_hash) = 32),
    status        INTEGER NOT NULL,
    response      BLOB    NOT NULL,
    created_at    INTEGER NOT NULL,
    expires_at    INTEGER NOT NULL,
    PRIMARY KEY (client_id, key)
) STRICT;

CREATE INDEX idempotency_keys_expires ON idempotency_keys (expires_at);

-- Rule 16: one stream an instance, so that instances never wait for each other's
-- hash. Its head is its last batch, or where it was pruned. Events up to
-- indexed_seq are found through audit_postings, those behind it by reading them.
-- pruned_* is where a chain begins after pruning: the head of it that a checkpoint
-- vouches for. What is still there up to pruned_seq is on its way out.
CREATE TABLE audit_streams (
    id          INTEGER NOT NULL PRIMARY KEY CHECK (id >= 1),
    instance    TEXT    NOT NULL UNIQUE CHECK (instance <> ''),
    indexed_seq INTEGER NOT NULL DEFAULT 0 CHECK (indexed_seq >= 0),
    pruned_seq  INTEGER NOT NULL DEFAULT 0 CHECK (pruned_seq BETWEEN 0 AND indexed_seq),
    pruned_hash BLOB    CHECK (length(pruned_hash) = 32),
    created_at  INTEGER NOT NULL
) STRICT;

-- Rule 16: the audit events, and the one table a token waits for. What one commit
-- makes durable is one row of one tree, so that it costs one statement and few
-- pages. id is the stream times 2^40 plus the number of the first event: it is the
-- order of the chain, and that there is one row of it keeps two writers of one
-- stream apart. hash is that of the last event, prev that of the event before the
-- first. body is a JSON array with an event in each line:
--   SELECT e.value FROM audit_batches, json_each(body) AS e WHERE e.value ->> 'jti' = '…'
-- Names in events refer to nothing: an event outlives its subject, and a refusal may
-- name one that never was.
CREATE TABLE audit_batches (
    id        INTEGER NOT NULL PRIMARY KEY,
    last_seq  INTEGER NOT NULL,
    prev      BLOB    NOT NULL CHECK (length(prev) = 32),
    hash      BLOB    NOT NULL CHECK (length(hash) = 32),
    body      TEXT    NOT NULL,
    stream_id INTEGER NOT NULL AS (id >> 40) VIRTUAL CHECK (stream_id >= 1),
    first_seq INTEGER NOT NULL AS (id & ((1 << 40) - 1)) VIRTUAL CHECK (first_seq BETWEEN 1 AND last_seq)
) STRICT;

-- Where events are found: for each term and second the numbers of a stream's
-- events, beginning with seq; seqs are the distances from it ("0-2,7"). Written
-- behind the events, many at a time, so that nobody waits for it and an event
-- shares its rows with others. The terms: all, and with a value behind a space
--   reason, client
--   kind      but for token.issued, which nearly every event is
--   x5t       the first 16 characters of the certificate's thumbprint
--   partner   events without a client only
--   refused   client and reason
--   request   the 12 digits a request id begins with
CREATE TABLE audit_postings (
    term      TEXT    NOT NULL,
    time      INTEGER NOT NULL,
    stream_id INTEGER NOT NULL,
    seq       INTEGER NOT NULL CHECK (seq >= 1),
    seqs      TEXT    NOT NULL,
    PRIMARY KEY (term, time, stream_id, seq)
) STRICT, WITHOUT ROWID;

-- Rule 16: signed statements over all stream heads; pruning ends at one of them.
CREATE TABLE audit_checkpoints (
    id         INTEGER NOT NULL PRIMARY KEY,
    kid        TEXT    NOT NULL,
    jws        TEXT    NOT NULL CHECK (jws <> ''),
    created_at INTEGER NOT NULL
) STRICT;

-- What was pruned, as statements signed by the checkpoints' keys, each with the
-- checkpoint in it that it ends at: a row that is missing without one is missed.
CREATE TABLE audit_prunings (
    id         INTEGER NOT NULL PRIMARY KEY,
    kid        TEXT    NOT NULL,
    jws        TEXT    NOT NULL CHECK (jws <> ''),
    created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE audit_checkpoint_heads (
    checkpoint_id INTEGER NOT NULL REFERENCES audit_checkpoints (id) ON DELETE CASCADE,
    stream_id     INTEGER NOT NULL REFERENCES audit_streams (id),
    seq           INTEGER NOT NULL CHECK (seq >= 0),
    hash          BLOB    NOT NULL CHECK (length(hash) = 32),
    PRIMARY KEY (checkpoint_id, stream_id)
) STRICT, WITHOUT ROWID;
