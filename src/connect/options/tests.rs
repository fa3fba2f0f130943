//! The parser against libpq's documented behaviour, and canary passwords in every malformed place.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Duration;

use super::{
    Environment, Error, Host, Options, PasswordOrigin, Place, RootCertificates, SslMode, TargetSession,
};
use crate::failure::chain;
use crate::safety::Address;

fn parse(text: &str) -> Result<Options, Error> {
    Options::parse(text, &Environment::new([], Some("runner")))
}

/// User, password, hosts and database as one line.
fn shown(options: &Options) -> String {
    let password = options.password.as_ref().map_or("-", |password| password.secret.expose());
    format!("{} {password} {}", options.user, options.endpoint())
}

#[test]
fn urls_and_keyword_strings() {
    // Most of the URLs stand in the manual, "Connection URIs".
    for (text, expected) in [
        ("postgresql://localhost", "runner - runner@localhost:5432/runner"),
        ("postgresql://localhost:5433", "runner - runner@localhost:5433/runner"),
        ("postgresql://localhost/mydb", "runner - runner@localhost:5432/mydb"),
        ("postgresql://user@localhost", "user - user@localhost:5432/user"),
        ("postgresql://user:secret@localhost", "user secret user@localhost:5432/user"),
        ("postgres://user:@localhost", "user - user@localhost:5432/user"),
        ("postgresql://other@localhost/otherdb?connect_timeout=10", "other - other@localhost:5432/otherdb"),
        ("postgresql://host1:123,host2:456/somedb", "runner - runner@host1:123,host2:456/somedb"),
        ("postgresql:///mydb?host=localhost&port=5433", "runner - runner@localhost:5433/mydb"),
        ("postgresql://[2001:db8::1234]:7/database", "runner - runner@[2001:db8::1234]:7/database"),
        ("postgresql:///dbname?host=/var/lib/postgresql", "runner - runner@/var/lib/postgresql:5432/dbname"),
        ("postgresql://%2Fvar%2Flib%2Fpostgresql/dbname", "runner - runner@/var/lib/postgresql:5432/dbname"),
        ("postgres://u:p%40%2F%3A%25@h/d%20b", "u p@/:% u@h:5432/d b"),
        ("postgres://u:a?b:c@h/d", "u a?b:c u@h:5432/d"),
        ("postgres://h?user=q&password=w%26x", "q w&x q@h:5432/q"),
        ("postgres://@h/d", "runner - runner@h:5432/d"),
        ("host=h port=1 user=u dbname=d", "u - u@h:1/d"),
        ("host = h   user='it\\'s \\\\ me'", "it's \\ me - \"it's \\ me\"@h:5432/\"it's \\ me\""),
        ("host=h user=a\\ b password='' ", "a b - a b@h:5432/a b"),
        ("host=h user=a user=b", "b - b@h:5432/b"),
        ("host=a,b port=7 user=u", "u - u@a:7,b:7/u"),
        ("host=@abstract user=u", "u - u@@abstract:5432/u"),
        ("hostaddr=::1 user=u", "u - u@[::1]:5432/u"),
    ] {
        assert_eq!(parse(text).as_ref().map(shown), Ok(expected.to_owned()), "{text}");
    }
}

#[test]
fn what_cannot_be_understood_is_said_without_showing_a_password() {
    for text in [
        "postgres://u:canary@x@h/d",
        "postgres://u:can/canary@h/d",
        "postgres://u:12/canary@h/d",
        "postgres://u:canary%@h/d",
        "postgres://u:canary%zz@h/d",
        "postgres://u:canary%00@h/d",
        "postgres://u:canary%ff@h/d",
        "postgres://u:canary@h:port/d",
        "postgres://u:canary@h:0/d",
        "postgres://u:canary@h:65536/d",
        "postgres://u:canary@h:1:2/d",
        "postgres://u:canary@[::1/d",
        "postgres://u:canary@[]/d",
        "postgres://u:canary@[::1]x/d",
        "postgres://u:canary@h/d?sslmode",
        "postgres://u:canary@h/d?sslmode=canary",
        "postgres://u:canary@h/d?nonsense=canary",
        "postgres://h/d?password=x&canary=y",
        "postgres://h/d?password=x&canary",
        "postgres://h/d?password=x=canary",
        "postgres://h:canary/d",
        "postgres://canary@x@h",
        "https://u:canary@h/d",
        "host=h password=x canary",
        "host=h password=x canary=1",
        "host=h password='canary",
        "host=h password=canary port=x",
        "host=h password=canary sslcrl=canary",
        "host=h password=canary hostaddr=h",
        "host=a,b port=1,2,3 password=canary",
        "host='a canary' user=u",
        "canary",
    ] {
        let error = parse(text).expect_err(text);
        let printed = format!("{} {error:?}", chain(&error));
        assert!(!printed.contains("canary"), "{text}: {printed}");
    }
}

