//! The user service: registration, login, and who a user is.
//!
//! It owns the user database and passwords. It issues no tokens: that is the gateway's trade.

mod password;
mod repository;
mod service;

pub use self::password::Passwords;
pub use self::repository::{NewUser, SqliteUsers, UserRepository, UserRow};
pub use self::service::UserService;
