//! Authentication against a real server, method by method, and where passwords come from.

use std::os::unix::fs::PermissionsExt;

use multiboard_sync::connect::{self, Environment, Error, Options, Settings};
use multiboard_sync::failure::{Classify, chain};

use crate::support::Server;
use crate::support::server::Settings as Cluster;

const HBA: &str = "local all postgres trust\nhost all postgres 127.0.0.1/32 trust\n\
                   local all clear password\n\
                   host all scram 127.0.0.1/32 scram-sha-256\nhost all hashed 127.0.0.1/32 md5\n\
                   host all clear 127.0.0.1/32 password\n";

async fn server() -> Option<Server> {
    let server = Server::with(15, Cluster::new().hba(HBA))?;
    server
        .execute(
            "SET password_encryption = 'scram-sha-256'; \
             CREATE ROLE scram LOGIN PASSWORD 'canary:p@ss/wörd'; CREATE ROLE clear LOGIN PASSWORD 'canary'; \
             SET password_encryption = 'md5'; CREATE ROLE hashed LOGIN PASSWORD 'canary'",
        )
        .await;
    Some(server)
}

async fn login(url: &str, environment: &Environment) -> Result<String, Error> {
    let options = Options::parse(url, environment).expect("a good URL");
    let connection = connect::source(&options, &Settings::default()).await?;
    let sql = multiboard_sync::pg::Sql::fixed("SELECT session_user::pg_catalog.text");
    Ok(connection.query_one(&sql, &[]).await?.get(0))
}

#[tokio::test]
async fn every_method_lets_the_right_password_in_and_no_other() {
    let Some(server) = server().await else { return };
    let at = server.address();
    let none = Environment::new([], None);
    let good = format!("postgres://scram:canary%3Ap%40ss%2Fw%C3%B6rd@{at}/postgres");
    assert_eq!(login(&good, &none).await.unwrap(), "scram");
    assert_eq!(login(&format!("postgres://hashed:canary@{at}/postgres"), &none).await.unwrap(), "hashed");
    for user in ["scram", "hashed"] {
        let error = login(&format!("postgres://{user}:canary-wrong@{at}/postgres"), &none).await.unwrap_err();
        assert_eq!(error.classify().code, "authentication_failed");
        assert!(error.classify().hint.unwrap().contains("the connection string"));
        assert_eq!(error.sqlstate(), Some("28P01"));
        assert!(!format!("{error:?} {}", chain(&error)).contains("canary"));
        let error = login(&format!("postgres://{user}@{at}/postgres"), &none).await.unwrap_err();
        assert!(error.classify().hint.unwrap().contains("no password was given"), "{error}");
    }
    for (parameters, part) in [
        ("channel_binding=require", "channel binding is required"),
        ("require_auth=md5", "require_auth"),
        ("require_auth=!scram-sha-256", "require_auth"),
    ] {
        let error = login(&format!("{good}?{parameters}"), &none).await.unwrap_err();
        assert!(error.to_string().contains(part), "{parameters}: {error}");
    }
    let error = login(&format!("postgres://postgres@{at}/postgres?require_auth=scram-sha-256"), &none).await;
    assert!(error.unwrap_err().to_string().contains("asked for no authentication"));
}

#[tokio::test]
async fn a_cleartext_password_is_not_sent_where_others_can_read_it() {
    let Some(server) = server().await else { return };
    let none = Environment::new([], None);
    let error = login(&format!("postgres://clear:canary@{}/postgres", server.address()), &none).await;
    assert!(error.unwrap_err().to_string().contains("clear text over an unencrypted connection"));
    let socket = server.socket_url("postgres").replace("postgres@", "clear:canary@");
    assert_eq!(login(&socket, &none).await.unwrap(), "clear");
}

#[tokio::test]
async fn a_password_comes_from_the_environment_or_the_password_file() {
    let Some(server) = server().await else { return };
    let url = format!("postgres://hashed@{}/postgres", server.address());
    let variable = Environment::new([("PGPASSWORD", "canary")], None);
    assert_eq!(login(&url, &variable).await.unwrap(), "hashed");
    let wrong = Environment::new([("PGPASSWORD", "other")], None);
    assert!(login(&url, &wrong).await.unwrap_err().classify().hint.unwrap().contains("PGPASSWORD"));

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(".pgpass");
    std::fs::write(&path, "other:*:*:*:x\n127.0.0.1:*:*:hashed:canary\n127.0.0.1:*:*:scram:nope\n").unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    let home = Environment::new([("HOME", folder.path().to_str().unwrap())], None);
    assert_eq!(login(&url, &home).await.unwrap(), "hashed");
    let error = login(&url.replace("hashed", "scram"), &home).await.unwrap_err();
    assert!(error.classify().hint.unwrap().contains(".pgpass, line 3"));
}
