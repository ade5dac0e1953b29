CREATE TABLE meta (
    key   TEXT PRIMARY KEY NOT NULL,
    value TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE payments (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    order_id        INTEGER NOT NULL,
    user_id         INTEGER NOT NULL,
    amount          INTEGER NOT NULL CHECK (amount >= 0),
    status          TEXT    NOT NULL CHECK (status IN ('PENDING', 'SUCCESS', 'FAILED')),
    idempotency_key TEXT    NOT NULL,
    provider_ref    TEXT    NOT NULL DEFAULT '',
    -- The span that asked for the payment: the provider's callback links to it.
    traceparent     TEXT    NOT NULL,
    created_unix_ms INTEGER NOT NULL,
    UNIQUE (user_id, idempotency_key)
);

CREATE INDEX payments_by_order ON payments (order_id);
CREATE UNIQUE INDEX payments_paid_once ON payments (order_id) WHERE status = 'SUCCESS';
CREATE INDEX payments_pending ON payments (created_unix_ms) WHERE status = 'PENDING';

-- Double entry: the entries of one payment sum to zero.
CREATE TABLE ledger (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    payment_id      INTEGER NOT NULL REFERENCES payments (id),
    account         TEXT    NOT NULL,
    amount          INTEGER NOT NULL,
    created_unix_ms INTEGER NOT NULL,
    UNIQUE (payment_id, account)
);

-- Events for the order service, written with the change that they tell of, deleted by nobody.
CREATE TABLE outbox (
    id                INTEGER PRIMARY KEY AUTOINCREMENT,
    event_id          TEXT    NOT NULL UNIQUE,
    kind              TEXT    NOT NULL CHECK (kind IN ('SUCCEEDED', 'FAILED')),
    order_id          INTEGER NOT NULL,
    payment_id        INTEGER NOT NULL REFERENCES payments (id),
    amount            INTEGER NOT NULL,
    traceparent       TEXT    NOT NULL,
    created_unix_ms   INTEGER NOT NULL,
    published_unix_ms INTEGER
);

CREATE INDEX outbox_open ON outbox (id) WHERE published_unix_ms IS NULL;

-- Who may relay: one holder at a time.
CREATE TABLE leases (
    name            TEXT PRIMARY KEY NOT NULL,
    holder          TEXT    NOT NULL,
    expires_unix_ms INTEGER NOT NULL
) WITHOUT ROWID;
