//! The two written forms, URL and keyword string, to a list of parameters. What the names mean is left to `build`.

use percent_encoding::percent_decode_str;

use super::Error;

/// Parameters in the order they were written; a later one wins.
pub(super) type Given = Vec<(String, String)>;

/// Reads either form.
pub(super) fn given(text: &str) -> Result<Given, Error> {
    match text.strip_prefix("postgres://").or_else(|| text.strip_prefix("postgresql://")) {
        Some(rest) => url(rest),
        None if text.contains("://") => {
            Err(Error::Malformed("a URL must begin with postgres:// or postgresql://"))
        }
        None => keywords(text),
    }
}

/// `[user[:password]@][host][:port][,..][/database][?parameter=value&..]`.
///
/// Stricter than libpq in one point: an `@` that is not the end of the user's part must be written `%40`. libpq would
/// take the rest of such a password for a host or a database name and then show it in errors.
fn url(rest: &str) -> Result<Given, Error> {
    let mut given = Given::new();
    let (user_end, credentials) = credentials(rest)?;
    let rest = rest.get(user_end..).unwrap_or_default();
    if let Some(credentials) = credentials {
        let (user, password) = match credentials.split_once(':') {
            Some((user, password)) => (user, Some(password)),
            None => (credentials, None),
        };
        if !user.is_empty() {
            given.push(("user".to_owned(), decoded(user)?));
        }
        if let Some(password) = password.filter(|password| !password.is_empty()) {
            given.push(("password".to_owned(), decoded(password)?));
        }
    }
    let (before_query, query) = match rest.split_once('?') {
        Some((before, query)) => (before, Some(query)),
        None => (rest, None),
    };
    let (hosts, database) = match before_query.split_once('/') {
        Some((hosts, database)) => (hosts, Some(database)),
        None => (before_query, None),
    };
    host_list(hosts, &mut given)?;
    if let Some(database) = database.filter(|database| !database.is_empty()) {
        given.push(("dbname".to_owned(), decoded(database)?));
    }
    if let Some(query) = query {
        parameters(query, &mut given)?;
    }
    Ok(given)
}

/// The part before the `@`, and where the rest begins.
fn credentials(rest: &str) -> Result<(usize, Option<&str>), Error> {
    let authority_end = rest.find('/').unwrap_or(rest.len());
    let authority = rest.get(..authority_end).unwrap_or_default();
    let Some(at) = authority.find('@') else {
        let path_end = rest.find('?').unwrap_or(rest.len());
        if rest.get(..path_end).is_some_and(|text| text.contains('@')) {
            return Err(Error::Malformed("a \"/\" or \"@\" in it must be percent-encoded (%2F, %40)"));
        }
        return Ok((0, None));
    };
    let after = at + 1;
    let tail = rest.get(after..).unwrap_or_default();
    let tail = tail.split('?').next().unwrap_or_default();
    // A unix socket in the abstract namespace begins with an `@`; anywhere else it is half of a password.
    let stray = tail.split([',', '/']).any(|part| part.trim_start_matches('@').contains('@'))
        || tail.split_once('/').is_some_and(|(_, path)| path.contains('@'))
        || (tail.starts_with('@') && authority.matches('@').count() > 2);
    if stray {
        return Err(Error::Malformed("an \"@\" in the user name or password must be written %40"));
    }
    Ok((after, rest.get(..at)))
}

/// `host:port,host:port`, IPv6 addresses in brackets.
fn host_list(text: &str, given: &mut Given) -> Result<(), Error> {
    if text.is_empty() {
        return Ok(());
    }
    let (mut hosts, mut ports) = (Vec::new(), Vec::new());
    for part in text.split(',') {
        let (host, port) = if let Some(bracketed) = part.strip_prefix('[') {
            let (host, rest) = bracketed
                .split_once(']')
                .ok_or(Error::Malformed("a \"[\" of an IPv6 address is not closed by \"]\""))?;
            if host.is_empty() {
                return Err(Error::Malformed("an IPv6 address may not be empty"));
            }
            match rest.strip_prefix(':') {
                Some(port) => (host, port),
                None if rest.is_empty() => (host, ""),
                None => return Err(Error::Malformed("\":port\" or the end must follow an IPv6 address")),
            }
        } else {
            match part.split_once(':') {
                Some((_, port)) if port.contains(':') => {
                    return Err(Error::Malformed("an IPv6 address must stand in square brackets"));
                }
                Some((host, port)) => (host, port),
                None => (part, ""),
            }
        };
        hosts.push(decoded(host)?);
        ports.push(decoded(port)?);
    }
    if hosts.iter().any(|host| !host.is_empty()) {
        given.push(("host".to_owned(), hosts.join(",")));
    }
    if ports.iter().any(|port| !port.is_empty()) {
        given.push(("port".to_owned(), ports.join(",")));
    }
    Ok(())
}

