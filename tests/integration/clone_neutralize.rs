//! What a copy must not start: jobs of pg_cron, and webhooks. Both are imitated by what they look like in a catalog.

use crate::support::cloning::clone_of;
use crate::support::{destination, dump, source};

const SOURCE: &str = "CREATE SCHEMA cron; CREATE TABLE cron.job (jobid bigint PRIMARY KEY, command text, active boolean DEFAULT true);
    INSERT INTO cron.job VALUES (1, 'SELECT 1', true), (2, 'SELECT 2', true), (3, 'SELECT 3', false);
    CREATE SCHEMA supabase_functions;
    CREATE FUNCTION supabase_functions.http_request() RETURNS trigger LANGUAGE plpgsql
        AS 'BEGIN RAISE EXCEPTION ''it called out''; END';
    CREATE TABLE orders (id int); INSERT INTO orders VALUES (1);
    CREATE TRIGGER hook AFTER INSERT ON orders FOR EACH ROW
        EXECUTE FUNCTION supabase_functions.http_request('http://127.0.0.1:1', 'POST')";

const STATE: &str = "SELECT concat((SELECT tgenabled FROM pg_trigger WHERE tgname = 'hook'), ' ',
    (SELECT string_agg(active::text, ',' ORDER BY jobid) FROM cron.job))";

#[tokio::test]
async fn jobs_and_webhooks_are_switched_off_and_said_in_plan_report_and_verification() {
    let (Some(source), Some(destination)) = (source(15), destination(15)) else { return };
    let (from, to) = (source.database("neutral").await, destination.absent_database("neutral"));
    from.execute(SOURCE).await;

    // What is switched off is no loss: `--strict` does not mind.
    let outcome = clone_of(&from, &to, &["--verify", "checksum", "--strict"]).await;

    assert_eq!(to.query_text(STATE).await, "D false,false,false");
    to.execute("INSERT INTO orders VALUES (2)").await;
    let report = outcome.report();
    let lines = [
        "trigger hook on public.orders: made but disabled, it calls out to the network",
        "every job in cron.job: made inactive",
    ];
    assert_eq!(report["neutralized"], serde_json::json!(lines));
    assert_eq!(report["skipped"], serde_json::json!([]));
    assert_eq!(
        report["verification"]["left_out"],
        serde_json::json!([{"object": "column active of cron.job", "reason": "every job was made inactive"}])
    );
    for line in lines {
        let said = format!("to be switched off: {line}");
        assert!(outcome.text().contains(&said), "{}", outcome.text());
    }
    assert_eq!(from.query_text(STATE).await, "O true,true,false", "the source is as it was");
    // In the schema, only what the report says.
    let (Some(one), Some(two)) = (dump::schema(15, &from.url()), dump::schema(15, &to.url())) else { return };
    assert_eq!(dump::differences(&one, &two), ["+ALTER TABLE public.orders DISABLE TRIGGER hook;"]);
}

#[tokio::test]
async fn nothing_is_switched_off_when_told_so() {
    let (Some(source), Some(destination)) = (source(15), destination(15)) else { return };
    let (from, to) = (source.database("not_neutral").await, destination.absent_database("not_neutral"));
    from.execute(SOURCE).await;

    let outcome = clone_of(&from, &to, &["--verify", "checksum", "--no-neutralize"]).await;

    assert_eq!(to.query_text(STATE).await, "O true,true,false");
    assert_eq!(outcome.report()["neutralized"], serde_json::json!([]));
    assert_eq!(outcome.report()["verification"]["left_out"], serde_json::json!([]));
    let (Some(one), Some(two)) = (dump::schema(15, &from.url()), dump::schema(15, &to.url())) else { return };
    dump::assert_same(&one, &two);
}

