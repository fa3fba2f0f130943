//! A clone of a Supabase database where roles may less: one that reads it, one that makes the copy, and `postgres`, which is no
//! superuser there.

use crate::support::supabase::{USER, as_role, asked, left_out, platform, project};
use crate::support::{Binary, Server, Settings, clone};

#[tokio::test]
async fn users_and_files_are_never_left_out_for_want_of_rights() {
    let (Some(source), Some(destination)) = (platform(15).await, Server::with(15, Settings::new())) else {
        return;
    };
    let (from, to) = (project(&source, "reader").await, destination.absent_database("reader"));
    let admin = as_role(&source, "supabase_admin", from.name()).await;
    admin.execute_all("CREATE ROLE reader LOGIN; GRANT pg_read_all_data TO reader").await;
    let reader = from.url_as("reader", "x");

    // Row-level security hides users and todos alike; of the platform's bookkeeping nothing is asked.
    let outcome = clone(&Binary::new(), &reader, &to.url(), &[]).await.expect_code(3);
    outcome.expect_error(&["rows_hidden", "auth.users", "storage.objects", "public.todos", "BYPASSRLS"]);
    let error = outcome.error().to_string();
    assert!(!error.contains("auth.sessions") && !error.contains("storage.migrations"), "{error}");
    assert_eq!(to.related_databases().await, [""; 0]);

    admin.execute_all("ALTER ROLE reader BYPASSRLS").await;
    drop(admin);
    let outcome = clone(&Binary::new(), &reader, &to.url(), &[]).await.expect_code(0);
    assert!(!outcome.skipped().contains(&"rows of storage.migrations"), "it may read all of it");
    assert_eq!(to.query_text("SELECT count(*) FROM storage.migrations").await, "2");
}

#[tokio::test]
async fn a_destination_without_superuser_gets_what_it_can() {
    let (Some(source), Some(destination)) = (platform(15).await, Server::with(18, Settings::new())) else {
        return;
    };
    let maker = destination.role("maker", "LOGIN CREATEDB CREATEROLE").await;
    let powerless = destination.role("powerless", "LOGIN CREATEDB").await;
    let (from, to) = (project(&source, "maker").await, destination.absent_database("maker"));
    let url = to.url_as(maker.name(), "x");

    let outcome = clone(&Binary::new(), &from.url(), &url, &[]).await.expect_code(0);

    let left = left_out(&outcome);
    // The destination's superuser has the name of the application's owner, and is nobody that ours may act as.
    for object in ["BYPASSRLS of role service_role", "role postgres"] {
        assert!(left.contains(&object), "{object} in {left:?}");
    }
    let todos = "SELECT count(*) FROM public.todos";
    assert_eq!(asked(&to, "authenticated", USER, todos).await, "4");
    assert_eq!(asked(&to, "service_role", USER, todos).await, "0");

    // Where roles cannot be made, nothing is refused: what is lost by it is said.
    let drop = "DROP ROLE anon, authenticated, service_role, supabase_auth_admin, supabase_storage_admin, \
                supabase_realtime_admin, supabase_functions_admin, supabase_admin, dashboard_user";
    destination.execute(&format!("DROP DATABASE {}", to.name())).await;
    destination.execute(drop).await;
    let url = to.url_as(powerless.name(), "x");
    let outcome = clone(&Binary::new(), &from.url(), &url, &[]).await.expect_code(0);
    let left = left_out(&outcome);
    for object in ["policy \"own todos\" on public.todos", "role anon", "role supabase_auth_admin"] {
        assert!(left.iter().any(|line| line.starts_with(object)), "{object} in {left:?}");
    }
}

/// `postgres` is no superuser on the platform and no policy holds it back there: functions that run in its name count on that.
#[tokio::test]
async fn where_postgres_is_created_policies_do_not_hold_it_back_either() {
    for major in [15, 18] {
        let (Some(source), Some(destination)) = (platform(major).await, Server::with(major, Settings::new()))
        else {
            return;
        };
        destination.execute("CREATE ROLE boss SUPERUSER LOGIN").await;
        let boss = as_role(&destination, "boss", "template1").await;
        boss.execute_all("ALTER ROLE postgres RENAME TO other_boss").await;
        let (from, to) = (project(&source, "named").await, destination.absent_database("named"));
        let admin = as_role(&source, "supabase_admin", from.name()).await;
        admin
            .execute_all(
                "CREATE FUNCTION public.users() RETURNS bigint LANGUAGE sql SECURITY DEFINER SET search_path = ''
                     AS 'SELECT count(*) FROM auth.users';
                 ALTER FUNCTION public.users() OWNER TO postgres; GRANT SELECT ON auth.users TO postgres;
                 GRANT EXECUTE ON FUNCTION public.users() TO authenticated",
            )
            .await;
        let outcome = clone(&Binary::new(), &from.url(), &to.url_as("boss", "x"), &[]).await.expect_code(0);
        let created = outcome.report()["created"].to_string();
        assert!(
            created.contains("role postgres, without login, member of anon, authenticated, service_role"),
            "{created}"
        );
        assert!(!outcome.skipped().contains(&"role postgres"), "{}", outcome.text());
        let copy = as_role(&destination, "boss", to.name()).await;
        let attributes = "SELECT string_agg(concat_ws(' ', rolname, rolbypassrls, rolcanlogin, rolsuper, rolcreaterole), ', ' ORDER BY rolname)
            FROM pg_roles WHERE rolname IN ('postgres', 'anon', 'service_role', 'supabase_auth_admin')";
        assert_eq!(
            copy.query_text(attributes).await,
            "anon f f f f, postgres t f f f, service_role t f f f, supabase_auth_admin f f f f"
        );
        let users = "SET ROLE authenticated; SELECT public.users()";
        let there = admin.query_text("SELECT count(*) FROM auth.users").await;
        assert_ne!(there, "0");
        assert_eq!(copy.query_text(users).await, there);
    }
}
