//! A private cluster: its files are made by `initdb`, or copied from a server, and its keeper starts and ends it.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;

use super::Settings;
use crate::support::installation;
use crate::support::keeper::{Folder, Keeper, give_to_server_user, server_user};
use crate::support::log::LINE_PREFIX;

/// The superuser's password in private clusters. They trust loopback unless [`Settings::hba`] says otherwise.
pub const PASSWORD: &str = "superuser-canary";

const START: &str = r#"
if [ -n "$COPY" ]; then
    "$COPIER" --dbname="$COPY" --pgdata=data --checkpoint=fast --no-sync &&
    if [ -n "$STANDBY" ]; then touch data/standby.signal; fi
else
    "$BIN/initdb" --pgdata=data --username=postgres --pwfile=password --auth=trust --encoding=UTF8 \
        --locale=C.UTF-8 --lc-messages=C --no-sync --no-instructions $INITDB
fi &&
cat settings.conf >>data/postgresql.conf &&
if [ -f pg_hba.conf ]; then cp pg_hba.conf data/pg_hba.conf; fi &&
"$BIN/pg_ctl" --pgdata=data --log=server.log --timeout=60 --wait start
"#;

const STOP: &str = r#""$BIN/pg_ctl" --pgdata=data --mode=immediate --wait stop"#;

/// Settings of every private cluster. Nothing here survives a crash of the machine, and nothing has to.
const COMMON: &[(&str, &str)] = &[
    ("listen_addresses", "127.0.0.1"),
    ("fsync", "off"),
    ("full_page_writes", "off"),
    ("synchronous_commit", "off"),
    ("wal_level", "logical"),
    ("max_connections", "200"),
    ("max_wal_senders", "20"),
    ("max_replication_slots", "20"),
    ("max_prepared_transactions", "20"),
    ("max_locks_per_transaction", "256"),
    ("shared_buffers", "64MB"),
    ("timezone", "UTC"),
    ("log_timezone", "UTC"),
    ("log_line_prefix", LINE_PREFIX),
];

/// The program that copies a running server: its own, or a newer one, which copies older ones too.
pub(super) fn copier(bin: &Path) -> Option<PathBuf> {
    let own = Some(bin.join("pg_basebackup")).filter(|path| path.is_file());
    own.or_else(|| installation::client("pg_basebackup", 18))
}

pub(super) fn start(
    bin: &Path,
    copier: Option<&Path>,
    settings: &Settings,
) -> Result<(Keeper, PathBuf, u16), String> {
    let folder = Folder::create();
    let bin = within_reach(bin, &folder, "postgresql");
    let copier =
        copier.map(|copier| within_reach(copier.parent().unwrap(), &folder, "clients").join("pg_basebackup"));
    let port = free_port();
    let sockets = folder.path().to_str().unwrap().to_owned();
    let mut lines = String::new();
    let mut own = vec![("port", port.to_string()), ("unix_socket_directories", sockets)];
    let follows = settings.copied.as_ref().filter(|copied| copied.standby);
    // In words that servers of each version know: a newer copier writes its own.
    own.extend(follows.map(|copied| ("primary_conninfo", copied.from.clone())));
    let common = COMMON.iter().map(|(name, value)| (*name, *value));
    let own = own.iter().map(|(name, value)| (*name, value.as_str()));
    let extra = settings.lines.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    for (name, value) in common.chain(own).chain(extra) {
        let value = value.replace("$FOLDER", folder.path().to_str().unwrap());
        writeln!(lines, "{name} = '{}'", value.replace('\'', "''")).unwrap();
    }
    folder.write("settings.conf", lines.as_bytes());
    folder.write("password", PASSWORD.as_bytes());
    if let Some(hba) = &settings.hba {
        folder.write("pg_hba.conf", hba.as_bytes());
    }
    for (name, bytes) in &settings.files {
        folder.write(name, bytes);
    }
    let initdb = settings.initdb.join(" ");
    let copy = settings.copied.as_ref();
    let variables = [
        ("BIN", bin.as_os_str()),
        ("COPIER", copier.as_ref().map_or(OsStr::new(""), |copier| copier.as_os_str())),
        ("INITDB", OsStr::new(&initdb)),
        ("COPY", OsStr::new(copy.map_or("", |copy| &copy.from))),
        ("STANDBY", OsStr::new(if follows.is_some() { "yes" } else { "" })),
    ];
    let keeper = Keeper::start(folder, START, STOP, &variables)?;
    Ok((keeper, bin, port))
}

/// The programs at a place that the server's user may enter: below a closed home directory they are linked (or, on
/// another file system, copied) into the cluster's own folder.
fn within_reach(bin: &Path, folder: &Folder, name: &str) -> PathBuf {
    if server_user().is_none() || installation::open_to_everyone(bin) {
        return bin.to_owned();
    }
    let installation = bin.parent().unwrap();
    let copy = folder.path().join(name);
    let try_copy = |option: &str| {
        let mut command = Command::new("cp");
        command.args(["-a", option]).arg(installation).arg(&copy);
        command.output().is_ok_and(|output| output.status.success())
    };
    assert!(try_copy("--link") || try_copy("--force"), "cannot copy {}", installation.display());
    give_folders_to_server_user(&copy);
    copy.join("bin")
}

/// Folders alone, so that the keeper can remove the copy: a linked file is the original, whose owner stays.
fn give_folders_to_server_user(folder: &Path) {
    give_to_server_user(folder);
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            give_folders_to_server_user(&entry.path());
        }
    }
}

fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}
