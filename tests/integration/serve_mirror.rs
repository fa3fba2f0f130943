//! A mirror that a server runs: paused, resumed, compared, gone on with after a kill, and dropped; over HTTP.

use reqwest::StatusCode;
use serde_json::json;

use crate::support::{Binary, Serving, destination, eventually, source};

#[tokio::test]
async fn a_mirror_is_run_asked_killed_gone_on_with_and_dropped() {
    for major in [15, 18] {
        let (Some(source), Some(destination)) = (source(major), destination(major)) else { return };
        let from = source.database("serve_mirror").await;
        // With and without a database that it replaces.
        let to = match major {
            15 => destination.absent_database("serve_mirror"),
            _ => destination.database("serve_mirror").await,
        };
        from.execute("CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t VALUES (1, 'a')").await;
        let program = Binary::new().config(&format!(
            "[server]\ndata_dir = \"data\"\n[connections.staging]\nurl = \"{}\"\nrole = \"source\"\n\
             [connections.local]\nurl = \"{}\"\nrole = \"destination\"\n",
            from.url(),
            to.url()
        ));
        let server = Serving::start(&program).await;
        let asked = json!({"type": "mirror", "source": "staging", "destination": "local", "confirm": to.name(),
            "options": {"name": "m", "accept_unbounded_wal": true}});
        let id = server.ask(&asked).await;
        server.job_that(&id, "a mirror that streams", |job| job["phase"] == "streaming").await;
        let second = server.post("/v1/jobs", &asked).await;
        assert_eq!((second.status, &second.body["job"]), (StatusCode::CONFLICT, &id.as_str().into()));
        let rows = async |expected: &str| {
            let session = to.session().await;
            eventually("the rows", async || match session.query_text("SELECT count(*) FROM t").await {
                count if count == expected => Ok(()),
                count => Err(count),
            })
            .await;
        };
        from.execute("INSERT INTO t VALUES (2, 'b')").await;
        rows("2").await;
        let act = async |server: &Serving, action: &str| {
            let answer = server.post(&format!("/v1/jobs/{id}/{action}"), &json!({})).await;
            assert_eq!(answer.status, StatusCode::ACCEPTED, "{action}: {}", answer.body);
            answer.body
        };
        act(&server, "pause").await;
        server.job_is(&id, "paused").await;
        from.execute("INSERT INTO t VALUES (3, 'c')").await;

        // A kill changes nothing of that; nor does it lose anything.
        server.running.kill();
        server.running.finish().await;
        let server = Serving::start(&program).await;
        server
            .job_that(&id, "a mirror that is paused again", |job| {
                job["status"] == "paused" && job["attempt"] == 2
            })
            .await;
        act(&server, "resume").await;
        rows("3").await;
        let lag = server.job_that(&id, "a lag", |job| job["lag"]["bytes"].is_u64()).await;
        assert!(lag["wal"]["retained_bytes"].is_u64() && lag["applied_lsn"].is_string(), "{lag}");
        let verify = act(&server, "verify").await;
        let verified = server.job_is(verify["id"].as_str().unwrap(), "succeeded").await;
        assert_eq!(verified["report"]["verification"]["different"], json!([]), "{verified}");
        to.execute("UPDATE t SET v = 'damaged'").await;
        let resync = server.post(&format!("/v1/jobs/{id}/resync"), &json!({"tables": ["public.t"]})).await;
        assert_eq!(
            (resync.status, &resync.body["tables"]),
            (StatusCode::ACCEPTED, &json!(["public.t"])),
            "{}",
            resync.body
        );
        let session = to.session().await;
        eventually("rows that are mended", async || {
            match session.query_text("SELECT count(*) FROM t WHERE v = 'damaged'").await {
                count if count == "0" => Ok(()),
                count => Err(count),
            }
        })
        .await;
        let metrics = server.get("/metrics").await;
        assert!(
            metrics.body.as_str().unwrap().contains("mirror_lag_bytes{mirror=\"m\"}"),
            "{}",
            metrics.body
        );

        let dropped = server.post(&format!("/v1/jobs/{id}/drop"), &json!({})).await;
        assert_eq!(
            (dropped.status, &dropped.body["dropped"]),
            (StatusCode::OK, &"m".into()),
            "{}",
            dropped.body
        );
        let slots = "SELECT count(*) FROM pg_replication_slots WHERE database = current_database()";
        assert_eq!(from.session().await.query_text(slots).await, "0");
        server.job_is(&id, "cancelled").await;
        server.running.terminate();
        server.running.finish().await.expect_code(0);
    }
}
