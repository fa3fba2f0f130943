//! The password file: `host:port:database:user:password`, first line that fits (manual, "The Password File").

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::{Host, Password, PasswordOrigin, Place};
use crate::secret::Secret;

/// The entries of a password file; empty where there is none.
#[derive(Clone, Debug, Default)]
pub struct Passfile {
    path: PathBuf,
    entries: Vec<Entry>,
}

#[derive(Clone, Debug)]
struct Entry {
    line: usize,
    host: String,
    port: String,
    database: String,
    user: String,
    password: Secret,
}

impl Passfile {
    /// Reads the file. A missing one is an empty one; one that others may read is not used, as in libpq, and the
    /// warning says so.
    pub(super) fn read(path: &Path) -> (Self, Option<String>) {
        let Ok(metadata) = std::fs::metadata(path) else {
            return (Self::default(), None);
        };
        let shown = path.display();
        if !metadata.is_file() {
            return (Self::default(), Some(format!("password file {shown} is not a plain file: not used")));
        }
        if metadata.permissions().mode() & 0o077 != 0 {
            let warning = format!(
                "password file {shown} has group or world access: not used; permissions should be 0600 or less"
            );
            return (Self::default(), Some(warning));
        }
        match std::fs::read_to_string(path) {
            Ok(text) => (Self::parse(path, &text), None),
            Err(error) => {
                (Self::default(), Some(format!("password file {shown} could not be read: {error}")))
            }
        }
    }

    fn parse(path: &Path, text: &str) -> Self {
        let entries = text.lines().enumerate().filter_map(|(index, line)| entry(index + 1, line)).collect();
        Self { path: path.to_owned(), entries }
    }

    /// The first entry that fits. A unix socket is looked up as its directory, the default one as `localhost`.
    pub(super) fn find(&self, host: &Host, database: &str, user: &str) -> Option<Password> {
        let name = match &host.place {
            Place::Socket(path) if super::build::is_default_socket(path) => "localhost".to_owned(),
            _ => host.name(),
        };
        let port = host.port.to_string();
        let fits = |pattern: &str, value: &str| pattern == "*" || pattern == value;
        let entry = self.entries.iter().find(|entry| {
            fits(&entry.host, &name)
                && fits(&entry.port, &port)
                && fits(&entry.database, database)
                && fits(&entry.user, user)
        })?;
        let origin = PasswordOrigin::Passfile { path: self.path.clone(), line: entry.line };
        Some(Password { secret: entry.password.clone(), origin })
    }
}

/// One line; `\:` and `\\` stand for themselves. A comment, or a line with too few fields, is none.
fn entry(line: usize, text: &str) -> Option<Entry> {
    if text.starts_with('#') {
        return None;
    }
    let mut fields = vec![String::new()];
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            ':' if fields.len() < 5 => fields.push(String::new()),
            // libpq ends the password at a further colon.
            ':' => break,
            '\\' => fields.last_mut()?.extend(chars.next()),
            c => fields.last_mut()?.push(c),
        }
    }
    let [host, port, database, user, password] = <[String; 5]>::try_from(fields).ok()?;
    Some(Entry { line, host, port, database, user, password: Secret::new(password) })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::path::{Path, PathBuf};

    use super::Passfile;
    use crate::connect::options::{Host, PasswordOrigin, Place};

    fn tcp(name: &str) -> Host {
        Host { place: Place::Name { name: name.to_owned(), address: None }, port: 5432 }
    }

    #[test]
    fn first_line_that_fits_wins() {
        let text = "# comment\n\nshort:line\nh:5432:d:u:one\nh:*:*:u:two\n*:*:*:a\\:b:th\\\\r\\:ee:rest\n/tmp:*:*:*:four\nlocalhost:*:*:*:five\n";
        let file = Passfile::parse(Path::new("/p"), text);
        let find = |host: &Host, database: &str, user: &str| {
            file.find(host, database, user).map(|found| (found.secret.expose().to_owned(), found.origin))
        };
        let at = |line| PasswordOrigin::Passfile { path: PathBuf::from("/p"), line };
        assert_eq!(find(&tcp("h"), "d", "u"), Some(("one".to_owned(), at(4))));
        assert_eq!(find(&tcp("h"), "e", "u"), Some(("two".to_owned(), at(5))));
        assert_eq!(find(&tcp("x"), "d", "a:b"), Some(("th\\r:ee".to_owned(), at(6))));
        assert_eq!(find(&tcp("x"), "d", "u"), None);
        let socket = |path: &str| Host { place: Place::Socket(PathBuf::from(path)), port: 1 };
        assert_eq!(find(&socket("/tmp"), "d", "z"), Some(("four".to_owned(), at(7))));
        assert_eq!(find(&socket("/var/run/postgresql"), "d", "z"), Some(("five".to_owned(), at(8))));
    }

    #[test]
    fn a_file_that_others_can_read_is_not_used() -> std::io::Result<()> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("pgpass");
        std::fs::write(&path, "*:*:*:*:canary\n")?;
        for (mode, used) in [(0o600, true), (0o400, true), (0o640, false), (0o604, false)] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode))?;
            let (file, warning) = Passfile::read(&path);
            assert_eq!(file.find(&tcp("h"), "d", "u").is_some(), used, "{mode:o}");
            assert_eq!(warning.is_none(), used, "{mode:o}");
            assert!(!warning.unwrap_or_default().contains("canary"));
        }
        Ok(())
    }
}
