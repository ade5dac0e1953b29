CREATE TABLE meta (
    key   TEXT PRIMARY KEY NOT NULL,
    value TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE products (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    name        TEXT    NOT NULL,
    description TEXT    NOT NULL,
    price       INTEGER NOT NULL CHECK (price >= 0),
    -- What the shop was given; available + reserved by open and paid orders must equal it for ever.
    initial     INTEGER NOT NULL CHECK (initial >= 0),
    available   INTEGER NOT NULL CHECK (available >= 0)
);

CREATE TABLE orders (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    user_id         INTEGER NOT NULL,
    -- The key and what was asked under it live in the order's own row: one cannot exist without the other.
    idempotency_key TEXT    NOT NULL,
    request         TEXT    NOT NULL,
    status          TEXT    NOT NULL CHECK (status IN ('PENDING', 'PAID', 'CLOSED')),
    total           INTEGER NOT NULL,
    trace_id        TEXT    NOT NULL,
    created_unix_ms INTEGER NOT NULL,
    UNIQUE (user_id, idempotency_key)
);

CREATE INDEX orders_by_user ON orders (user_id, id);

CREATE TABLE order_items (
    order_id   INTEGER NOT NULL REFERENCES orders (id),
    product_id INTEGER NOT NULL REFERENCES products (id),
    quantity   INTEGER NOT NULL CHECK (quantity > 0),
    price      INTEGER NOT NULL,
    PRIMARY KEY (order_id, product_id)
) WITHOUT ROWID;

-- Append-only: how each order came to its status.
CREATE TABLE order_events (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    order_id        INTEGER NOT NULL REFERENCES orders (id),
    status          TEXT    NOT NULL,
    cause           TEXT    NOT NULL,
    created_unix_ms INTEGER NOT NULL
);

CREATE INDEX order_events_by_order ON order_events (order_id);

-- Events of the pay service that were applied: each at most once.
CREATE TABLE inbox (
    event_id        TEXT    PRIMARY KEY NOT NULL,
    created_unix_ms INTEGER NOT NULL
) WITHOUT ROWID;
