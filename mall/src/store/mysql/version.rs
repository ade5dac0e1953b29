//! Which servers understand our statements.

use crate::store::StoreError;

/// Names, as `db.system.name` has them, and the oldest versions that know `JSON_TABLE`.
const MARIADB: (&str, [u32; 2]) = ("mariadb", [10, 6]);
const MYSQL: (&str, [u32; 2]) = ("mysql", [8, 0]);

/// `mariadb` or `mysql`, from the version that a server says it has (`8.0.36`, `5.5.5-10.11.6-MariaDB-1`); refuses one that
/// is too old, and one that says nothing that can be read.
pub fn system_of(version: &str) -> Result<&'static str, StoreError> {
    let (system, oldest) = if version.contains("MariaDB") { MARIADB } else { MYSQL };
    // Older clients would take MariaDB 10 for an unknown MySQL, so it says 5.5.5 first.
    let own = version.strip_prefix("5.5.5-").filter(|_| system == MARIADB.0).unwrap_or(version);
    let mut numbers = own.split(|c: char| !c.is_ascii_digit()).map(str::parse);
    let [Some(Ok(major)), Some(Ok(minor))] = [numbers.next(), numbers.next()] else {
        return Err(StoreError::Unsupported(format!("database server says it is version `{version}`: unknown")));
    };
    if [major, minor] < oldest {
        let [needed, point] = oldest;
        return Err(StoreError::Unsupported(format!(
            "database server is {system} {own}: {needed}.{point} or later is needed"
        )));
    }
    Ok(system)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_knows_our_statements_is_taken() {
        for (version, system) in [
            ("5.5.5-10.11.6-MariaDB-0+deb12u1", "mariadb"),
            ("10.6.0-MariaDB", "mariadb"),
            ("11.4.2-MariaDB-ubu2404", "mariadb"),
            ("8.0.36", "mysql"),
            ("8.4.0-log", "mysql"),
            ("9.1", "mysql"),
        ] {
            assert_eq!(system_of(version).expect(version), system);
        }
    }

    #[test]
    fn what_is_too_old_is_named_with_what_is_needed() {
        for (version, told) in [
            ("5.7.44-log", "mysql 5.7.44-log: 8.0 or later"),
            ("5.5.5-10.5.23-MariaDB", "mariadb 10.5.23-MariaDB: 10.6 or later"),
            ("", "version ``"),
            ("next", "version `next`"),
        ] {
            let refused = system_of(version).expect_err(version).to_string();
            assert!(refused.contains(told), "{refused}");
        }
    }
}
