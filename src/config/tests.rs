//! Settings as their owner writes them, right and wrong.

use std::path::Path;

use super::{
    Config, Environment, SslMode, looks_like_url, make_data_dir, shows_a_password, without_passwords,
};
use crate::failure::{Classify, Exit, chain};
use crate::safety::Role;
use crate::telemetry::LogLevel;

fn environment(variables: &[(&str, &str)]) -> Environment {
    variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn load(directory: &Path, file: &str, variables: &[(&str, &str)]) -> Result<Config, super::Error> {
    std::fs::write(directory.join(super::FILE_NAME), file).expect("write the file");
    Config::load(None, environment(variables), directory)
}

/// Each wrong file, with what the message must say. No message shows a value.
#[test]
fn a_wrong_setting_is_named_with_its_line() {
    let directory = tempfile::tempdir().expect("temporary directory");
    for (file, line, says) in [
        ("[server]\nlog_levle = \"info\"\n", 2, "unknown field `log_levle`"),
        ("[server]\nlog_level = \"canary\"\n", 2, "unknown variant"),
        ("[server]\n\nlisten = \"canary\"\n", 3, "socket address"),
        ("[sever]\n", 1, "unknown field `sever`"),
        ("data_dir = \"x\"\n", 1, "unknown field `data_dir`"),
        ("[connections]\nlocal = \"postgres://u:canary@h/d\"\n", 2, "invalid type"),
        ("\n[connections.local]\nrole = \"source\"\n", 2, "needs one of url"),
        ("[connections.local]\nurl = \"postgres://u:canary@h/d\"\nservice = \"x\"\n", 1, "has 2 of url"),
        ("[connections.local]\nurl = \"postgres:///x\"\nrole = \"both\"\n", 3, "unknown variant"),
        ("[connections.local]\nurl = \"postgres:///x\"\nsslmode = \"on\"\n", 3, "unknown variant"),
        ("[connections.local]\nurl = \"postgres://u:canary@h/d\n", 2, ""),
        ("\n[connections.\"a b\"]\nurl = \"postgres:///x\"\n", 2, "a connection's name is"),
        ("[destinations]\nallow_loopback = \"yes\"\n", 2, "invalid type"),
        ("[destinations]\nallow = [\n{ connection = \"v\", host = \"h\" }]\n", 3, "missing field `dbname`"),
        (
            "[destinations]\nallow = [{ connection = \"v\", host = \"h\", dbname = \"d\" }]\n",
            2,
            "connection \"v\"",
        ),
        (
            "[destinations]\nallow = [{ connection = \"destination\", host = \"h\", dbname = \"d\", \
             system_identifier = \"canary\" }]\n",
            2,
            "decimal number",
        ),
    ] {
        let error = load(directory.path(), file, &[]).expect_err(file);
        let message = chain(&error);
        let place = format!("multiboard-sync.toml line {line}: ");
        assert!(message.contains(&place) && message.contains(says), "{file:?} gave {message:?}");
        assert!(!message.contains("://") && !message.contains("\"canary"), "{file:?} gave {message:?}");
        assert_eq!(error.classify().exit, Exit::Usage);
    }
}

#[test]
fn environment_counts_before_file_before_default() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let path = directory.path();
    let file = "[server]\nlog_level = \"warn\"\n[connections.source]\nurl = \"postgres:///file\"\nrole = \"source\"\n\
                sslmode = \"verify-full\"\nsslrootcert = \"ca.pem\"\naccept_unbounded_wal = true\n";
    let config = load(path, file, &[]).expect("a right file");
    assert_eq!((config.log_level, config.data_dir), (Some(LogLevel::Warn), path.join("data")));
    assert_eq!(config.listen.to_string(), "127.0.0.1:8080");

    std::fs::write(path.join(".env"), "LOG_LEVEL=error\nSOURCE_DATABASE_URL=postgres:///dotenv\nPGUSER=x\n")
        .expect("write .env");
    let config = load(path, file, &[("PORT", "99")]).expect("a right file");
    assert_eq!(config.log_level, Some(LogLevel::Error));
    assert_eq!(config.variables().find(|(name, _)| *name == "PGUSER"), Some(("PGUSER", "x")));
    assert_eq!(config.listen.to_string(), "127.0.0.1:99");

    let variables = [
        ("MULTIBOARD_SYNC_LOG_LEVEL", "debug"),
        ("LOG_LEVEL", ""),
        ("MULTIBOARD_SYNC_DATA_DIR", "elsewhere"),
        ("SOURCE_DATABASE_URL", "postgres:///process"),
        ("MULTIBOARD_SYNC_ALLOW_LOOPBACK", "false"),
    ];
    let config = load(path, file, &variables).expect("a right file");
    assert_eq!((config.log_level, &config.data_dir), (Some(LogLevel::Debug), &path.join("elsewhere")));
    assert!(config.destinations.allow_loopback, "[destinations] has no environment form");
    assert_eq!(config.warnings, ["variable MULTIBOARD_SYNC_ALLOW_LOOPBACK is no setting and has no effect"]);
    let source = config.connection("source").expect("configured");
    assert_eq!(source.url.expose(), "postgres:///process");
    assert_eq!((source.role, source.sslmode), (Some(Role::Source), Some(SslMode::VerifyFull)));
    assert_eq!(source.sslrootcert.as_deref(), Some(path.join("ca.pem").as_path()));
    assert!(source.accept_unbounded_wal);
}

