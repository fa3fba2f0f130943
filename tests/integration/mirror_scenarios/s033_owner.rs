//! `033_run_as_table_owner.pl`: changes are written as the role that connects, whoever owns the table.

use super::on_both;

#[tokio::test]
async fn s033_run_as_table_owner_triggers_run_as_the_role_that_connects() {
    let schema = "CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t SELECT g, 'a' FROM generate_series(1, 300) g;
        CREATE TABLE f (a int, b text); ALTER TABLE f REPLICA IDENTITY FULL; INSERT INTO f VALUES (1, 'a')";
    on_both("run_as", schema, async |mirror| {
        let owner = mirror.to.server().role("owner", "NOLOGIN").await;
        mirror.start().await;
        let mine = format!(
            "CREATE TABLE seen (who text, what text);
             CREATE FUNCTION see() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO public.seen VALUES (current_user, TG_OP); RETURN NULL; END';
             ALTER FUNCTION see() OWNER TO {role}"
        , role = owner.name());
        mirror.destination(&mine).await;
        for table in ["t", "f"] {
            let fires = format!(
                "CREATE TRIGGER see AFTER INSERT OR UPDATE OR DELETE ON {table} FOR EACH ROW EXECUTE FUNCTION see();
                 ALTER TABLE {table} ENABLE ALWAYS TRIGGER see; ALTER TABLE {table} OWNER TO {role}",
                role = owner.name()
            );
            mirror.destination(&fires).await;
        }
        // The owner itself may not even write where its trigger writes.
        mirror.source("UPDATE t SET v = 'b' WHERE id = 1; DELETE FROM t WHERE id = 2; UPDATE f SET b = 'b'; DELETE FROM f").await;
        // So many come by COPY.
        mirror.source("INSERT INTO t SELECT g, 'c' FROM generate_series(1001, 1500) g").await;
        mirror.caught_up().await;
        let seen = "SELECT string_agg(line, ', ' ORDER BY line) FROM (SELECT concat_ws(' ', who, what, count(*)) AS line FROM seen GROUP BY who, what) AS s";
        assert_eq!(mirror.here(seen).await, "postgres DELETE 2, postgres INSERT 500, postgres UPDATE 2");
        mirror.destination("DROP TABLE seen; ALTER TABLE t OWNER TO postgres; ALTER TABLE f OWNER TO postgres; ALTER FUNCTION see() OWNER TO postgres").await;
    })
    .await;
}
