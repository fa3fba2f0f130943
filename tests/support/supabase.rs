//! Supabase as its databases show it, imitated: a cluster whose superuser is `supabase_admin`, while whoever connects is
//! `postgres`, who owns the database and is kept out of parts of it.

use super::{Database, Outcome, Server, Session, Settings};

const CLUSTER: &str = include_str!("../platforms/supabase_cluster.sql");
const DATABASE: &str = include_str!("../platforms/supabase.sql");

/// Secrets, and a view of the application on them.
const VAULT: &str = "CREATE TABLE vault.secrets (id int PRIMARY KEY, secret text); INSERT INTO vault.secrets VALUES (1, 'sealed');
    CREATE VIEW vault.decrypted_secrets AS SELECT id, secret FROM vault.secrets;
    CREATE FUNCTION vault.create_secret(text) RETURNS int LANGUAGE sql AS 'SELECT 1'";
const ON_VAULT: &str = "CREATE SCHEMA ops; CREATE VIEW ops.keys AS SELECT id FROM vault.decrypted_secrets;
    ALTER SCHEMA ops OWNER TO postgres; ALTER VIEW ops.keys OWNER TO postgres";

/// The user whose rows are asked for.
pub const USER: &str = "00000000-0000-0000-0000-000000000007";

/// A file of an extension of the platform, which the destination does not have.
fn control(schema: &str) -> Vec<u8> {
    format!("default_version = '1.0'\nrelocatable = false\nschema = {schema}\n").into_bytes()
}

/// A cluster as the platform has it. From 18 on an extension may lie outside of the installation, so there the platform's
/// own are imitated too.
pub async fn platform(major: u16) -> Option<Server> {
    let mut settings = Settings::new();
    if major >= 18 {
        let vault = format!("{VAULT}; SELECT pg_catalog.pg_extension_config_dump('vault.secrets', '');");
        settings = settings
            .set("extension_control_path", "$system:$FOLDER")
            .file("extension/supabase_vault.control", &control("vault"))
            .file("extension/supabase_vault--1.0.sql", vault.as_bytes())
            .file("extension/pg_net.control", &control("net"))
            .file(
                "extension/pg_net--1.0.sql",
                b"CREATE FUNCTION net.http_post(text, jsonb) RETURNS bigint LANGUAGE sql AS 'SELECT 1::bigint';",
            );
    }
    let server = Server::with(major, settings)?;
    server.execute("CREATE ROLE founder SUPERUSER LOGIN").await;
    let founder = as_role(&server, "founder", "postgres").await;
    founder
        .execute_all(
            "ALTER ROLE postgres RENAME TO supabase_admin; CREATE ROLE postgres LOGIN CREATEROLE CREATEDB REPLICATION BYPASSRLS",
        )
        .await;
    drop(founder);
    let admin = as_role(&server, "supabase_admin", "postgres").await;
    admin.execute_all("DROP ROLE founder").await;
    admin.execute_all(CLUSTER).await;
    Some(server)
}

/// A session of a role.
pub async fn as_role(server: &Server, role: &str, database: &str) -> Session {
    Session::open(&format!("postgres://{role}@{}/{database}", server.address())).await
}

/// A project's database.
pub async fn project<'s>(server: &'s Server, name: &str) -> Database<'s> {
    let database = server.database(name).await;
    let admin = as_role(server, "supabase_admin", database.name()).await;
    admin.execute_all(DATABASE).await;
    let vault = match server.major() {
        18.. => "CREATE EXTENSION supabase_vault; CREATE EXTENSION pg_net".to_owned(),
        _ => ["CREATE SCHEMA vault; ", VAULT].concat(),
    };
    admin.execute_all(&vault).await;
    admin.execute_all(ON_VAULT).await;
    admin
        .execute_all(&format!(
            "ALTER DATABASE {0} SET \"app.settings.jwt_secret\" = 'canary'; ALTER DATABASE {0} SET \"app.settings.jwt_exp\" = '3600'",
            database.name()
        ))
        .await;
    database
}

/// Objects that the report calls left out, sorted.
pub fn left_out(outcome: &Outcome) -> Vec<&str> {
    let mut left_out = outcome.skipped();
    left_out.sort_unstable();
    left_out
}

/// What a request with these claims sees.
pub async fn asked(database: &Database<'_>, role: &str, user: &str, query: &str) -> String {
    let session = database.session().await;
    session
        .execute_all(&format!("SET ROLE {role}; SET request.jwt.claims = '{{\"sub\": \"{user}\"}}'"))
        .await;
    session.query_text(query).await
}
