//! Roles that a clone creates (`--create-roles`), when the clone never comes to its end: they are named and taken away.

use multiboard_sync::safety::MARK_OF_ROLES;

use crate::support::cloning::{clone, start_clone};
use crate::support::{
    Binary, Database, Fault, FaultProxy, Outcome, Point, Role, Session, destination, eventually, source,
};

/// A source whose table belongs to one role and may be read by another, a member of it; the destination has neither.
struct Scene {
    roles: [Role<'static>; 2],
    from: Database<'static>,
    to: Database<'static>,
    far: FaultProxy,
    program: Binary,
    on_server: Session,
    /// No superuser, and may create databases and roles.
    maker: Role<'static>,
}

impl Scene {
    async fn prepare() -> Option<Self> {
        Self::prepare_on(15).await
    }

    async fn prepare_on(major: u16) -> Option<Self> {
        let (on_source, on_destination) = (source(15)?, destination(major)?);
        let roles = [on_source.role("owner", "").await, on_source.role("reader", "").await];
        let from = on_source.database("roles").await;
        from.execute(&format!(
            "CREATE TABLE t (id int); INSERT INTO t VALUES (1); ALTER TABLE t OWNER TO {0}; GRANT SELECT ON t TO {1}; GRANT {0} TO {1}",
            roles[0].name(),
            roles[1].name()
        ))
        .await;
        let to = on_destination.absent_database("roles");
        for text in ["connection to client lost", "terminating connection", "COPY from stdin failed"] {
            to.announce(text);
        }
        to.announce("unexpected EOF on client connection");
        let far = FaultProxy::start(on_destination);
        let on_server = on_destination.session().await;
        let maker = on_destination.role("maker", "LOGIN CREATEDB CREATEROLE").await;
        Some(Self { roles, from, to, far, program: Binary::new(), on_server, maker })
    }

    /// Kills a clone that has created its roles and copies rows.
    async fn killed_in_the_copy(&self) {
        self.killed_as("postgres").await;
    }

    async fn killed_as(&self, user: &str) {
        let armed = self.far.arm(Fault::stall_before(Point::ClientSends(b"PGCOPY\n\xff\r\n\0".to_vec())));
        let far = format!("postgres://{user}@{}/{}?sslmode=disable", self.far.address(), self.to.name());
        let running = start_clone(&self.program, &self.from.url(), &far, &["--create-roles"]);
        armed.fired().await;
        running.kill();
        running.finish().await;
        self.far.cut_all();
        self.far.resume();
        let query =
            format!("SELECT count(*) FROM pg_stat_activity WHERE datname LIKE 'mbs%{}'", self.to.name());
        eventually("the end of the killed program's sessions", async || {
            match self.on_server.query_text(&query).await.as_str() {
                "0" => Ok(()),
                other => Err(other.to_owned()),
            }
        })
        .await;
    }

    async fn clean(&self) -> String {
        let cleaned = self.program.run(&["clean", "--of", &self.to.url()]).await;
        cleaned.expect_code(0);
        cleaned.stdout
    }

    /// Which of the roles are there, and with what comment.
    async fn there(&self) -> Vec<String> {
        let query = format!(
            "SELECT concat_ws(' ', rolname, shobj_description(oid, 'pg_authid')) FROM pg_roles WHERE rolname IN ('{}', '{}') ORDER BY 1",
            self.roles[0].name(),
            self.roles[1].name()
        );
        self.on_server.query_rows(&query).await.into_iter().flatten().flatten().collect()
    }

