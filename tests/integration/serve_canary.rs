//! No secret comes out: passwords that are known when seen, and tokens, are looked for in all that a server says, writes and keeps.

use std::fmt::Write as _;
use std::path::Path;

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Binary, Server, Serving, Settings, eventually};

const HBA: &str = "local all all trust\nhost all postgres 127.0.0.1/32 trust\n\
                   host all keyed 127.0.0.1/32 scram-sha-256\n";

/// Everything that others hold secret has this in it, and nothing else has.
const CANARY: &str = "canary";

/// Also what a database holds for its own connections.
const SCHEMA: &str = "CREATE TABLE t (id int PRIMARY KEY, v text); \
    INSERT INTO t SELECT n, repeat('x', 100) FROM generate_series(1, 1000) AS n; \
    CREATE FOREIGN DATA WRAPPER elsewhere; CREATE SERVER there FOREIGN DATA WRAPPER elsewhere; \
    CREATE USER MAPPING FOR postgres SERVER there OPTIONS (password 'canary-of-a-mapping'); \
    CREATE SUBSCRIPTION told CONNECTION 'host=127.0.0.1 password=canary-of-a-subscription' PUBLICATION p \
    WITH (connect = false, slot_name = NONE)";

/// What was said, by whom.
struct Said(Vec<(String, String)>);

impl Said {
    fn by(&mut self, whom: impl Into<String>, what: impl Into<String>) {
        self.0.push((whom.into(), what.into()));
    }

    #[track_caller]
    fn holds_none_of(&self, secrets: &[&str]) {
        let mut found = String::new();
        for (whom, what) in &self.0 {
            for secret in secrets {
                for (at, _) in what.match_indices(secret) {
                    let around: String = what[..at].chars().rev().take(150).collect();
                    let before: String = around.chars().rev().collect();
                    let after: String = what[at..].chars().take(60).collect();
                    writeln!(found, "{whom}: ..{before}>>>{after}..").unwrap();
                }
            }
        }
        assert!(found.is_empty(), "{found}");
        assert!(self.0.len() > 30, "only {} were asked", self.0.len());
    }
}

/// Every file of the folder as text, that of the token apart, which is there to be read.
fn files(folder: &Path, said: &mut Said) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, said);
        } else if !path.ends_with("admin-token") {
            said.by(path.display().to_string(), String::from_utf8_lossy(&std::fs::read(&path).unwrap()));
        }
    }
}

/// Asks every route that only looks, for each of the jobs.
async fn looks(server: &Serving, jobs: &[String], said: &mut Said) {
    let document = server.get("/v1/openapi.json").await.body;
    for (path, methods) in document["paths"].as_object().unwrap() {
        if methods["get"].is_null() || path == "/v1/ws" {
            continue;
        }
        let path = if path.ends_with("/events") { format!("{path}?after=0") } else { path.clone() };
        for job in jobs.iter().take(if path.contains("{id}") { jobs.len() } else { 1 }) {
            let path = path.replace("{id}", job);
            let answer = server.get(&path).await;
            said.by(format!("GET {path}"), format!("{answer:?}"));
        }
    }
    for job in jobs {
        let stream = server.bare(Method::GET, &format!("/v1/jobs/{job}/events")).bearer_auth(&server.token);
        let mut stream = stream.header("last-event-id", "0").send().await.unwrap();
        let first = stream.chunk().await.unwrap().unwrap_or_default();
        said.by(format!("the stream of {job}"), String::from_utf8_lossy(&first));
    }
}