#[test]
fn unknown_and_unsupported_parameters_are_named() {
    assert_eq!(parse("host=h nonsense=1").err(), Some(Error::UnknownParameter("nonsense".to_owned())));
    for name in ["sslcrl", "replication", "requirepeer", "sslpassword"] {
        assert_eq!(parse(&format!("host=h {name}=1")).err(), Some(Error::Unsupported(name)));
    }
    let refused = Options::parse("host=h", &Environment::new([("PGSSLCRL", "x")], Some("u")));
    assert_eq!(refused.err(), Some(Error::Unsupported("sslcrl")));
    assert!(parse("host=h gssencmode=prefer").is_ok() && parse("host=h gssencmode=require").is_err());
}

#[test]
fn the_string_wins_over_the_service_over_the_environment() -> Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let home = folder.path().to_str().unwrap_or_default();
    std::fs::write(folder.path().join(".pg_service.conf"), "[s]\nhost=service\nuser=service\npassword=pw\n")?;
    let environment = Environment::new(
        [("HOME", home), ("PGSERVICE", "s"), ("PGHOST", "env"), ("PGDATABASE", "env"), ("PGPORT", "7")],
        None,
    );
    let options = Options::parse("user=given", &environment)?;
    assert_eq!(shown(&options), "given pw given@service:7/env");
    assert_eq!(
        options.password.map(|password| password.origin),
        Some(PasswordOrigin::Service("s".to_owned()))
    );
    let beside = [("user".to_owned(), "beside".to_owned())];
    assert_eq!(Options::parse_with("user=given", &beside, &environment)?.user, "beside");
    assert!(matches!(Options::parse("service=t", &environment), Err(Error::Service { .. })));
    Ok(())
}

#[test]
fn passwords_in_the_string_itself_are_told() -> Result<(), Error> {
    assert_eq!(parse("postgres://u:p@h/d")?.inline_secrets, ["password"]);
    assert!(parse("postgres://u@h/d")?.inline_secrets.is_empty());
    let environment = Environment::new([("PGPASSWORD", "canary")], Some("u"));
    let options = Options::parse("host=h", &environment)?;
    assert!(options.inline_secrets.is_empty());
    assert!(!format!("{options:?}").contains("canary"));
    Ok(())
}

#[test]
fn sslmode_without_being_given_depends_on_the_host() -> Result<(), Error> {
    for (text, mode, warned) in [
        ("host=db.example.com", SslMode::Require, true),
        ("host=db.example.com sslmode=verify-full sslrootcert=system", SslMode::VerifyFull, false),
        ("host=db.example.com sslrootcert=system", SslMode::VerifyFull, false),
        ("host=db.example.com sslmode=disable", SslMode::Disable, true),
        ("postgres://db.example.com/?ssl=true", SslMode::Require, true),
        ("host=localhost", SslMode::Prefer, false),
        ("host=127.0.0.2", SslMode::Prefer, false),
        ("host=::1", SslMode::Prefer, false),
        ("host=/tmp", SslMode::Prefer, false),
        ("host=localhost,db.example.com", SslMode::Require, true),
        ("host=localhost hostaddr=10.0.0.1", SslMode::Require, true),
    ] {
        let options = parse(text)?;
        assert_eq!((options.tls.mode, !options.warnings.is_empty()), (mode, warned), "{text}");
    }
    assert!(parse("host=h sslmode=require sslrootcert=system").is_err());
    assert!(parse("host=h sslmode=prefer sslnegotiation=direct").is_err());
    assert!(parse("host=h ssl_max_protocol_version=TLSv1.1").is_err());
    Ok(())
}

