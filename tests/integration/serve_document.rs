//! The server against its own document: requests made from that, right and wrong ones, are answered as it says.

use std::process::Stdio;

use serde_json::{Value, json};

use crate::support::{Binary, Serving, destination, installation, missing, source};

/// So many requests for each route, unless the environment says otherwise: half a minute for all three scopes.
const EXAMPLES: &str = "15";

/// What an answer has to be: no mistake of the server's, and of a status, type, shape and headers that the document names.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,\
    response_schema_conformance,response_headers_conformance";

#[tokio::test]
async fn every_answer_is_one_that_the_document_knows() {
    let Some(tester) = installation::schemathesis() else {
        return missing("schemathesis", "scripts/setup tests").unwrap_or_default();
    };
    let (Some(source), Some(destination)) = (source(15), destination(15)) else { return };
    let (from, to) = (source.database("document").await, destination.absent_database("document"));
    from.execute("CREATE TABLE t (id int PRIMARY KEY)").await;
    let program = Binary::new().config(&format!(
        "[server]\ndata_dir = \"data\"\n[connections.staging]\nurl = \"{}\"\nrole = \"source\"\n\
         [connections.local]\nurl = \"{}\"\nrole = \"destination\"\n",
        from.url(),
        to.url()
    ));
    let server = Serving::start(&program).await;
    // Jobs of every kind, one that has failed among them: their members are answers too.
    let failing = server.ask(&json!({"type": "test", "options": {"seconds": 0, "fail": "operator"}})).await;
    server.job_is(&failing, "failed").await;
    let mirror = json!({"type": "mirror", "source": "staging", "destination": "local",
        "options": {"name": "m", "accept_unbounded_wal": true}});
    let mirror = server.ask(&mirror).await;
    server.job_that(&mirror, "a mirror that streams", |job| job["phase"] == "streaming").await;
    let document = server.get("/v1/openapi.json").await.body;
    let paths = document["paths"].as_object().unwrap().values();
    let routes: usize = paths.map(|methods| methods.as_object().unwrap().len()).sum();

    let mut tests = tokio::task::JoinSet::new();
    for (seed, scope) in ["read", "run", "admin"].into_iter().enumerate() {
        let folder = tempfile::tempdir().unwrap();
        let job = if scope == "read" { &failing } else { &mirror };
        // Without `after` a job's events are a stream, which has no end.
        let settings = format!(
            "[parameters]\n\"path.id\" = \"{job}\"\n\"path.name\" = \"staging\"\n\"query.after\" = 0\n"
        );
        std::fs::write(folder.path().join("schemathesis.toml"), settings).unwrap();
        let mut command = tokio::process::Command::new(&tester);
        command
            .args(["run", &format!("http://{}/v1/openapi.json", server.address)])
            .args(["--header", &format!("Authorization: Bearer {}", server.token_of(&program, scope).await)])
            .args(["--checks", CHECKS])
            .args(["--phases", "examples,coverage,fuzzing", "--continue-on-failure", "--no-color"])
            .args(["--exclude-path", "/v1/ws", "--request-timeout", "30", "--seed", &seed.to_string()])
            .args([
                "--max-examples",
                &std::env::var("MULTIBOARD_TEST_SCHEMA_EXAMPLES").unwrap_or(EXAMPLES.into()),
            ])
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .kill_on_drop(true);
        tests.spawn(async move {
            let output = command.output().await.unwrap();
            drop(folder);
            (scope, output)
        });
    }
    while let Some(ended) = tests.join_next().await {
        let (scope, output) = ended.unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.success(),
            "scope {scope}\n{said}\n{}",
            String::from_utf8_lossy(&output.stderr)
        );
        // All of them but the websocket, which speaks another protocol, and the document, which it has read.
        assert!(said.contains(&format!("Tested: {}", routes - 2)), "scope {scope}\n{said}");
    }
    let ready = server.get("/ready").await;
    assert_eq!(ready.body["ok"], Value::Bool(true), "{ready:?}");
    // Whatever was done with them: it is a status that says so.
    server.job(&mirror).await;
    server.running.terminate();
    server.running.finish().await.expect_code(0);
}
