//! Where PostgreSQL's programs are: Debian's folders, and what `scripts/setup` put below `target/`.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// The folder with `initdb`, `pg_ctl` and `postgres` of a major version.
pub fn server(major: u16) -> Option<PathBuf> {
    folders(major, "servers").into_iter().find(|bin| bin.join("postgres").is_file())
}

/// A client program (`pg_dump`, `psql`, `pg_restore`, `pgbench`) of a major version.
pub fn client(program: &str, major: u16) -> Option<PathBuf> {
    folders(major, "clients").into_iter().map(|bin| bin.join(program)).find(|path| path.is_file())
}

/// A program of the system: on the search path or in the folders that only root's path has.
pub fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let extra = ["/usr/sbin", "/sbin", "/usr/local/sbin"].map(PathBuf::from);
    std::env::split_paths(&path).chain(extra).map(|folder| folder.join(name)).find(|path| path.is_file())
}

/// Where the tester of APIs is, below the target folder.
pub fn schemathesis() -> Option<PathBuf> {
    Some(target().join("schemathesis/bin/schemathesis")).filter(|path| path.is_file())
}

fn folders(major: u16, kind: &str) -> [PathBuf; 3] {
    [
        PathBuf::from(format!("/usr/lib/postgresql/{major}/bin")),
        target().join(format!("{kind}/{major}/bin")),
        PathBuf::from(format!("/opt/homebrew/opt/postgresql@{major}/bin")),
    ]
}

/// Cargo's target folder, whatever `CARGO_TARGET_DIR` says: it is the parent of the one Cargo made for tests.
fn target() -> &'static Path {
    Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap()
}

/// Whether a user without privileges can come to `path`: every folder above it lets others through.
pub fn open_to_everyone(path: &Path) -> bool {
    let Ok(path) = path.canonicalize() else { return false };
    path.ancestors().all(|step| step.metadata().is_ok_and(|data| data.permissions().mode() & 0o001 != 0))
}