    async fn drop_roles(&self) {
        let [owner, reader] = self.roles.each_ref().map(|role| role.name());
        self.on_server
            .execute_all(&format!("DROP ROLE IF EXISTS {owner}; DROP ROLE IF EXISTS {reader}"))
            .await;
    }
}

#[tokio::test]
async fn clean_names_and_removes_what_a_killed_clone_created() {
    let Some(scene) = Scene::prepare().await else { return };
    scene.killed_in_the_copy().await;
    assert_eq!(scene.there().await.len(), 2);
    // Another machine's record says nothing of them.
    let elsewhere = Binary::new().run(&["clean", "--of", &scene.to.url()]).await;
    assert!(elsewhere.expect_code(0).stdout.contains("from another machine or data directory"));
    assert_eq!(scene.there().await.len(), 2);

    let cleaned = scene.clean().await;

    for role in &scene.roles {
        assert!(cleaned.contains(&format!("{} (role) removed", role.name())), "{cleaned}");
    }
    assert_eq!(scene.there().await, [""; 0]);
    assert_eq!(scene.to.related_databases().await, [""; 0]);
    // Other tests' clones are at work on this server.
    let again = scene.clean().await;
    assert!(scene.roles.iter().all(|role| !again.contains(role.name())), "{again}");
}

#[tokio::test]
async fn who_is_no_superuser_cleans_up_after_its_clone_too() {
    for major in [15, 18] {
        let Some(scene) = Scene::prepare_on(major).await else { return };
        scene.killed_as(scene.maker.name()).await;
        assert_eq!(scene.there().await.len(), 2);
        let url = scene.to.url_as(scene.maker.name(), "unused");
        let cleaned = scene.program.run(&["clean", "--of", &url]).await;
        cleaned.expect_code(0);
        assert_eq!(scene.there().await, [""; 0], "{cleaned:?}");
        assert_eq!(scene.to.related_databases().await, [""; 0]);
        // From 16 on it shows who has created a role: the server has made it a member.
        if major < 16 {
            continue;
        }
        scene.killed_as(scene.maker.name()).await;
        let cleaned = scene.clean().await;
        assert_eq!(scene.there().await, [""; 0], "{cleaned}");
    }
}

#[tokio::test]
async fn a_role_that_may_not_be_dropped_is_named_and_keeps_nothing_else() {
    let Some(scene) = Scene::prepare().await else { return };
    scene.killed_as(scene.maker.name()).await;
    let [owner, reader] = scene.roles.each_ref().map(|role| role.name());
    scene.on_server.execute_all(&format!("ALTER ROLE {owner} SUPERUSER")).await;

    let url = scene.to.url_as(scene.maker.name(), "unused");
    let cleaned = scene.program.run(&["clean", "--of", &url]).await;

    cleaned.expect_code(0);
    let line = |role: &str| cleaned.stdout.lines().find(|line| line.starts_with(role)).unwrap_or_default();
    assert!(line(owner).contains("left alone") && line(owner).contains("superuser"), "{cleaned:?}");
    assert!(line(reader).contains("removed"), "{cleaned:?}");
    assert_eq!(scene.to.related_databases().await, [""; 0]);
    scene.on_server.execute_all(&format!("ALTER ROLE {owner} NOSUPERUSER")).await;
    scene.program.run(&["clean", "--of", &url]).await.expect_code(0);
    assert_eq!(scene.there().await, [""; 0]);
}

#[tokio::test]
async fn clean_leaves_roles_that_somebody_uses_by_now_and_says_by_what() {
    let Some(scene) = Scene::prepare().await else { return };
    scene.killed_in_the_copy().await;
    let [owner, reader] = scene.roles.each_ref().map(|role| role.name());
    let theirs = scene.to.server().database("theirs").await;
    theirs.execute(&format!("CREATE TABLE mine (a int); ALTER TABLE mine OWNER TO {owner}")).await;
    scene.on_server.execute_all(&format!("ALTER ROLE {reader} LOGIN")).await;

    let cleaned = scene.clean().await;

    let line =
        |role: &str| cleaned.lines().find(|line| line.starts_with(role)).unwrap_or_default().to_owned();
    assert!(line(owner).contains("left alone") && line(owner).contains(theirs.name()), "{cleaned}");
    assert!(line(reader).contains("left alone") && line(reader).contains("log in"), "{cleaned}");
    assert_eq!(scene.there().await.len(), 2);
    theirs.execute("DROP TABLE mine").await;
    scene.on_server.execute_all(&format!("ALTER ROLE {reader} NOLOGIN")).await;
    scene.clean().await;
    assert_eq!(scene.there().await, [""; 0]);
}

#[tokio::test]
async fn roles_of_a_clone_that_is_in_place_are_no_leftovers() {
    let Some(scene) = Scene::prepare().await else { return };
    let mut names: Vec<String> = scene.roles.iter().map(|role| role.name().to_owned()).collect();
    names.sort();
    // Killed when the swap has taken place, before its answer.
    let answer = Point::ServerSends(crate::support::fault::command_complete("COMMIT"));
    let armed =
        scene.far.arm(Fault::stall_before(Point::ClientSends(b"BEGIN; SET LOCAL lock_timeout".to_vec())));
    let far = scene.far.url(scene.to.name());
    let running = start_clone(&scene.program, &scene.from.url(), &far, &["--create-roles"]);
    armed.fired().await;
    let committed = scene.far.arm(Fault::stall_before(answer));
    scene.far.resume();
    committed.fired().await;
    running.kill();
    running.finish().await;
    scene.far.cut_all();
    scene.far.resume();
    assert_eq!(scene.to.query_text("SELECT id FROM t").await, "1");

    let cleaned = scene.clean().await;

    assert!(names.iter().all(|role| !cleaned.contains(role.as_str())), "{cleaned}");
    // The mark stays for the safety policy, and names no job any more.
    let settled: Vec<String> = names.iter().map(|role| format!("{role} {MARK_OF_ROLES}")).collect();
    assert_eq!(scene.there().await, settled);
    assert_eq!(
        scene.to.query_text("SELECT relowner::regrole FROM pg_class WHERE relname = 't'").await,
        scene.roles[0].name()
    );

    // And so they are where nothing went wrong.
    scene.on_server.execute_all(&format!("DROP DATABASE {}", scene.to.name())).await;
    scene.drop_roles().await;
    let outcome: Outcome =
        clone(&scene.program, &scene.from.url(), &scene.to.url(), &["--create-roles"]).await.expect_code(0);
    assert!(outcome.warnings("role_left").is_empty(), "{}", outcome.text());
    assert_eq!(scene.there().await, settled);
    scene.on_server.execute_all(&format!("DROP DATABASE {}", scene.to.name())).await;
    scene.drop_roles().await;
}

const MEMBERSHIPS: &str = "SELECT concat_ws(' ', m.rolname, g.rolname, a.admin_option, to_jsonb(a) ->> 'inherit_option', to_jsonb(a) ->> 'set_option')
    FROM pg_auth_members AS a JOIN pg_roles AS m ON m.oid = a.member JOIN pg_roles AS g ON g.oid = a.roleid
    WHERE m.rolname = ANY ('{NAMES}') ORDER BY 1";

#[tokio::test]
async fn roles_that_a_clone_creates_are_members_of_each_other_as_on_the_source() {
    for (from_major, to_major) in [(15, 15), (15, 18), (18, 18)] {
        let (Some(on_source), Some(on_destination)) = (source(from_major), destination(to_major)) else {
            return;
        };
        let [readers, writers] = [on_source.role("readers", "").await, on_source.role("writers", "").await];
        let seer = on_source.role("seer", "NOINHERIT BYPASSRLS").await;
        let (readers, writers, seer) = (readers.name(), writers.name(), seer.name());
        let from = on_source.database("members").await;
        from.execute(&format!(
            "CREATE TABLE t (id int); INSERT INTO t VALUES (1); ALTER TABLE t OWNER TO {seer}; ALTER TABLE t ENABLE ROW LEVEL SECURITY;
             ALTER TABLE t FORCE ROW LEVEL SECURITY; GRANT SELECT ON t TO {readers}, {writers};
             GRANT {readers} TO {writers} WITH ADMIN OPTION; GRANT {readers}, {writers} TO {seer}; GRANT pg_monitor TO {seer}"
        ))
        .await;
        if from_major >= 16 {
            from.execute(&format!("GRANT {writers} TO {seer} WITH INHERIT TRUE, SET FALSE")).await;
        }
        let to = on_destination.absent_database("members");
        let outcome = clone(&Binary::new(), &from.url(), &to.url(), &["--create-roles"]).await.expect_code(0);
        let created = outcome.report()["created"].to_string();
        assert!(
            created.contains(&format!("role {writers}, without login, member of {readers}")),
            "{created}"
        );
        let session = on_destination.session().await;
        let query = MEMBERSHIPS.replace("{NAMES}", &format!("{{{readers},{writers},{seer}}}"));
        let found: Vec<String> = session.query_rows(&query).await.into_iter().flatten().flatten().collect();
        let options = |old: &str, new: &str| if to_major >= 16 { format!(" {new}") } else { old.to_owned() };
        let to_seer = if from_major >= 16 { "true false" } else { "false true" };
        let mut expected = vec![
            format!("{seer} {readers} f{}", options("", "false true")),
            format!("{seer} {writers} f{}", options("", to_seer)),
            format!("{writers} {readers} t{}", options("", "true true")),
        ];
        expected.sort();
        assert_eq!(found, expected, "from {from_major} to {to_major}");
        // What it shares with nobody that the clone made is named; that policies do not hold it back is its own.
        let line = format!("role {seer}");
        assert_eq!(outcome.skipped(), [line.as_str()]);
        assert!(
            outcome.report()["skipped"].to_string().contains("membership in pg_monitor"),
            "{}",
            outcome.text()
        );
        assert_eq!(to.query_text(&format!("SET ROLE {seer}; SELECT count(*) FROM t")).await, "1");
        on_destination.execute(&format!("DROP DATABASE {}", to.name())).await;
        on_destination.execute(&format!("DROP ROLE {seer}; DROP ROLE {writers}; DROP ROLE {readers}")).await;
    }
}

#[tokio::test]
async fn what_roles_have_beside_the_database_is_named() {
    for major in [15, 18] {
        let (Some(on_source), Some(on_destination)) = (source(major), destination(major)) else { return };
        let (app, group) = (on_source.role("app", "").await, on_source.role("group", "").await);
        let bystander = on_source.role("bystander", "BYPASSRLS").await;
        let (app, group) = (app.name(), group.name());
        let (set, unset) = (
            format!(
                "GRANT SET ON PARAMETER log_min_duration_statement TO {app}; ALTER ROLE {app} SET work_mem = '9MB'"
            ),
            format!(
                "REVOKE SET ON PARAMETER log_min_duration_statement FROM {app}; ALTER ROLE {app} RESET work_mem"
            ),
        );
        on_source.execute(&format!("{set}; ALTER ROLE {app} BYPASSRLS; GRANT {group} TO {app}")).await;
        on_destination.execute(&format!("CREATE ROLE {app}; CREATE ROLE {group}")).await;
        let from = on_source.database("beside").await;
        from.execute(&format!(
            "CREATE TABLE t (id int); ALTER TABLE t OWNER TO {app}; GRANT SELECT ON t TO {}",
            bystander.name()
        ))
        .await;
        let to = on_destination.absent_database("beside");
        let strict = clone(&Binary::new(), &from.url(), &to.url(), &["--strict"]).await.expect_code(3);
        let words = format!(
            "has on the source and not on the destination: BYPASSRLS; membership in {group}; SET on log_min_duration_statement; \
             settings of its own (work_mem); that belongs to the whole server"
        );
        strict.expect_error(&[&format!("role {app}"), &words]);
        let outcome = clone(&Binary::new(), &from.url(), &to.url(), &[]).await.expect_code(0);
        // The one that is not there is named for what it would own and be granted.
        let lines = [format!("role {}", bystander.name()), format!("role {app}")];
        assert_eq!(outcome.skipped(), lines);
        assert!(
            outcome.report()["skipped"][1]["reason"].as_str().unwrap().contains(&words),
            "{}",
            outcome.text()
        );

        let all =
            format!("{set}; ALTER ROLE {app} BYPASSRLS; GRANT {group} TO {app}; DROP DATABASE {}", to.name());
        for statement in all.split("; ") {
            on_destination.execute(statement).await;
        }
        let outcome = clone(&Binary::new(), &from.url(), &to.url(), &[]).await.expect_code(0);
        assert_eq!(outcome.skipped(), [lines[0].as_str()]);
        on_source.execute(&unset).await;
        on_destination.execute(&unset).await;
        on_destination.execute(&format!("DROP DATABASE {}", to.name())).await;
        on_destination.execute(&format!("DROP ROLE {app}; DROP ROLE {group}")).await;
    }
}
