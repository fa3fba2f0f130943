//! Roles that a clone creates (`--create-roles`), when the clone never comes to its end: they are named and taken away.

use multiboard_sync::safety::MARK_OF_ROLES;

use crate::support::cloning::{clone, start_clone};
use crate::support::{
    Binary, Database, Fault, FaultProxy, Outcome, Point, Role, Session, destination, eventually, source,
};

/// A source whose table belongs to one role and may be read by another; the destination has neither.
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
            "CREATE TABLE t (id int); INSERT INTO t VALUES (1); ALTER TABLE t OWNER TO {}; GRANT SELECT ON t TO {}",
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
    let answer = Point::ServerSends(crate::support::fault_proxy::command_complete("COMMIT"));
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
