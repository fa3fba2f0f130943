//! The command line as a person meets it: wrong usage, help, and the jobs of an empty store.

use crate::support::binary::Binary;

#[tokio::test]
async fn wrong_usage_says_what_is_wrong_and_ends_with_2() {
    for (arguments, says) in [
        (&["clon"][..], "unrecognized subcommand 'clon'"),
        (&["clone", "--form", "x"], "unexpected argument '--form'"),
        (&["clone", "--jobs", "0"], "0 is not in 1..=256"),
        (&["clone", "--verify", "rows"], "invalid value 'rows'"),
        (&["clone", "--no-stage"], "--no-stage is not available in this version"),
        (&["clone", "--exclude", "a.b.c"], "--exclude \"a.b.c\": it has more than two parts"),
        (&["clone", "--from", "nowhere"], "there is no connection \"nowhere\"; none is configured"),
        (&["undo", "42"], "\"42\" is not a job id"),
        (&["undo", "job_01J9Z3K5V7Q2M4N6P8R0S2T4V6"], "there is no job job_01J9Z3K5V7Q2M4N6P8R0S2T4V6"),
        (&["jobs", "show", "job_01J9Z3K5V7Q2M4N6P8R0S2T4V6"], "there is no job"),
        (&["jobs", "list", "--type", "klone"], "\"klone\" is not a type of job"),
        (&["jobs", "list", "--config", "missing.toml"], "cannot read"),
        (&["jobs", "list", "-q", "-v"], "cannot be used with"),
    ] {
        let output = Binary::new().run(arguments).await;
        output.expect_code(2);
        assert!(output.stderr.contains(says), "{arguments:?} said:\n{}", output.stderr);
        assert_eq!(output.stdout, "", "{arguments:?}");
    }
}

#[tokio::test]
async fn with_json_an_error_is_an_event_too() {
    let output = Binary::new().run(&["clone", "--from", "nowhere", "--json"]).await;
    let events = output.expect_code(2).events();
    assert_eq!(events.len(), 1, "{events:?}");
    assert_eq!(
        (&events[0]["type"], &events[0]["error"]["code"]),
        (&"error".into(), &"no_such_connection".into())
    );
    assert_eq!(events[0]["error"]["exit"], 2);
    let hint = events[0]["error"]["hint"].as_str().unwrap();
    assert!(output.stderr.contains(&format!("hint: {hint}")), "{}", output.stderr);
}

#[tokio::test]
async fn help_and_version_go_to_stdout_and_end_with_0() {
    for arguments in [&["--help"][..], &["clone", "--help"], &["--version"]] {
        let output = Binary::new().run(arguments).await;
        assert!(output.expect_code(0).stdout.contains("multiboard-sync"), "{arguments:?}: {}", output.stdout);
        assert_eq!(output.stderr, "", "{arguments:?}");
    }
}

#[tokio::test]
async fn a_fresh_store_has_no_jobs() {
    use std::os::unix::fs::PermissionsExt;
    let binary = Binary::new();
    assert_eq!(binary.run(&["jobs", "list"]).await.expect_code(0).stdout, "no jobs yet\n");
    assert_eq!(binary.run(&["jobs", "list", "--json"]).await.expect_code(0).stdout, "");
    for (path, mode) in [(binary.data_dir(), 0o700), (binary.data_dir().join("jobs.sqlite"), 0o600)] {
        let found = std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        assert_eq!(found, mode, "{}", path.display());
    }
}

#[tokio::test]
async fn a_password_on_the_command_line_draws_a_warning_and_is_not_repeated() {
    // Port 1 answers nobody: whatever comes after the warning fails.
    let url = "postgres://someone:canary@127.0.0.1:1/app";
    let output = Binary::new().run(&["clone", "--from", url, "--to", url]).await;
    assert_ne!(output.code, Some(0));
    assert!(
        output.stderr.contains("the password in --from shows in the list of processes"),
        "{}",
        output.stderr
    );
    assert!(!output.stderr.contains("canary") && !output.stdout.contains("canary"), "{output:?}");
}