#[test]
fn default_files_are_those_of_libpq() -> Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let home = folder.path().to_str().unwrap_or_default();
    let environment = Environment::new([("HOME", home)], Some("u"));
    let place = folder.path().join(".postgresql");
    let roots = |environment| Options::parse("host=h", environment).map(|options| options.tls.roots);
    assert_eq!(roots(&environment), Ok(RootCertificates::Missing(place.join("root.crt"))));
    std::fs::create_dir(&place)?;
    std::fs::write(place.join("root.crt"), "")?;
    assert_eq!(roots(&environment), Ok(RootCertificates::File(place.join("root.crt"))));
    Ok(())
}

#[test]
fn numbers_and_words() -> Result<(), Error> {
    let options = parse(
        "host=a,b hostaddr=127.0.0.1,::1 port=1,2 user=u connect_timeout=1 target_session_attrs=primary \
         load_balance_hosts=random keepalives=0 tcp_user_timeout=1500 application_name=x options='-c a=b'",
    )?;
    let host = |name: &str, address: [u16; 8], port| {
        let address = std::net::Ipv6Addr::from(address);
        let address = address.to_ipv4_mapped().map_or(address.into(), std::net::IpAddr::V4);
        Host { place: Place::Name { name: name.to_owned(), address: Some(address) }, port }
    };
    let mapped = [0, 0, 0, 0, 0, 0xffff, 0x7f00, 1];
    assert_eq!(options.hosts, [host("a", mapped, 1), host("b", [0, 0, 0, 0, 0, 0, 0, 1], 2)]);
    assert_eq!(options.connect_timeout, Some(Duration::from_secs(2)));
    assert_eq!(options.target_session, TargetSession::Primary);
    assert!(options.shuffle_hosts && !options.keepalive.on);
    assert_eq!(options.tcp_user_timeout, Some(Duration::from_millis(1500)));
    assert_eq!(
        (options.application_name.as_str(), options.startup_options.as_deref()),
        ("x", Some("-c a=b"))
    );
    assert_eq!(parse("host=h connect_timeout=0")?.connect_timeout, None);
    assert_eq!(parse("host=h connect_timeout=-1")?.connect_timeout, None);
    assert!(parse("host=h connect_timeout=x").is_err());
    assert_eq!(
        parse("host=/a/b")?.hosts.first().map(|host| host.place.clone()),
        Some(Place::Socket(PathBuf::from("/a/b")))
    );
    Ok(())
}

#[test]
fn a_string_without_secrets_leads_to_the_same_place() {
    let environment = Environment::new([], Some("me"));
    for text in [
        "postgres://o'b:canary@127.0.0.1:5433/a%20b?sslmode=disable",
        "host=/tmp port=6000 user=x dbname='it''s' password=canary",
        "postgres://u:canary@db.example.com/app?sslmode=require",
    ] {
        let Ok(options) = Options::parse(text, &environment) else { continue };
        let plain = options.without_secrets();
        assert!(!plain.contains("canary"), "{plain}");
        let again = Options::parse(&plain, &environment).expect("own text");
        assert_eq!(
            (&again.hosts, &again.user, &again.dbname, again.tls.mode),
            (&options.hosts, &options.user, &options.dbname, options.tls.mode)
        );
    }
}

#[test]
fn pinned_to_an_address_the_name_stays() -> Result<(), Box<dyn std::error::Error>> {
    let options = parse("host=a,db.example.com port=1,2 target_session_attrs=standby sslmode=verify-full")?;
    let host = options.hosts.get(1).ok_or("two hosts")?;
    for (address, expected) in [
        ("192.0.2.7:2", Some("192.0.2.7")),
        ("[2001:db8::7]:2", Some("2001:db8::7")),
        // Of which network such an address is, `hostaddr` cannot say.
        ("[fe80::7%3]:2", None),
    ] {
        let pinned = options.pinned(host, &Address::Tcp(address.parse()?));
        let address = expected.map(str::parse).transpose()?;
        let place = Place::Name { name: "db.example.com".to_owned(), address };
        assert_eq!(pinned.hosts, [Host { place, port: 2 }]);
        assert_eq!((pinned.target_session, pinned.tls), (TargetSession::Any, options.tls.clone()));
    }
    Ok(())
}

