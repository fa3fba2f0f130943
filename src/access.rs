//! Who may use a server: tokens, of which only a hash is kept, and what each of them may do.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

use crate::job::StoreError;
use crate::secret::Secret;

/// What a token may do. Each includes those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Look at everything.
    Read,
    /// And start, cancel, pause and resume jobs.
    Run,
    /// And undo clones, drop mirrors and leave transactions out.
    Admin,
}

impl Scope {
    /// All of them, the smallest first.
    pub const ALL: [Self; 3] = [Self::Read, Self::Run, Self::Admin];

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Run => "run",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Scope {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|scope| scope.as_str() == text);
        found.ok_or_else(|| format!("\"{text}\" is no scope; scopes are read, run and admin"))
    }
}

/// A token as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Token {
    /// What it is called by: `tok_` and 26 characters.
    pub id: String,
    /// What its owner called it.
    pub name: String,
    /// What it may do.
    pub scope: Scope,
    /// When it was made, in milliseconds since 1970.
    pub created_ms: i64,
}

/// Makes a token: 256 bits of the system's randomness behind `mbs_`, so that it is known for what it is where it is found.
///
/// # Errors
/// The system has no randomness.
pub fn make(name: &str, scope: Scope, now_ms: i64) -> Result<(Token, Secret), getrandom::Error> {
    let mut bytes = [0_u8; 32];
    getrandom::fill(&mut bytes)?;
    let text: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let id = format!("tok_{}", ulid::Ulid::new());
    Ok((Token { id, name: name.to_owned(), scope, created_ms: now_ms }, Secret::new(format!("mbs_{text}"))))
}

/// What is kept of a token's text: it is random enough that nothing slower than one hash is needed.
pub fn hash(token: &Secret) -> [u8; 32] {
    Sha256::digest(token.expose().as_bytes()).into()
}

/// Keeps tokens.
pub trait Tokens: Send + Sync {
    /// Adds one, by the hash of its text.
    ///
    /// # Errors
    /// As every call here: the store failed.
    fn add_token(&self, token: &Token, hash: &[u8; 32]) -> Result<(), StoreError>;

    /// All tokens with their hashes, the oldest first.
    ///
    /// # Errors
    /// The store failed.
    fn tokens(&self) -> Result<Vec<(Token, [u8; 32])>, StoreError>;

    /// Takes one back. False where there is none of this id.
    ///
    /// # Errors
    /// The store failed.
    fn revoke_token(&self, id: &str) -> Result<bool, StoreError>;
}

#[cfg(test)]
mod tests {
    use super::{Scope, hash, make};

    #[test]
    fn tokens_are_long_and_no_two_are_alike() {
        let (one, text) = make("ci", Scope::Run, 5).unwrap();
        let (other, another) = make("ci", Scope::Run, 5).unwrap();
        assert_eq!(text.expose().len(), 4 + 64);
        assert!(one.id != other.id && hash(&text) != hash(&another) && text != another);
        assert_eq!(hash(&text), hash(&text.clone()));
        assert!(Scope::Read < Scope::Run && Scope::Run < Scope::Admin);
        for scope in Scope::ALL {
            assert_eq!(scope.as_str().parse(), Ok(scope));
        }
        assert!("root".parse::<Scope>().unwrap_err().contains("read, run and admin"));
    }
}
