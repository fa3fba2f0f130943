//! The error codes that decide what we do (manual, appendix "PostgreSQL Error Codes").

/// `unique_violation`.
pub const UNIQUE_VIOLATION: &str = "23505";
/// `insufficient_privilege`.
pub const INSUFFICIENT_PRIVILEGE: &str = "42501";
/// `undefined_table`.
pub const UNDEFINED_TABLE: &str = "42P01";
/// `wrong_object_type`: the name is a view's by now.
pub const WRONG_OBJECT_TYPE: &str = "42809";
/// `undefined_object`.
pub const UNDEFINED_OBJECT: &str = "42704";
/// `undefined_function`.
pub const UNDEFINED_FUNCTION: &str = "42883";
/// `undefined_column`.
pub const UNDEFINED_COLUMN: &str = "42703";
/// `in_failed_sql_transaction`: an earlier statement of the transaction failed.
pub const IN_FAILED_TRANSACTION: &str = "25P02";
/// `invalid_schema_name`: the schema does not exist.
pub const INVALID_SCHEMA_NAME: &str = "3F000";
/// `invalid_catalog_name`: the database does not exist.
pub const INVALID_CATALOG_NAME: &str = "3D000";
/// `invalid_password`.
pub const INVALID_PASSWORD: &str = "28P01";
/// `invalid_authorization_specification`: no pg_hba.conf entry, role cannot log in.
pub const INVALID_AUTHORIZATION: &str = "28000";
/// `object_not_in_prerequisite_state`: also a database with `ALLOW_CONNECTIONS false`.
pub const OBJECT_NOT_IN_PREREQUISITE_STATE: &str = "55000";
/// `dependent_objects_still_exist`.
pub const DEPENDENT_OBJECTS: &str = "2BP01";
/// `lock_not_available`: `lock_timeout` ran out.
pub const LOCK_NOT_AVAILABLE: &str = "55P03";
/// `object_in_use`: other sessions use the database.
pub const OBJECT_IN_USE: &str = "55006";
/// `disk_full`.
pub const DISK_FULL: &str = "53100";
/// `query_canceled`.
pub const QUERY_CANCELED: &str = "57014";
/// `duplicate_database`.
pub const DUPLICATE_DATABASE: &str = "42P04";
/// `duplicate_object`.
pub const DUPLICATE_OBJECT: &str = "42710";
/// `duplicate_schema`.
pub const DUPLICATE_SCHEMA: &str = "42P06";
/// `duplicate_table`: also of a view, a sequence or an index.
pub const DUPLICATE_TABLE: &str = "42P07";
/// `duplicate_function`.
pub const DUPLICATE_FUNCTION: &str = "42723";
/// `syntax_error`.
pub const SYNTAX_ERROR: &str = "42601";
/// `internal_error`: also "tuple concurrently updated", of a catalog row that two sessions change.
pub const INTERNAL_ERROR: &str = "XX000";
/// `deadlock_detected`.
pub const DEADLOCK_DETECTED: &str = "40P01";

/// `cannot_connect_now`: the server starts up or shuts down.
pub const CANNOT_CONNECT_NOW: &str = "57P03";

/// Whether a later attempt may succeed without anybody changing anything: connection trouble (class 08), rollbacks
/// (40), too many connections (53300), an operator's stop or restart (57P01-57P03), an I/O error or crash (57P02).
pub fn is_transient(code: &str) -> bool {
    code.starts_with("08")
        || code.starts_with("40")
        || matches!(code, "53300" | "57P01" | "57P02" | CANNOT_CONNECT_NOW | "55P03")
}

#[cfg(test)]
mod tests {
    use super::{DISK_FULL, LOCK_NOT_AVAILABLE, is_transient};

    #[test]
    fn tells_what_may_pass_from_what_will_not() {
        for code in ["08006", "40P01", "57P01", "57P03", LOCK_NOT_AVAILABLE] {
            assert!(is_transient(code), "{code}");
        }
        for code in [DISK_FULL, "42501", "23505", "3D000"] {
            assert!(!is_transient(code), "{code}");
        }
    }
}
