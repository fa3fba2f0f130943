//! The connection service file: `[name]` sections of parameters (manual, "The Connection Service File").

use std::path::PathBuf;

use super::parse::Given;
use super::{Environment, Error};

/// The section's parameters. The user's file comes first, then the system's; the first that has the section counts.
pub(super) fn section(name: &str, file: Option<&str>, environment: &Environment) -> Result<Given, Error> {
    let failed = |reason: String| Error::Service { service: name.to_owned(), reason };
    let mut looked = Vec::new();
    for (path, must_exist) in files(file, environment) {
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && !must_exist => continue,
            Err(error) => return Err(failed(format!("{}: {error}", path.display()))),
        };
        match parse(name, &text) {
            Ok(Some(given)) => return Ok(given),
            Ok(None) => looked.push(path.display().to_string()),
            Err((line, problem)) => {
                return Err(failed(format!("{}, line {line}: {problem}", path.display())));
            }
        }
    }
    match looked.as_slice() {
        [] => Err(failed("there is no service file".to_owned())),
        files => Err(failed(format!("no section of that name in {}", files.join(", ")))),
    }
}

fn files(file: Option<&str>, environment: &Environment) -> Vec<(PathBuf, bool)> {
    let mut files = Vec::new();
    match file.or_else(|| environment.get("PGSERVICEFILE")) {
        Some(path) => files.push((PathBuf::from(path), true)),
        None => files.extend(environment.home().map(|home| (home.join(".pg_service.conf"), false))),
    }
    // What pg_config --sysconfdir prints is compiled in; this is Debian's. PGSYSCONFDIR says another.
    let system = environment.get("PGSYSCONFDIR").unwrap_or("/etc/postgresql-common");
    files.push((PathBuf::from(system).join("pg_service.conf"), false));
    files
}

fn parse(name: &str, text: &str) -> Result<Option<Given>, (usize, &'static str)> {
    let mut given = None::<Given>;
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(section) = line.strip_prefix('[') {
            if given.is_some() {
                break;
            }
            if section.strip_suffix(']') == Some(name) {
                given = Some(Given::new());
            }
            continue;
        }
        let Some(given) = given.as_mut() else { continue };
        let (key, value) = line.split_once('=').ok_or((index + 1, "expected name=value"))?;
        match key {
            "service" | "servicefile" => return Err((index + 1, "nested services are not supported")),
            // The first value counts here, as in libpq.
            _ if given.iter().any(|(known, _)| known == key) => {}
            _ => given.push((key.to_owned(), value.to_owned())),
        }
    }
    Ok(given)
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn reads_one_section() {
        let text = "# c\n[a]\nhost=one\n\n[b]\nhost=two\nport=1\nhost=three\npassword=a=b\n[c]\nbroken\n";
        let given = parse("b", text).ok().flatten().unwrap_or_default();
        let shown: Vec<_> = given.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        assert_eq!(shown, [("host", "two"), ("port", "1"), ("password", "a=b")]);
        assert_eq!(parse("z", text), Ok(None));
        assert_eq!(parse("c", text), Err((11, "expected name=value")));
    }
}
