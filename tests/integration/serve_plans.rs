//! Plans over HTTP: they say what a job would do and destroy, change nothing, and bind a job to the databases they were made for.

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::support::{Binary, Serving, destination, source};

#[tokio::test]
async fn a_plan_says_what_would_be_destroyed_changes_nothing_and_binds_the_job() {
    for major in [15, 18] {
        let (Some(source), Some(destination)) = (source(major), destination(major)) else { return };
        let (from, to) = (source.database("plans").await, destination.database("plans").await);
        from.execute(
            "CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t SELECT n, repeat('x', 100) FROM generate_series(1, 1000) AS n;
             CREATE INDEX ON t (v); CREATE TABLE u (id int PRIMARY KEY REFERENCES t)",
        )
        .await;
        to.execute("CREATE TABLE precious (a int); CREATE VIEW seen AS SELECT * FROM precious").await;
        let program = Binary::new().config(&format!(
            "[server]\ndata_dir = \"data\"\n[connections.staging]\nurl = \"{}\"\nrole = \"source\"\n\
             [connections.local]\nurl = \"{}\"\nrole = \"destination\"\n[connections.far]\nurl = \"postgres://a@192.0.2.1/app\"\n",
            from.url(),
            to.url()
        ));
        let server = Serving::start(&program).await;
        let asked = |kind: &str, destination: &str, options: &Value| json!({"type": kind, "source": "staging", "destination": destination, "options": options});
        let answer = server.post("/v1/plans", &asked("clone", "local", &json!({"verify": "checksum"}))).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.body);
        let plan = answer.body;
        let oid = to.query_text("SELECT oid FROM pg_database WHERE datname = current_database()").await;
        assert_eq!(plan["destination"]["database_oid"].to_string(), oid, "{plan}");
        assert_eq!(
            (&plan["confirm"], &plan["replaces"]["database"]),
            (&to.name().into(), &to.name().into()),
            "{plan}"
        );
        let mut lost: Vec<&str> =
            plan["replaces"]["relations"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
        lost.sort_unstable();
        assert_eq!(lost, ["public.precious", "public.seen"]);
        let work = &plan["work"];
        let many = |name: &str| work[name].as_u64().unwrap();
        // Primary keys come with their tables.
        assert_eq!((many("tables"), many("indexes"), many("constraints")), (2, 1, 1), "{plan}");
        assert!(many("bytes") > 50_000, "{plan}");

        // A mirror would make something on the source; neither of them has made anything, nor is there a job.
        let mirror = server
            .post("/v1/plans", &asked("mirror", "local", &json!({"name": "m", "accept_unbounded_wal": true})))
            .await;
        assert_eq!(mirror.body["creates"].as_array().map(Vec::len), Some(2), "{}", mirror.body);
        assert_eq!(to.related_databases().await, [to.name()]);
        let made = "SELECT (SELECT count(*) FROM pg_publication) + (SELECT count(*) FROM pg_replication_slots WHERE database = current_database())";
        assert_eq!(from.query_text(made).await, "0");
        assert_eq!(server.get("/v1/jobs").await.body["jobs"], json!([]));

        // What cannot be is said as the job would say it; and of some jobs there is nothing to be said.
        let refused = server.post("/v1/plans", &asked("clone", "far", &json!({}))).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN, "{}", refused.body);
        let nothing = server.post("/v1/plans", &json!({"type": "test"})).await;
        assert_eq!(nothing.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", nothing.body);

        // The job runs on what the plan was made for, and then that is not there any more.
        let mut job = asked("clone", "local", &json!({"planned_for": plan["planned_for"], "keep_old": 0}));
        job["confirm"] = to.name().into();
        let first = server.ask(&job).await;
        server.job_is(&first, "succeeded").await;
        let second = server.ask(&job).await;
        let outdated = server.job_is(&second, "failed").await;
        assert_eq!(outdated["error"]["code"], "plan_outdated", "{outdated}");
        assert_eq!(to.session().await.query_text("SELECT count(*) FROM t").await, "1000");
        server.running.terminate();
        server.running.finish().await.expect_code(0);
    }
}
