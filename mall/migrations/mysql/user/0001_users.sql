CREATE TABLE meta (
    `key` VARCHAR(64)  NOT NULL PRIMARY KEY,
    value VARCHAR(255) NOT NULL
) ENGINE = InnoDB;

CREATE TABLE users (
    id              BIGINT       NOT NULL AUTO_INCREMENT PRIMARY KEY,
    name            VARCHAR(64)  NOT NULL,
    mobile          VARCHAR(20)  NOT NULL,
    password_hash   VARCHAR(255) NOT NULL,
    vip             BOOLEAN      NOT NULL DEFAULT FALSE,
    created_unix_ms BIGINT       NOT NULL,
    UNIQUE (mobile)
) ENGINE = InnoDB;
