//! Where jobs and the memory of other people's servers are kept: one SQLite file in `data_dir`.

mod jobs;
mod journal;
mod lock_file;
mod memory;
mod mirrors;
mod sqlite;
mod tokens;

pub use sqlite::Sqlite;

#[cfg(test)]
mod tests;
