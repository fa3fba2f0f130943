//! The page of the server: its files and what they forbid the browser, its door, and that a keyboard, a narrow screen and little
//! scope are enough for what they are to be enough for.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::browser::{ENTER, ESCAPE, SPACE, TAB};
use crate::support::{Binary, Browser, Serving};

#[tokio::test]
async fn its_files_are_for_everyone_and_keep_the_browser_to_themselves() {
    let program = Binary::new();
    let server = Serving::start(&program).await;
    for (path, kind) in [
        ("/", "text/html; charset=utf-8"),
        ("/assets/main.js", "text/javascript; charset=utf-8"),
        ("/assets/page.css", "text/css; charset=utf-8"),
        ("/assets/icon.svg", "image/svg+xml"),
    ] {
        let page = server.send(server.bare(Method::GET, path)).await;
        let header = |name: &str| page.headers[name].to_str().unwrap().to_owned();
        assert_eq!((page.status, header("content-type").as_str()), (StatusCode::OK, kind), "{path}");
        let policy = header("content-security-policy");
        for word in [
            "default-src 'none'",
            "script-src 'self'",
            "frame-ancestors 'none'",
            "require-trusted-types-for 'script'",
        ] {
            assert!(policy.contains(word), "{policy}");
        }
        assert!(
            policy.contains(&format!("connect-src 'self' ws://{0} wss://{0};", server.address)),
            "{policy}"
        );
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!(
            (header("x-content-type-options"), header("referrer-policy")),
            ("nosniff".into(), "no-referrer".into())
        );
        assert_eq!(header("cache-control"), "no-cache");
        let again = server.bare(Method::GET, path).header("if-none-match", header("etag"));
        let again = server.send(again).await;
        assert_eq!((again.status, &again.body), (StatusCode::NOT_MODIFIED, &Value::from("")), "{path}");
        let head = server.send(server.bare(Method::HEAD, path)).await;
        assert_eq!((head.status, &head.headers["etag"]), (StatusCode::OK, &page.headers["etag"]), "{path}");
        let post = server.send(server.bare(Method::POST, path)).await;
        assert_eq!(
            (post.status, &post.body["status"]),
            (StatusCode::METHOD_NOT_ALLOWED, &405.into()),
            "{path}"
        );
    }
    for path in ["/assets/nothing.js", "/assets/..%2fmod.rs", "/assets/"] {
        let missing = server.get(path).await;
        assert_eq!(
            (missing.status, &missing.headers["content-type"]),
            (StatusCode::NOT_FOUND, &"application/problem+json".parse().unwrap()),
            "{path}"
        );
    }
    let foreign = server.bare(Method::GET, "/").header("host", "evil.example");
    assert_eq!(server.send(foreign).await.status, StatusCode::MISDIRECTED_REQUEST);
    for scope in ["read", "run", "admin"] {
        let token = server.token_of(&program, scope).await;
        let who = server.send(server.bare(Method::GET, "/v1/token").bearer_auth(&token)).await;
        assert_eq!((who.status, &who.body["scope"]), (StatusCode::OK, &scope.into()));
        assert!(!who.body.to_string().contains(&token), "{}", who.body);
    }
}

#[tokio::test]
async fn a_token_opens_the_door_and_is_kept_nowhere_else() {
    let Some(browser) = Browser::start().await else { return };
    let program = Binary::new();
    let server = Serving::start(&program).await;
    let page = format!("http://{}/", server.address);
    browser.open(&page).await;
    browser.sees("h1", "Sign in").await;
    browser.two_pictures("door").await;
    browser.fill("#token", "mbs_of_nobody").await;
    browser.click("form button[type=submit]").await;
    browser.sees("[role=alert]", "This token is not valid").await;
    // That the answer was 401 is all that the browser may complain of so far.
    let complaints = browser.complaints().await;
    assert!(complaints.iter().all(|line| line.contains("401")), "{complaints:?}");

    browser.fill("#token", &server.token).await;
    browser.click("form button[type=submit]").await;
    browser.sees("h1", "Jobs").await;
    browser.sees("#connection", "Live").await;
    browser.sees("main", "No jobs yet").await;
    let kept = browser.js("return [sessionStorage.length, localStorage.length, location.href]").await;
    assert_eq!(kept, json!([1, 0, page]));
    browser.open(&format!("{page}#/jobs/job_01J9Z3K5V7Q2M4N6P8R0S2T4V6")).await;
    browser.sees("main", "there is no job").await;
    browser.open(&format!("{page}#/jobs/<img src=x>%")).await;
    browser.sees("h1", "Jobs").await;
    // A page that is loaded again in this tab goes on; after leaving nothing is kept.
    browser.open(&format!("{page}#/start")).await;
    browser.js("location.reload()").await;
    browser.sees("h1", "Start a job").await;
    browser.click("#sign-out").await;
    browser.sees("h1", "Sign in").await;
    assert_eq!(browser.js("return [sessionStorage.length, localStorage.length]").await, json!([0, 0]));

    // Asked for, it is kept on the device; taken back, it ends the page's session by itself.
    let token = server.token_of(&program, "read").await;
    browser.fill("#token", &token).await;
    browser.click("#keep").await;
    browser.click("form button[type=submit]").await;
    // What it may not do is explained and not offered.
    browser.sees("h1", "Start a job").await;
    browser.sees(".note", "scope read").await;
    assert!(!browser.has("form").await);
    browser.click(".back").await;
    browser.sees("h1", "Jobs").await;
    browser.sees(".note", "scope read").await;
    assert!(!browser.has("a[href='#/start']").await);
    assert_eq!(browser.js("return [sessionStorage.length, localStorage.length]").await, json!([0, 1]));
    assert_eq!(browser.complaints().await, [""; 0]);
    let listed = program.run(&["token", "list", "--json"]).await;
    let id = listed.events().iter().find(|token| token["scope"] == "read").unwrap()["id"]
        .as_str()
        .unwrap()
        .to_owned();
    program.run(&["token", "revoke", &id]).await.expect_code(0);
    crate::support::eventually("a token that is refused", async || {
        let status = server.send(server.bare(Method::GET, "/v1/token").bearer_auth(&token)).await.status;
        if status == StatusCode::UNAUTHORIZED { Ok(()) } else { Err(status.to_string()) }
    })
    .await;
    browser.js("location.hash = '#/'; location.reload()").await;
    browser.sees("[role=alert]", "does not know this token any more").await;
    assert_eq!(browser.js("return [sessionStorage.length, localStorage.length]").await, json!([0, 0]));
}

