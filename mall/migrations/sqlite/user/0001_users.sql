CREATE TABLE meta (
    key   TEXT PRIMARY KEY NOT NULL,
    value TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE users (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    name            TEXT    NOT NULL,
    mobile          TEXT    NOT NULL UNIQUE,
    password_hash   TEXT    NOT NULL,
    vip             INTEGER NOT NULL DEFAULT 0,
    created_unix_ms INTEGER NOT NULL
);
