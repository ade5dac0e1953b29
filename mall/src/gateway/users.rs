//! Registration, login, and who one is.

use axum::Json;
use axum::extract::State;
use axum::routing::{get, post};
use mall_api::shop::{GetUserRequest, LoginRequest, RegisterRequest};
use serde::Deserialize;

use super::extract::Payload;
use super::token::Session;
use super::{Endpoint, Gateway, answer};
use crate::error::AppResult;

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::new("POST", "/api/user/register", post(register)),
        Endpoint::new("POST", "/api/user/login", post(login)),
        Endpoint::new("GET", "/api/user/info", get(info)).for_users(),
    ]
}

#[derive(Debug, Deserialize)]
struct Register {
    name: String,
    mobile: String,
    password: String,
}

async fn register(State(gateway): State<Gateway>, Payload(body): Payload<Register>) -> AppResult<Json<answer::User>> {
    let Register { name, mobile, password } = body;
    let user = gateway.user().register(RegisterRequest { name, mobile, password }).await?;
    Ok(Json(user.into_inner().into()))
}

#[derive(Debug, Deserialize)]
struct Credentials {
    mobile: String,
    password: String,
}

async fn login(State(gateway): State<Gateway>, Payload(body): Payload<Credentials>) -> AppResult<Json<answer::Login>> {
    let Credentials { mobile, password } = body;
    let user = gateway.user().login(LoginRequest { mobile, password }).await?.into_inner();
    let (access_token, access_expire) = gateway.tokens().issue(user.id)?;
    Ok(Json(answer::Login { user_id: user.id, access_token, access_expire }))
}

async fn info(State(gateway): State<Gateway>, session: Session) -> AppResult<Json<answer::User>> {
    let user = gateway.user().get_user(GetUserRequest { id: session.user_id }).await?;
    Ok(Json(user.into_inner().into()))
}