#[tokio::test]
async fn many_jobs_come_page_by_page_and_new_ones_at_the_top() {
    let Some(browser) = Browser::start().await else { return };
    let program = Binary::new();
    let server = Serving::start(&program).await;
    let asked = json!({"type": "test", "options": {"seconds": 0}});
    for _ in 0..53 {
        server.ask(&asked).await;
    }
    browser.open(&format!("http://{}/", server.address)).await;
    browser.fill("#token", &server.token).await;
    browser.click("form button[type=submit]").await;
    let shown = async |wanted: u64| {
        crate::support::eventually("as many jobs", async || {
            let count = browser.js("return document.querySelectorAll('.job').length").await;
            if count == wanted { Ok(()) } else { Err(count.to_string()) }
        })
        .await;
    };
    shown(50).await;
    browser.click(".jobs ~ button").await;
    shown(53).await;
    browser.sees_no(".jobs ~ button").await;
    let id = server.ask(&asked).await;
    shown(54).await;
    let first = browser.js("return document.querySelector('.job').dataset.id").await;
    assert_eq!(first, id.as_str(), "the newest comes first");
    // Those that waited for their turn are told of when they are over.
    browser.sees(&format!(".job[data-id={id}] .badge"), "succeeded").await;
    assert_eq!(browser.complaints().await, [""; 0]);
}

#[tokio::test]
async fn a_keyboard_and_a_narrow_screen_are_enough() {
    let Some(browser) = Browser::start().await else { return };
    let program = Binary::new();
    let server = Serving::start(&program).await;
    browser.is_wide(360, 740).await;
    browser.open(&format!("http://{}/", server.address)).await;
    let fits = async |place: &str| {
        let wide = browser.js("return [document.documentElement.scrollWidth, innerWidth]").await;
        assert_eq!(wide, json!([360, 360]), "{place} is wider than the screen");
    };
    browser.sees("h1", "Sign in").await;
    fits("the door").await;
    browser.tab_to("#token").await;
    browser.keys(server.token.chars().chain([ENTER])).await;
    browser.sees("#connection", "Live").await;
    browser.tab_to("Start a job").await;
    // What has the focus shows it.
    let outline = browser.js("return getComputedStyle(document.activeElement).outlineStyle").await;
    assert_eq!(outline, "solid");
    fits("the list").await;
    browser.keys([ENTER]).await;
    browser.sees("h1", "Start a job").await;
    fits("the form").await;
    browser.tab_to("[type]").await;
    browser.keys(['\u{E012}']).await;
    browser.sees(".kind:has(:checked)", "Test").await;
    browser.tab_to("[seconds]").await;
    browser.keys("600".chars()).await;
    browser.tab_to("button Start").await;
    browser.keys([SPACE]).await;
    browser.sees(".badge", "running").await;
    fits("a job").await;
    let job = browser.js("return location.hash.split('/')[2]").await;

    // The question keeps the focus until it is answered, and gives it back.
    browser.tab_to("Cancel…").await;
    browser.keys([ENTER]).await;
    browser.sees("dialog", "Cancel this test?").await;
    fits("a question").await;
    for _ in 0..6 {
        browser.keys([TAB]).await;
        let inside = browser.js("const at = document.activeElement; return at === document.body || at.closest('dialog') !== null").await;
        assert_eq!(inside, true, "the focus left the question for {}", browser.focus().await);
    }
    browser.keys([ESCAPE]).await;
    browser.sees_no("dialog").await;
    assert!(browser.focus().await.contains("Cancel…"), "{}", browser.focus().await);
    browser.keys([ENTER]).await;
    browser.tab_to("Cancel the test").await;
    browser.keys([ENTER]).await;
    browser.sees(".badge", "cancelled").await;
    let said = browser.js("return document.getElementById('announcer').textContent").await;
    assert!(said.as_str().unwrap().contains("cancelled"), "{said}");
    assert_eq!(server.job(job.as_str().unwrap()).await["status"], "cancelled");

    let moves = "return getComputedStyle(document.querySelector('.fill')).transitionDuration";
    assert_ne!(browser.js(moves).await, "0s");
    browser.keeps_still().await;
    assert_eq!(browser.js(moves).await, "0s");

    // Light and dark: as the system has it, until somebody chooses.
    let ground = async || browser.js("return getComputedStyle(document.body).backgroundColor").await;
    browser.looks("phone", "light").await;
    let light = ground().await;
    browser.looks("phone", "dark").await;
    let dark = ground().await;
    assert_ne!(light, dark);
    browser.click("#theme").await;
    assert_eq!(ground().await, light, "chosen: light, though the system is dark");
    browser.js("location.reload()").await;
    browser.sees(".badge", "cancelled").await;
    assert_eq!(ground().await, light, "the choice is kept");
    browser.click("#theme").await;
    assert_eq!(ground().await, dark);
    assert_eq!(browser.complaints().await, [""; 0]);
}