/// A variable, a value for it, and where that shows.
type Variable<'a> = (&'a str, &'a str, fn(&Options) -> String);

#[test]
fn every_variable_of_libpq_reaches_its_parameter() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("written");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("private");
        path.display().to_string()
    };
    let passfile = file("pass", "*:*:*:*:from-the-file\n");
    // The manual, "Environment Variables": each with a value that shows in the options.
    let table: &[Variable] = &[
        ("PGAPPNAME", "app", |o| o.application_name.clone()),
        ("PGCHANNELBINDING", "require", |o| format!("{:?}", o.channel_binding)),
        ("PGCONNECT_TIMEOUT", "77", |o| format!("{:?}", o.connect_timeout)),
        ("PGDATABASE", "d", |o| o.dbname.clone()),
        ("PGHOST", "h.example.com", |o| o.endpoint().to_string()),
        ("PGHOSTADDR", "192.0.2.7", |o| o.endpoint().to_string()),
        ("PGLOADBALANCEHOSTS", "random", |o| format!("{:?}", o.shuffle_hosts)),
        ("PGOPTIONS", "-c geqo=off", |o| format!("{:?}", o.startup_options)),
        ("PGPASSFILE", &passfile, |o| {
            o.hosts
                .first()
                .and_then(|host| o.password_for(host))
                .map_or_else(String::new, |password| password.secret.expose().to_owned())
        }),
        ("PGPASSWORD", "word", |o| {
            o.password.as_ref().map_or_else(String::new, |p| p.secret.expose().to_owned())
        }),
        ("PGPORT", "7777", |o| o.endpoint().to_string()),
        ("PGREQUIREAUTH", "scram-sha-256", |o| format!("{:?}", o.require_auth)),
        ("PGSSLCERTMODE", "disable", |o| format!("{:?}", o.tls.client)),
        ("PGSSLMAXPROTOCOLVERSION", "TLSv1.2", |o| format!("{:?}", o.tls.only_1_2)),
        ("PGSSLMINPROTOCOLVERSION", "TLSv1.3", |o| format!("{:?}", o.tls.only_1_3)),
        ("PGSSLMODE", "verify-ca", |o| format!("{:?}", o.tls.mode)),
        ("PGSSLNEGOTIATION", "direct", |o| format!("{:?}", o.tls.direct)),
        ("PGSSLROOTCERT", "/ca.pem", |o| format!("{:?}", o.tls.roots)),
        ("PGSSLSNI", "0", |o| format!("{:?}", o.tls.sni)),
        ("PGTARGETSESSIONATTRS", "standby", |o| format!("{:?}", o.target_session)),
        ("PGUSER", "somebody", |o| o.user.clone()),
    ];
    let base = [("PGSSLMODE", "require"), ("PGSSLCERT", "/c.pem"), ("PGSSLKEY", "/k.pem")];
    let read = |more: Option<(&str, &str)>| {
        let variables = base.iter().copied().filter(|(name, _)| more.is_none_or(|(given, _)| given != *name));
        Options::parse("", &Environment::new(variables.chain(more), Some("runner")))
    };
    let without = read(None).expect("options");
    assert!(format!("{:?}", without.tls.client).contains("/c.pem"), "PGSSLCERT");
    assert!(format!("{:?}", without.tls.client).contains("/k.pem"), "PGSSLKEY");
    for (name, value, shows) in table {
        let with = read(Some((*name, *value))).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_ne!(shows(&with), shows(&without), "{name} changes nothing");
    }
    let gss = Options::parse("", &Environment::new([("PGGSSENCMODE", "require")], Some("runner")));
    assert!(gss.is_err(), "PGGSSENCMODE");
    let service = file("services", "[s]\nhost=of.the.service\n");
    let found = [("PGSERVICE", "s"), ("PGSERVICEFILE", service.as_str())];
    let options = Options::parse("", &Environment::new(found, Some("u"))).expect("a service");
    assert!(options.endpoint().to_string().contains("of.the.service"));
}
