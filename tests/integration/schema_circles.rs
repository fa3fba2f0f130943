//! Objects that need each other, which a dump of PostgreSQL's own cannot restore: compared by the program's own `diff`.

use crate::support::cloning::clone_of;
use crate::support::fixture::make_roles;
use crate::support::{Binary, destination, source};

/// Bodies that the server reads when the function is created: made by replacing others that had none of these needs.
const BODIES: &str = "CREATE FUNCTION f1(n int) RETURNS int LANGUAGE sql RETURN n;
    CREATE FUNCTION f2(int) RETURNS int LANGUAGE sql STABLE RETURN f1($1) + 1;
    CREATE OR REPLACE FUNCTION f1(n int) RETURNS int LANGUAGE sql STRICT COST 7
        BEGIN ATOMIC SELECT CASE WHEN n > 0 THEN f2(n - 1) ELSE 0 END; END;
    ALTER FUNCTION f1(int) OWNER TO mbs_owner; COMMENT ON FUNCTION f1(int) IS 'calls f2'; REVOKE ALL ON FUNCTION f2(int) FROM PUBLIC;
    GRANT EXECUTE ON FUNCTION f2(int) TO mbs_owner;
    CREATE FUNCTION fact(int) RETURNS numeric LANGUAGE sql RETURN 1::numeric;
    CREATE OR REPLACE FUNCTION fact(int) RETURNS numeric LANGUAGE sql
        BEGIN ATOMIC SELECT CASE WHEN $1 < 2 THEN 1::numeric ELSE $1 * fact($1 - 1) END; END;
    CREATE FUNCTION several(INOUT a int, OUT b text, VARIADIC c int[] DEFAULT '{1}') LANGUAGE sql BEGIN ATOMIC SELECT $1, 'b'; END;
    CREATE FUNCTION rows_of(n int DEFAULT 2) RETURNS TABLE (a int, \"B c\" text) LANGUAGE sql BEGIN ATOMIC SELECT 1, 'x'; END;
    CREATE OR REPLACE FUNCTION several(INOUT a int, OUT b text, VARIADIC c int[] DEFAULT '{1}') LANGUAGE sql
        BEGIN ATOMIC SELECT r.a + $1, r.\"B c\" FROM rows_of(1) r; END;
    CREATE OR REPLACE FUNCTION rows_of(n int DEFAULT 2) RETURNS TABLE (a int, \"B c\" text) LANGUAGE sql
        BEGIN ATOMIC SELECT n, 'x' UNION ALL SELECT s.a, s.b FROM several(n) s WHERE n > 100; END;
    CREATE PROCEDURE calls(INOUT int DEFAULT 1) LANGUAGE sql BEGIN ATOMIC SELECT 1; END;
    CREATE FUNCTION of_call() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT 1; END;
    CREATE TABLE counted (id int); CREATE FUNCTION next_id() RETURNS int LANGUAGE sql
        BEGIN ATOMIC SELECT coalesce(max(id), 0) + f1(1) FROM counted; END;
    ALTER TABLE counted ALTER id SET DEFAULT next_id(); INSERT INTO counted DEFAULT VALUES;
    CREATE VIEW va AS SELECT 1 AS a; CREATE FUNCTION of_va() RETURNS SETOF va LANGUAGE sql BEGIN ATOMIC SELECT * FROM va; END;
    CREATE OR REPLACE VIEW va AS SELECT count(*)::int AS a FROM of_va() WHERE false";

#[tokio::test]
async fn functions_whose_bodies_need_each_other_are_made() {
    for (from_major, to_major) in [(15, 15), (15, 18), (18, 18)] {
        let (Some(on_source), Some(on_destination)) = (source(from_major), destination(to_major)) else {
            return;
        };
        make_roles(on_source).await;
        make_roles(on_destination).await;
        let (from, to) = (on_source.database("circles").await, on_destination.absent_database("circles"));
        from.execute(BODIES).await;
        assert_eq!(clone_of(&from, &to, &["--verify", "checksum"]).await.skipped(), [""; 0]);
        Binary::new().run(&["diff", "--from", &from.url(), "--to", &to.url()]).await.expect_code(0);
        let called = "SELECT concat(f1(3), ' ', fact(5), ' ', several(7), ' ', (SELECT string_agg(r::text, ',') FROM rows_of() r))";
        assert_eq!(to.query_text(called).await, from.query_text(called).await);
        let recursive =
            "SELECT count(*) FROM pg_proc WHERE prosqlbody IS NULL AND pronamespace = 'public'::regnamespace";
        assert_eq!(to.query_text(recursive).await, "0", "a declaration is left");

        // The statements of a difference run in sessions that look at bodies.
        let empty = on_destination.database("circles").await;
        let (here, there) = (from.url(), empty.url());
        let diff = ["diff", "--from", &here, "--to", &there];
        let statements = Binary::new().run(&[&diff[..], &["--sql"]].concat()).await;
        empty.execute(&statements.expect_code(5).stdout).await;
        Binary::new().run(&diff).await.expect_code(0);
    }
}

#[tokio::test]
async fn a_function_whose_body_needs_what_is_left_out_is_not_left_half_made() {
    let (Some(on_source), Some(on_destination)) = (source(15), destination(15)) else { return };
    make_roles(on_source).await;
    make_roles(on_destination).await;
    let (from, to) = (on_source.database("circles").await, on_destination.absent_database("circles"));
    from.execute(BODIES).await;
    let outcome = clone_of(&from, &to, &["--exclude", "public.counted"]).await;
    assert_eq!(outcome.skipped(), ["function public.next_id()"]);
    assert_eq!(to.query_text("SELECT count(*) FROM pg_proc WHERE proname = 'next_id'").await, "0");
    assert_eq!(to.query_text("SELECT f1(3)").await, from.query_text("SELECT f1(3)").await);
}
