CREATE TABLE meta (
    `key` VARCHAR(64)  NOT NULL PRIMARY KEY,
    value VARCHAR(255) NOT NULL
) ENGINE = InnoDB;

CREATE TABLE products (
    id          BIGINT       NOT NULL AUTO_INCREMENT PRIMARY KEY,
    name        VARCHAR(255) NOT NULL,
    description VARCHAR(255) NOT NULL,
    price       BIGINT       NOT NULL,
    -- What the shop was given; available + reserved by open and paid orders must equal it for ever.
    initial     BIGINT       NOT NULL,
    available   BIGINT       NOT NULL,
    CONSTRAINT products_price     CHECK (price >= 0),
    CONSTRAINT products_initial   CHECK (initial >= 0),
    CONSTRAINT products_available CHECK (available >= 0)
) ENGINE = InnoDB;

CREATE TABLE orders (
    id              BIGINT       NOT NULL AUTO_INCREMENT PRIMARY KEY,
    user_id         BIGINT       NOT NULL,
    -- The key and what was asked under it live in the order's own row: one cannot exist without the other.
    idempotency_key VARCHAR(128) NOT NULL,
    request         TEXT         NOT NULL,
    status          VARCHAR(16)  NOT NULL,
    total           BIGINT       NOT NULL,
    trace_id        VARCHAR(32)  NOT NULL,
    created_unix_ms BIGINT       NOT NULL,
    UNIQUE (user_id, idempotency_key),
    INDEX orders_by_user (user_id, id),
    CONSTRAINT orders_status CHECK (status IN ('PENDING', 'PAID', 'CLOSED'))
) ENGINE = InnoDB;

CREATE TABLE order_items (
    order_id   BIGINT NOT NULL,
    product_id BIGINT NOT NULL,
    quantity   BIGINT NOT NULL,
    price      BIGINT NOT NULL,
    PRIMARY KEY (order_id, product_id),
    CONSTRAINT order_items_quantity CHECK (quantity > 0),
    CONSTRAINT order_items_of_order FOREIGN KEY (order_id) REFERENCES orders (id),
    CONSTRAINT order_items_of_product FOREIGN KEY (product_id) REFERENCES products (id)
) ENGINE = InnoDB;

-- Append-only: how each order came to its status.
CREATE TABLE order_events (
    id              BIGINT       NOT NULL AUTO_INCREMENT PRIMARY KEY,
    order_id        BIGINT       NOT NULL,
    status          VARCHAR(16)  NOT NULL,
    cause           VARCHAR(255) NOT NULL,
    created_unix_ms BIGINT       NOT NULL,
    INDEX order_events_by_order (order_id),
    CONSTRAINT order_events_of_order FOREIGN KEY (order_id) REFERENCES orders (id)
) ENGINE = InnoDB;

-- Events of the pay service that were applied: each at most once.
CREATE TABLE inbox (
    event_id        VARCHAR(128) NOT NULL PRIMARY KEY,
    created_unix_ms BIGINT       NOT NULL
) ENGINE = InnoDB;
