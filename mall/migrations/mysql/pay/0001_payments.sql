CREATE TABLE meta (
    `key` VARCHAR(64)  NOT NULL PRIMARY KEY,
    value VARCHAR(255) NOT NULL
) ENGINE = InnoDB;

CREATE TABLE payments (
    id              BIGINT       NOT NULL AUTO_INCREMENT PRIMARY KEY,
    order_id        BIGINT       NOT NULL,
    user_id         BIGINT       NOT NULL,
    amount          BIGINT       NOT NULL,
    status          VARCHAR(16)  NOT NULL,
    idempotency_key VARCHAR(128) NOT NULL,
    provider_ref    VARCHAR(255) NOT NULL DEFAULT '',
    -- The span that asked for the payment: the provider's callback links to it.
    traceparent     VARCHAR(64)  NOT NULL,
    created_unix_ms BIGINT       NOT NULL,
    -- There are no partial indexes: NULL is never equal to NULL, so only paid orders are unique.
    paid_order_id   BIGINT GENERATED ALWAYS AS (CASE WHEN status = 'SUCCESS' THEN order_id END) STORED,
    UNIQUE (user_id, idempotency_key),
    UNIQUE payments_paid_once (paid_order_id),
    INDEX payments_by_order (order_id),
    INDEX payments_pending (status, created_unix_ms),
    CONSTRAINT payments_amount CHECK (amount >= 0),
    CONSTRAINT payments_status CHECK (status IN ('PENDING', 'SUCCESS', 'FAILED'))
) ENGINE = InnoDB;

-- Double entry: the entries of one payment sum to zero.
CREATE TABLE ledger (
    id              BIGINT      NOT NULL AUTO_INCREMENT PRIMARY KEY,
    payment_id      BIGINT      NOT NULL,
    account         VARCHAR(64) NOT NULL,
    amount          BIGINT      NOT NULL,
    created_unix_ms BIGINT      NOT NULL,
    UNIQUE (payment_id, account),
    CONSTRAINT ledger_of_payment FOREIGN KEY (payment_id) REFERENCES payments (id)
) ENGINE = InnoDB;

-- Events for the order service, written with the change that they tell of, deleted by nobody.
CREATE TABLE outbox (
    id                BIGINT       NOT NULL AUTO_INCREMENT PRIMARY KEY,
    event_id          VARCHAR(128) NOT NULL,
    kind              VARCHAR(16)  NOT NULL,
    order_id          BIGINT       NOT NULL,
    payment_id        BIGINT       NOT NULL,
    amount            BIGINT       NOT NULL,
    traceparent       VARCHAR(64)  NOT NULL,
    created_unix_ms   BIGINT       NOT NULL,
    published_unix_ms BIGINT,
    UNIQUE (event_id),
    INDEX outbox_open (published_unix_ms, id),
    CONSTRAINT outbox_kind CHECK (kind IN ('SUCCEEDED', 'FAILED')),
    CONSTRAINT outbox_of_payment FOREIGN KEY (payment_id) REFERENCES payments (id)
) ENGINE = InnoDB;

-- Who may relay: one holder at a time.
CREATE TABLE leases (
    name            VARCHAR(64)  NOT NULL PRIMARY KEY,
    holder          VARCHAR(255) NOT NULL,
    expires_unix_ms BIGINT       NOT NULL
) ENGINE = InnoDB;