#[test]
fn without_a_file_the_environment_makes_the_default_connections() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let variables =
        [("DESTINATION_DATABASE_URL", "postgres:///d"), ("XDG_STATE_HOME", "/state"), ("HOME", "/h")];
    let config = Config::load(None, environment(&variables), directory.path()).expect("no file is needed");
    assert_eq!(config.data_dir, Path::new("/state/multiboard-sync"));
    assert_eq!(config.connection_names().collect::<Vec<_>>(), ["destination"]);
    assert_eq!(config.connection("destination").expect("set").role, Some(Role::Destination));
    let error = config.connection("staging").expect_err("not configured");
    assert_eq!(error.to_string(), "there is no connection \"staging\"; there are: destination");

    let relative = [("XDG_STATE_HOME", "state"), ("HOME", "/h")];
    let config = Config::load(None, environment(&relative), directory.path()).expect("no file is needed");
    assert_eq!(config.data_dir, Path::new("/h/.local/state/multiboard-sync"));
    assert!(
        Config::load(None, environment(&[]), directory.path()).is_err(),
        "there is no place for the data"
    );
}

#[test]
fn urls_come_from_variables_files_and_services() {
    let directory = tempfile::tempdir().expect("temporary directory");
    std::fs::write(directory.path().join("url"), "postgres:///from-file\n").expect("write url file");
    let file = "[connections]\na = { url_env = \"A_URL\", role = \"source\" }\nb = { url_file = \"url\" }\n\
                c = { service = \"it's\", role = \"source\" }\nd = { url_env = \"NOT_SET\", role = \"source\" }\n\
                [destinations]\nallow_loopback = false\nallow = [{ connection = \"b\", host = \"h\", dbname = \"d\", \
                system_identifier = \"7710893607268052043\", i_understand = \"d\" }]\n";
    let config = load(directory.path(), file, &[("A_URL", "postgres:///a")]).expect("a right file");
    for (name, url) in [("a", "postgres:///a"), ("b", "postgres:///from-file"), ("c", "service='it\\'s'")] {
        assert_eq!(config.connection(name).expect(name).url.expose(), url);
    }
    let sources: Vec<_> = config.sources().iter().map(|(name, url)| (*name, url.is_ok())).collect();
    assert_eq!(sources, [("a", true), ("c", true), ("d", false)]);
    assert!(!config.destinations.allow_loopback);
    assert_eq!(config.destinations.allow.len(), 1);
    let debug = format!("{config:?}");
    assert!(!debug.contains("postgres://"), "{debug}");
}

#[test]
fn a_wrong_dotenv_line_is_named_without_its_value() {
    let directory = tempfile::tempdir().expect("temporary directory");
    std::fs::write(directory.path().join(".env"), "A=1\nTOKEN=canary canary\n").expect("write .env");
    let error = load(directory.path(), "", &[]).expect_err("not NAME=value");
    let message = chain(&error);
    assert!(message.contains("after the line of A") && !message.contains("canary"), "{message}");
}

#[test]
fn a_data_dir_is_private_and_one_that_others_can_write_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().expect("temporary directory");
    let path = directory.path().join("a/b");
    make_data_dir(&path).expect("can be made");
    let metadata = std::fs::metadata(&path).expect("is there");
    assert_eq!(metadata.permissions().mode() & 0o777, 0o700);
    make_data_dir(&path).expect("being there is fine");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o777)).expect("chmod");
    assert_eq!(make_data_dir(&path).expect_err("shared").classify().code, "data_dir_is_shared");
}

#[test]
fn tells_urls_from_names_and_finds_passwords() {
    for (text, url, password) in [
        ("staging", false, false),
        ("postgres://u@h/d", true, false),
        ("postgresql://u:p@h/d", true, true),
        ("postgres://u:@h/d", true, false),
        ("postgres://h:5432/d?password=p", true, true),
        ("postgres://h/d?user=u&password=p", true, true),
        ("host=h dbname=d", true, false),
        ("host=h password=p", true, true),
        ("host=h password = p", true, true),
        ("host=h passfile=/f", true, false),
    ] {
        assert_eq!((looks_like_url(text), shows_a_password(text)), (url, password), "{text}");
    }
}

#[test]
fn what_is_shown_of_a_url_has_no_password() {
    for (text, shown) in [
        ("a name", "a name"),
        ("'postgres://u:p@h/d' x", "'postgres://u:***@h/d' x"),
        ("postgres://u:p@p@h/d and b://h", "postgres://u:***@h/d and b://h"),
        ("host=h password=p dbname=d", "host=h password=*** dbname=d"),
        ("postgres://h/d?password=p\nx", "postgres://h/d?password=***\nx"),
    ] {
        assert_eq!(without_passwords(text), shown);
    }
}

#[test]
fn every_variable_is_in_the_example() {
    let example = include_str!("../../.env.example");
    let others = ["SOURCE_DATABASE_URL", "DESTINATION_DATABASE_URL", "LOG_LEVEL", "PORT", "NO_COLOR"];
    for name in super::environment::SETTINGS.into_iter().chain(others) {
        assert!(example.contains(&format!("\n#{name}=")), "{name} is not in .env.example");
    }
}