#[tokio::test]
async fn subscriptions_and_user_mappings_are_not_created_or_the_former_unable_to_act() {
    for major in [15, 18] {
        let (Some(source), Some(destination)) = (source(major), destination(major)) else { return };
        let (from, to) = (source.database("subscribed").await, destination.absent_database("subscribed"));
        let owner = source.role("subscriber", "SUPERUSER").await;
        let _there = owner.on(destination, "SUPERUSER").await;
        from.execute(&format!(
            "CREATE TABLE t (a int); CREATE FOREIGN DATA WRAPPER w; CREATE SERVER s FOREIGN DATA WRAPPER w;
             CREATE USER MAPPING FOR PUBLIC SERVER s OPTIONS (password 'secret-canary');
             CREATE SUBSCRIPTION \"a Sub\" CONNECTION 'dbname=nowhere password=secret-canary' PUBLICATION one, \"Two\"
             WITH (connect = false, slot_name = real_slot, binary = true, streaming = on, disable_on_error = true, synchronous_commit = local);
             COMMENT ON SUBSCRIPTION \"a Sub\" IS 'the real one'; ALTER SUBSCRIPTION \"a Sub\" OWNER TO {}",
            owner.name()
        ))
        .await;
        let state = "SELECT string_agg(concat_ws(' ', subname, subowner::regrole, subconninfo, subpublications, subenabled, subslotname, subbinary, substream,
            subdisableonerr, subsynccommit, obj_description(s.oid, 'pg_subscription')), ',')
            FROM pg_subscription AS s JOIN pg_database AS d ON d.oid = subdbid AND datname = current_database()";

        let outcome = clone_of(&from, &to, &[]).await;
        let lines = ["user mapping public on server s: not created", "subscription \"a Sub\": not created"];
        assert_eq!(outcome.report()["neutralized"], serde_json::json!(lines));
        let mappings = "SELECT string_agg(array_to_string(umoptions, ' '), ' ') FROM pg_user_mapping";
        assert_eq!(to.query_text(&format!("SELECT coalesce(({mappings}), 'none')")).await, "none");
        assert_eq!(to.query_text(&format!("SELECT coalesce(({state}), 'none')")).await, "none");
        assert!(!outcome.text().contains("secret-canary"));
        let differing = |to: &str| -> Option<Vec<String>> {
            Some(dump::differences(&dump::schema(major, &from.url())?, &dump::schema(major, to)?))
        };
        let Some(lines) = differing(&to.url()) else { return };
        let opens = |line: &String| {
            line.split(['(', ';', '\'']).next().unwrap().trim_end().replace(owner.name(), "OWNER")
        };
        let (mapping, subscription): (Vec<&String>, Vec<&String>) =
            lines.iter().partition(|line| !line.contains("SUBSCRIPTION"));
        assert_eq!(
            mapping,
            ["-CREATE USER MAPPING FOR public SERVER s OPTIONS (", "-    password 'secret-canary'", "-);"],
            "{lines:#?}"
        );
        assert_eq!(
            subscription.into_iter().map(opens).collect::<Vec<_>>(),
            [
                "-CREATE SUBSCRIPTION \"a Sub\" CONNECTION",
                "-ALTER SUBSCRIPTION \"a Sub\" OWNER TO OWNER",
                "-COMMENT ON SUBSCRIPTION \"a Sub\" IS"
            ],
            "{lines:#?}"
        );

        let more = ["--no-neutralize", "--confirm", to.name()];
        let outcome = clone_of(&from, &to, &more).await;
        assert!(!outcome.text().contains("secret-canary"));
        let expected = from.query_text(state).await.replace(" real_slot", "");
        for part in ["secret-canary", "the real one", owner.name()] {
            assert!(expected.contains(part), "{expected}");
        }
        assert_eq!(to.query_text(state).await, expected, "{major}");
        assert_eq!(to.query_text(mappings).await, "password=secret-canary");
        // Never the source's slot: the other server keeps changes in it for the source.
        let Some(lines) = differing(&to.url()) else { return };
        let without_slot =
            lines[0].replace("slot_name = 'real_slot'", "slot_name = NONE").replacen('-', "+", 1);
        assert_eq!(lines[1..], [without_slot], "{lines:#?}");

        to.execute("DROP SUBSCRIPTION \"a Sub\"").await;
        from.execute("ALTER SUBSCRIPTION \"a Sub\" SET (slot_name = NONE)").await;
        from.execute("DROP SUBSCRIPTION \"a Sub\"").await;
    }
}
