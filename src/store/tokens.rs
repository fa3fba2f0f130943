//! Tokens in SQLite: of each a hash.

use rusqlite::types::Type;
use rusqlite::{Row, params};

use super::sqlite::Sqlite;
use crate::access::{Token, Tokens};
use crate::job::StoreError;

impl Tokens for Sqlite {
    fn add_token(&self, token: &Token, hash: &[u8; 32]) -> Result<(), StoreError> {
        let statement = "INSERT INTO token (id, name, scope, hash, created_ms) VALUES (?, ?, ?, ?, ?)";
        let values = params![token.id, token.name, token.scope.as_str(), hash.as_slice(), token.created_ms];
        self.write(|transaction| transaction.execute(statement, values))
            .map(drop)
            .map_err(|source| self.failed(format!("keep token {}", token.id), source))
    }

    fn tokens(&self) -> Result<Vec<(Token, [u8; 32])>, StoreError> {
        let query = "SELECT id, name, scope, hash, created_ms FROM token ORDER BY created_ms, id";
        self.read(|connection| {
            let mut statement = connection.prepare_cached(query)?;
            let rows = statement.query_map([], token)?;
            rows.collect::<rusqlite::Result<Vec<_>>>()
        })
        .map_err(|source| self.failed("read the tokens".to_owned(), source))
    }

    fn revoke_token(&self, id: &str) -> Result<bool, StoreError> {
        self.write(|transaction| transaction.execute("DELETE FROM token WHERE id = ?", [id]))
            .map(|gone| gone > 0)
            .map_err(|source| self.failed(format!("take token {id} back"), source))
    }
}

fn token(row: &Row<'_>) -> rusqlite::Result<(Token, [u8; 32])> {
    let wrong = |why: String| rusqlite::Error::FromSqlConversionFailure(2, Type::Text, why.into());
    let scope: String = row.get(2)?;
    let scope = scope.parse().map_err(wrong)?;
    Ok((Token { id: row.get(0)?, name: row.get(1)?, scope, created_ms: row.get(4)? }, row.get(3)?))
}

#[cfg(test)]
mod tests {
    use super::Sqlite;
    use crate::access::{Scope, Tokens, hash, make};

    #[test]
    fn tokens_are_kept_by_their_hash_alone() {
        let directory = tempfile::tempdir().unwrap();
        let store = Sqlite::open(directory.path()).unwrap();
        let (token, text) = make("ci", Scope::Run, 5).unwrap();
        store.add_token(&token, &hash(&text)).unwrap();
        assert_eq!(store.tokens().unwrap(), [(token.clone(), hash(&text))]);
        drop(store);
        let store = Sqlite::open(directory.path()).unwrap();
        for file in std::fs::read_dir(directory.path()).unwrap() {
            let bytes = std::fs::read(file.unwrap().path()).unwrap();
            let found = bytes.windows(text.expose().len()).any(|window| window == text.expose().as_bytes());
            assert!(!found, "a token's text on the disk");
        }
        assert!(store.revoke_token(&token.id).unwrap());
        assert!(!store.revoke_token(&token.id).unwrap() && store.tokens().unwrap().is_empty());
    }
}
