//! The rows that a new database begins with.

use super::connection::Connection;
use super::{Statement, StoreError, statement, unix_ms};
use crate::seed::{self, Seed};

// One statement for all rows: the list travels as JSON.
static USERS: Statement = statement!(
    "INSERT",
    "users",
    sqlite: "INSERT INTO users (id, name, mobile, password_hash, vip, created_unix_ms)
     SELECT value ->> 'id', value ->> 'name', value ->> 'mobile', ?, value ->> 'vip', ? FROM json_each(?)",
    mysql: "INSERT INTO users (id, name, mobile, password_hash, vip, created_unix_ms)
     SELECT j.id, j.name, j.mobile, ?, j.vip = 'true', ? FROM json_table(?, '$[*]' COLUMNS (
         id BIGINT PATH '$.id', name VARCHAR(64) PATH '$.name', mobile VARCHAR(20) PATH '$.mobile',
         vip VARCHAR(5) PATH '$.vip')) AS j",
);
static PRODUCTS: Statement = statement!(
    "INSERT",
    "products",
    sqlite: "INSERT INTO products (id, name, description, price, initial, available)
     SELECT value ->> 'id', value ->> 'name', value ->> 'description', value ->> 'price', ?, ? FROM json_each(?)",
    mysql: "INSERT INTO products (id, name, description, price, initial, available)
     SELECT j.id, j.name, j.description, j.price, ?, ? FROM json_table(?, '$[*]' COLUMNS (
         id BIGINT PATH '$.id', name VARCHAR(255) PATH '$.name', description VARCHAR(255) PATH '$.description',
         price BIGINT PATH '$.price')) AS j",
);
static REMEMBER: Statement = statement!("INSERT", "meta", "INSERT INTO meta (`key`, value) VALUES ('data_id', ?)");

pub(super) async fn users(connection: &mut Connection, seed: &Seed, data_id: &str) -> Result<(), StoreError> {
    if connection.identity().await?.is_some() {
        return Ok(());
    }
    let hash = seed::password_hash()?;
    begin(connection).await?;
    let rows = USERS.query().bind(hash).bind(unix_ms()).bind(seed::as_json(&seed.users()));
    connection.execute(rows).await?;
    remember(connection, data_id).await
}

pub(super) async fn products(connection: &mut Connection, seed: &Seed, data_id: &str) -> Result<(), StoreError> {
    if connection.identity().await?.is_some() {
        return Ok(());
    }
    begin(connection).await?;
    let rows = PRODUCTS.query().bind(seed.stock).bind(seed.stock).bind(seed::as_json(&seed.products()));
    connection.execute(rows).await?;
    remember(connection, data_id).await
}

pub(super) async fn pay(connection: &mut Connection, data_id: &str) -> Result<(), StoreError> {
    if connection.identity().await?.is_some() {
        return Ok(());
    }
    begin(connection).await?;
    remember(connection, data_id).await
}

async fn begin(connection: &mut Connection) -> Result<(), StoreError> {
    let text = match connection {
        Connection::Sqlite(_) => "BEGIN IMMEDIATE",
        Connection::Mysql(_) => "BEGIN",
    };
    connection.run(text).await
}

/// Ends the transaction with the identity: rows without it are not there.
async fn remember(connection: &mut Connection, data_id: &str) -> Result<(), StoreError> {
    connection.execute(REMEMBER.query().bind(data_id.to_owned())).await?;
    connection.run("COMMIT").await
}