#[tokio::test]
async fn no_secret_comes_out_in_text_or_json() {
    for format in ["text", "json"] {
        let Some(cluster) = Server::with(15, Settings::new().hba(HBA).set("wal_level", "logical")) else {
            return;
        };
        let Some(other) = Server::with(15, Settings::new().hba(HBA)) else { return };
        for server in [&cluster, &other] {
            let role = "SET password_encryption = 'scram-sha-256'; \
                CREATE ROLE keyed SUPERUSER LOGIN PASSWORD 'canary-p@ss'";
            server.execute(role).await;
        }
        let from = cluster.database("secrets").await;
        from.execute(SCHEMA).await;
        // The second copy is one that is refused, with words of the destination's own.
        let (to, broken) = (other.absent_database("secrets"), other.database("broken").await);
        for server in [&from, &broken] {
            server.announce("password authentication failed");
        }
        let (keyed, wrong) = ("canary-p@ss", "canary-wrong");
        let program = Binary::new()
            .config(&format!(
                "[server]\ndata_dir = \"data\"\nlog_level = \"debug\"\nlog_format = \"{format}\"\n\
                 [connections.staging]\nurl = \"{}\"\nrole = \"source\"\n\
                 [connections.local]\nurl_env = \"LOCAL_URL\"\nrole = \"destination\"\n\
                 [connections.broken]\nurl_env = \"BROKEN_URL\"\nrole = \"destination\"\n\
                 [connections.wrong]\nurl_file = \"wrong.url\"\nrole = \"source\"\n\
                 [connections.nowhere]\nurl = \"postgres://keyed:canary-nowhere@127.0.0.1:1/app\"\nrole = \"source\"\n\
                 [connections.far]\nurl = \"postgres://keyed:canary-far@203.0.113.9/app?connect_timeout=2\"\nrole = \"destination\"\n",
                from.url_as("keyed", keyed),
            ))
            .env("LOCAL_URL", to.url_as("keyed", keyed));
        std::fs::write(
            program.folder().join(".env"),
            format!("BROKEN_URL={}\n", broken.url_as("keyed", wrong)),
        )
        .unwrap();
        std::fs::write(program.folder().join("wrong.url"), from.url_as("keyed", wrong)).unwrap();
        let mut server = Serving::start(&program).await;
        let read = server.token_of(&program, "read").await;
        let mut said = Said(Vec::new());
        let mut watcher = server.watch().await;
        watcher.say(&json!({"type": "subscribe", "sub": "all", "topic": "jobs"})).await;

        let (mut jobs, name) = (Vec::new(), to.name());
        for (from, to, ends) in [
            ("staging", "local", "succeeded"),
            ("wrong", "local", "failed"),
            ("nowhere", "local", "retrying"),
            ("staging", "far", "failed"),
            ("staging", "broken", "failed"),
        ] {
            let asked = json!({"type": "clone", "source": from, "destination": to,
                "confirm": if to == "local" { json!(name) } else { Value::Null }});
            let job = server.ask(&asked).await;
            watcher.say(&json!({"type": "subscribe", "sub": job, "topic": format!("job:{job}")})).await;
            server.job_is(&job, ends).await;
            if ends == "retrying" {
                server.post(&format!("/v1/jobs/{job}/cancel"), &json!({})).await;
                server.job_is(&job, "cancelled").await;
            }
            jobs.push(job);
        }
        let mirror = json!({"type": "mirror", "source": "staging", "destination": "local", "confirm": to.name(),
            "options": {"name": "m", "accept_unbounded_wal": true}});
        let mirror = server.ask(&mirror).await;
        watcher.say(&json!({"type": "subscribe", "sub": mirror, "topic": format!("job:{mirror}")})).await;
        server.job_that(&mirror, "a mirror that streams", |job| job["phase"] == "streaming").await;
        from.execute("INSERT INTO t VALUES (0, '')").await;
        let session = to.session().await;
        eventually("the row", async || {
            match session.query_text("SELECT count(*) FROM t WHERE id = 0").await {
                count if count == "1" => Ok(()),
                count => Err(count),
            }
        })
        .await;
        jobs.push(mirror.clone());

        looks(&server, &jobs, &mut said).await;
        for name in ["staging", "local", "broken", "wrong", "nowhere", "far"] {
            let answer = server.post(&format!("/v1/connections/{name}/test"), &json!({})).await;
            said.by(format!("a test of {name}"), format!("{answer:?}"));
        }
        for asked in [
            json!({"type": "clone", "source": "postgres://u:canary@h/d", "destination": "local"}),
            json!({"type": "clone", "source": "host=h password=canary", "destination": "local"}),
            json!({"type": "clone", "source": "staging", "destination": "local", "options": {"password": "canary"}}),
            json!({"type": "test", "password": "canary"}),
        ] {
            let answer = server.post("/v1/jobs", &asked).await;
            assert!(answer.status.is_client_error(), "{answer:?}");
            said.by(asked.to_string().replace(CANARY, "***"), format!("{answer:?}"));
        }
        // A token where it does not belong, and one that is none.
        for path in [format!("/v1/jobs?token={read}"), format!("/v1/jobs?cursor={read}")] {
            said.by("a token in the address", format!("{:?}", server.get(&path).await));
        }
        let stranger = server.bare(Method::POST, "/v1/jobs").bearer_auth("mbs_canary");
        said.by("a stranger", format!("{:?}", server.send(stranger).await));
        watcher.say(&json!({"type": "ping", "n": 1})).await;
        for frame in watcher.until(|frame| frame["type"] == "pong").await {
            said.by("the websocket", frame.to_string());
        }

        // Commands beside it, over the same records.
        for arguments in [
            &["jobs", "list", "--json"][..],
            &["jobs", "show", &jobs[0], "--json"],
            &["mirror", "status", "m", "--json"],
            &["token", "list", "--json"],
            &["verify", "--from", "staging", "--to", "local", "--json"],
            &["clone", "--from", "wrong", "--to", "local", "--json", "-v"],
            &["clone", "--from", "nowhere", "--to", "local", "--json", "-v"],
            &["clone", "--from", "staging", "--to", "far", "--json", "-v"],
        ] {
            let output = program.run(arguments).await;
            said.by(arguments.join(" "), format!("{}\n{}", output.stdout, output.stderr));
        }
        files(&program.data_dir(), &mut said);
        let store = said.0.iter().find(|(whom, _)| whom.ends_with("/jobs.sqlite-wal"));
        assert!(
            store.is_some_and(|(_, bytes)| bytes.contains(&jobs[0])),
            "the store's own files were not seen"
        );
        server.post(&format!("/v1/jobs/{mirror}/drop"), &json!({})).await;
        files(&program.data_dir(), &mut said);
        let printed = server.running.printed();
        assert!(printed.contains("audit") || printed.contains("request"), "{printed}");
        // Each line about a job names it, so that a run can be followed.
        assert!(printed.contains(&jobs[0]) && printed.contains(&mirror), "{printed}");
        said.by("the log", printed);
        assert!(!server.running.is_over());
        // It would keep the database from being dropped.
        from.execute("DROP SUBSCRIPTION told").await;
        session.execute_all("DROP SUBSCRIPTION IF EXISTS told").await;
        said.holds_none_of(&[CANARY, &server.token, &read]);
        server.running.terminate();
        let output = server.running.finish().await;
        output.expect_code(0);
        assert!(!output.stderr.contains(CANARY) && !output.stdout.contains(CANARY), "{}", output.stderr);
    }
}
