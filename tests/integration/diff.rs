//! `multiboard-sync diff`: none between equal schemas however they came to be, and every difference named.

use crate::support::cloning::clone_of;
use crate::support::{Binary, Database, destination, source};

async fn diff(from: &Database<'_>, to: &Database<'_>, code: i32) -> String {
    let output = Binary::new().run(&["diff", "--from", &from.url(), "--to", &to.url()]).await;
    output.expect_code(code);
    output.stdout
}

#[tokio::test]
async fn a_clone_has_no_difference_and_a_change_is_named() {
    let (Some(from_server), Some(to_server)) = (source(15), destination(15)) else { return };
    let from = from_server.database("diff").await;
    from.execute(
        "CREATE TYPE mood AS ENUM ('sad', 'happy');
         CREATE TABLE gone (id int); DROP TABLE gone;
         CREATE TABLE t (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, was int, m mood DEFAULT 'sad', n text);
         ALTER TABLE t DROP COLUMN was; CREATE INDEX ON t (n); CREATE VIEW v AS SELECT id FROM t;
         CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'; COMMENT ON TABLE t IS 'one'",
    )
    .await;
    let to = to_server.database("diff").await;
    clone_of(&from, &to, &[]).await.expect_code(0);
    assert_eq!(diff(&from, &to, 0).await, "the schemas are the same\n");
    to.execute("COMMENT ON TABLE t IS 'two'; DROP VIEW v; CREATE SCHEMA extra").await;
    assert_eq!(
        diff(&from, &to, 5).await,
        "- schema extra\n~ table public.t\n    + COMMENT ON TABLE \"public\".\"t\" IS 'one'\n    \
         - COMMENT ON TABLE \"public\".\"t\" IS 'two'\n+ view public.v\n3 objects differ\n"
    );
}
