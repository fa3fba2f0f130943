//! The configuration as the program reads it: the file, `.env` beside it, and the environment.

use crate::support::binary::Binary;

#[tokio::test]
async fn a_wrong_file_names_its_line_and_no_value() {
    let binary = Binary::new()
        .config("[connections.staging]\nurl = \"postgres://u:canary@h/d\"\nrolle = \"source\"\n");
    let output = binary.run(&["jobs", "list"]).await;
    output.expect_code(2);
    let says = "multiboard-sync.toml line 3: unknown field `rolle`";
    assert!(output.stderr.contains(says), "{}", output.stderr);
    assert!(!output.stderr.contains("canary"), "{}", output.stderr);
}

#[tokio::test]
async fn a_wrong_variable_is_named_with_its_place() {
    let output = Binary::new().env("MULTIBOARD_SYNC_LOG_LEVEL", "loud").run(&["jobs", "list"]).await;
    output.expect_code(2);
    let says = "variable MULTIBOARD_SYNC_LOG_LEVEL (environment): a log level is one of";
    assert!(output.stderr.contains(says), "{}", output.stderr);
}

#[tokio::test]
async fn dotenv_beside_the_file_counts_and_the_environment_counts_more() {
    let binary = Binary::new().config("[connections.staging]\nurl_env = \"STAGING_URL\"\n");
    let without = binary.run(&["clone", "--from", "staging"]).await;
    without.expect_code(2);
    let says = "connection \"staging\" takes its URL from variable STAGING_URL, which is not set";
    assert!(without.stderr.contains(says), "{}", without.stderr);

    std::fs::write(binary.folder().join(".env"), "STAGING_URL=postgres:///x\nLOG_LEVEL=loud\n").unwrap();
    let with = binary.run(&["clone", "--from", "staging"]).await;
    with.expect_code(2);
    assert!(with.stderr.contains("variable LOG_LEVEL (") && with.stderr.contains(".env)"), "{}", with.stderr);

    let binary = binary.env("LOG_LEVEL", "info");
    let over = binary.run(&["clone", "--from", "staging", "--to", "nowhere"]).await;
    over.expect_code(2);
    assert!(over.stderr.contains("there is no connection \"nowhere\""), "{}", over.stderr);
}

#[tokio::test]
async fn a_mistyped_variable_draws_a_warning() {
    let output = Binary::new().env("MULTIBOARD_SYNC_LOGLEVEL", "info").run(&["jobs", "list"]).await;
    output.expect_code(0);
    assert!(output.stderr.contains("variable MULTIBOARD_SYNC_LOGLEVEL is no setting"), "{}", output.stderr);
}
