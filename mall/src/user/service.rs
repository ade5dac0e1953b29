//! What `user-rpc` answers.

use mall_api::shop::user_server::User;
use mall_api::shop::{GetUserRequest, LoginRequest, RegisterRequest, UserInfo};
use tonic::{Request, Response, Status};

use super::{NewUser, Passwords, Profile, UserRepository};
use crate::error::{AppError, AppResult, ErrorCode};
use crate::store::StoreError;

const NAME_BYTES: usize = 64;
const MOBILE_BYTES: std::ops::RangeInclusive<usize> = 5..=20;
const PASSWORD_BYTES: std::ops::RangeInclusive<usize> = 8..=128;

/// The service over any repository.
#[derive(Debug)]
pub struct UserService<R> {
    users: R,
    passwords: Passwords,
}

impl<R: UserRepository> UserService<R> {
    /// Over a repository.
    pub fn new(users: R) -> Self {
        Self { users, passwords: Passwords::default() }
    }

    async fn create(&self, request: RegisterRequest) -> AppResult<UserInfo> {
        validate(&request)?;
        let RegisterRequest { name, mobile, password } = request;
        let exists = || AppError::new(ErrorCode::UserExists, "a user with this mobile number exists: log in instead");
        // Asked before hashing, so that a taken number costs no 20 ms; the unique index decides the race.
        if self.users.find_by_mobile(&mobile).await?.is_some() {
            return Err(exists());
        }
        let password_hash = self.passwords.hash(password).await?;
        let user = NewUser { name: name.clone(), mobile: mobile.clone(), password_hash };
        match self.users.insert(user).await {
            Ok(id) => Ok(UserInfo { id, name, mobile, vip: false }),
            Err(StoreError::Unique(_)) => Err(exists()),
            Err(error) => Err(error.into()),
        }
    }

    async fn check(&self, request: LoginRequest) -> AppResult<UserInfo> {
        let user = self.users.find_by_mobile(&request.mobile).await?;
        let hash = user.as_ref().map(|user| user.password_hash.clone());
        let right = self.passwords.matches(request.password, hash).await?;
        match user {
            Some(user) if right => Ok(Profile::from(user).into()),
            _ => Err(AppError::unauthenticated("mobile number or password is wrong")),
        }
    }

    async fn find(&self, id: i64) -> AppResult<UserInfo> {
        let user = self.users.profile(id).await?;
        user.map(Into::into).ok_or_else(|| AppError::new(ErrorCode::UserNotFound, format!("there is no user {id}")))
    }
}

fn validate(request: &RegisterRequest) -> AppResult<()> {
    let name = request.name.trim();
    if name.is_empty() || request.name.len() > NAME_BYTES {
        return Err(AppError::invalid("name must have 1 to 64 bytes"));
    }
    let digits = request.mobile.bytes().all(|byte| byte.is_ascii_digit());
    if !digits || !MOBILE_BYTES.contains(&request.mobile.len()) {
        return Err(AppError::invalid("mobile must have 5 to 20 digits"));
    }
    if !PASSWORD_BYTES.contains(&request.password.len()) {
        return Err(AppError::invalid("password must have 8 to 128 bytes"));
    }
    Ok(())
}

impl From<Profile> for UserInfo {
    fn from(profile: Profile) -> Self {
        let Profile { id, name, mobile, vip } = profile;
        Self { id, name, mobile, vip }
    }
}

#[tonic::async_trait]
impl<R: UserRepository> User for UserService<R> {
    async fn register(&self, request: Request<RegisterRequest>) -> Result<Response<UserInfo>, Status> {
        Ok(Response::new(self.create(request.into_inner()).await?))
    }

    async fn login(&self, request: Request<LoginRequest>) -> Result<Response<UserInfo>, Status> {
        Ok(Response::new(self.check(request.into_inner()).await?))
    }

    async fn get_user(&self, request: Request<GetUserRequest>) -> Result<Response<UserInfo>, Status> {
        Ok(Response::new(self.find(request.into_inner().id).await?))
    }
}