/// `name=value&name=value`. JDBC's `ssl=true` means `sslmode=require`, as libpq has it.
fn parameters(query: &str, given: &mut Given) -> Result<(), Error> {
    if query.is_empty() {
        return Ok(());
    }
    let mut after_password = false;
    for part in query.split('&') {
        let (name, value) = part
            .split_once('=')
            .ok_or(Error::Malformed("a parameter after \"?\" must be name=value (in a value, & is %26)"))?;
        if value.contains('=') {
            return Err(Error::Malformed("an \"=\" in a parameter's value must be written %3D"));
        }
        let (name, value) = (decoded(name)?, decoded(value)?);
        if after_password && !super::parameters::is_known(&name) {
            return Err(Error::Malformed("an \"&\" in the password must be written %26"));
        }
        after_password = name == "password";
        if name == "ssl" && value == "true" {
            given.push(("sslmode".to_owned(), "require".to_owned()));
        } else {
            given.push((name, value));
        }
    }
    Ok(())
}

fn decoded(text: &str) -> Result<String, Error> {
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let (high, low) = (bytes.next(), bytes.next());
            let hex = |digit: Option<u8>| digit.is_some_and(|digit| digit.is_ascii_hexdigit());
            if !hex(high) || !hex(low) {
                return Err(Error::Malformed(
                    "a \"%\" must be followed by two hexadecimal digits (% itself is %25)",
                ));
            }
            if (high, low) == (Some(b'0'), Some(b'0')) {
                return Err(Error::Malformed("%00 is not allowed"));
            }
        }
    }
    let decoded = percent_decode_str(text).decode_utf8();
    decoded.map(String::from).map_err(|_| Error::Malformed("the percent-encoded bytes are not UTF-8"))
}

/// `name = value name = 'quoted \' value'` (manual, "Keyword/Value Connection Strings").
fn keywords(text: &str) -> Result<Given, Error> {
    let mut given = Given::new();
    let mut chars = text.chars().peekable();
    let mut after_bare_password = false;
    loop {
        while chars.next_if(|c| c.is_ascii_whitespace()).is_some() {}
        if chars.peek().is_none() {
            return Ok(given);
        }
        let mut name = String::new();
        while let Some(c) = chars.next_if(|c| *c != '=' && !c.is_ascii_whitespace()) {
            name.push(c);
        }
        while chars.next_if(|c| c.is_ascii_whitespace()).is_some() {}
        let equals = chars.next_if_eq(&'=').is_some();
        if after_bare_password && (!equals || !super::parameters::is_known(&name)) {
            return Err(Error::Malformed("a password with spaces must stand in single quotes"));
        }
        if !equals {
            return Err(Error::Malformed(
                "a word is not followed by \"=\" (expected name=value pairs or a URL)",
            ));
        }
        while chars.next_if(|c| c.is_ascii_whitespace()).is_some() {}
        let quoted = chars.next_if_eq(&'\'').is_some();
        let value = value(&mut chars, quoted)?;
        after_bare_password = name == "password" && !quoted;
        given.push((name, value));
    }
}

fn value(chars: &mut std::iter::Peekable<std::str::Chars<'_>>, quoted: bool) -> Result<String, Error> {
    let mut value = String::new();
    loop {
        match chars.peek() {
            None if quoted => return Err(Error::Malformed("a quoted value is not closed by a \"'\"")),
            None => return Ok(value),
            Some('\'') if quoted => {
                chars.next();
                return Ok(value);
            }
            Some(c) if !quoted && c.is_ascii_whitespace() => return Ok(value),
            Some('\\') => {
                chars.next();
                value.extend(chars.next());
            }
            Some(_) => value.extend(chars.next()),
        }
    }
}
