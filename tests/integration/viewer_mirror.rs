//! A mirror on the page: its lag, a pause from there, and a server that goes away and comes back under it.

use serde_json::{Value, json};

use crate::support::mirroring::SLOTS;
use crate::support::{Binary, Browser, Database, Serving, destination, eventually, source};

fn program(from: &Database<'_>, to: &Database<'_>) -> Binary {
    Binary::new().config(&format!(
        "[server]\ndata_dir = \"data\"\n[connections.staging]\nurl = \"{}\"\nrole = \"source\"\n\
         [connections.local]\nurl = \"{}\"\nrole = \"destination\"\n",
        from.url(),
        to.url()
    ))
}

fn asked() -> Value {
    json!({"type": "mirror", "source": "staging", "destination": "local",
        "options": {"name": "shop", "accept_unbounded_wal": true}})
}

#[tokio::test]
async fn a_mirror_is_watched_paused_and_watched_again_after_its_server_was_gone() {
    let (Some(source), Some(destination)) = (source(18), destination(18)) else { return };
    let Some(browser) = Browser::start().await else { return };
    let (from, to) = (source.database("page_mirror").await, destination.absent_database("page_mirror"));
    from.execute("CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t SELECT n, 'a' FROM generate_series(1, 1000) AS n").await;
    let program = program(&from, &to);
    let server = Serving::start(&program).await;
    let id = server.ask(&asked()).await;
    let page = format!("http://{}/#/jobs/{id}", server.address);
    browser.open(&page).await;
    browser.fill("#token", &server.token).await;
    browser.click("form button[type=submit]").await;
    browser.sees(".badge", "streaming").await;
    let mirror = "[aria-label=Mirror]";
    browser
        .sees_that(mirror, "a lag", |text| text.contains("Behind by") && !text.contains("Behind by\n–"))
        .await;
    from.execute("INSERT INTO t SELECT n, repeat('b', 200) FROM generate_series(1001, 9000) AS n").await;
    browser.sees(mirror, "8,000").await;
    let drawn = "const line = document.querySelector('.chart .line').getAttribute('d'); return (line ?? '').split('L').length";
    eventually("a line of several points", async || {
        let points = browser.js(drawn).await;
        if points.as_u64() > Some(2) { Ok(()) } else { Err(points.to_string()) }
    })
    .await;
    browser.pictures("mirror").await;

    browser.click("[data-action=pause]").await;
    browser.sees(".badge", "paused").await;
    browser.click(".back").await;
    browser.sees(".job .badge", "paused").await;
    // Somebody else has it go on: the list says so, too.
    let resumed = server.post(&format!("/v1/jobs/{id}/resume"), &json!({})).await;
    assert_eq!(resumed.status, 202, "{}", resumed.body);
    browser.sees(".job .badge", "streaming").await;
    browser.click(".job a").await;
    browser.sees(".badge", "streaming").await;

    // The server dies: the page says that what it shows is old, and comes back by itself, without being loaded again.
    browser
        .js("window.mark = 'the same page'; window.sent = []; const send = WebSocket.prototype.send; \
        WebSocket.prototype.send = function (text) { window.sent.push(text); return send.call(this, text); }")
        .await;
    let address = server.address.clone();
    server.running.kill();
    server.running.finish().await;
    browser.sees("#stale", "what is shown is stale, as it was at").await;
    browser.sees("#connection", "Stale").await;
    browser.two_pictures("stale").await;
    // Nobody listens: of that the browser complains, and of nothing else.
    let complaints = browser.complaints().await;
    assert!(
        complaints.iter().all(|line| line.contains("net::ERR_") || line.contains("WebSocket connection")),
        "{complaints:?}"
    );
    from.execute("INSERT INTO t SELECT n, 'c' FROM generate_series(9001, 9500) AS n").await;
    let server = Serving::start_at(&program, &address).await;
    browser.sees("#connection", "Live").await;
    browser.sees(".badge", "streaming").await;
    browser.sees(mirror, "8,500").await;
    browser.sees_no("#stale").await;
    assert_eq!(browser.js("return window.mark").await, "the same page");

    // It went on behind what it had, and did not begin anew.
    let resumed = browser
        .js("return window.sent.map(JSON.parse).findLast((one) => one.type === 'subscribe').resume")
        .await;
    assert!(resumed["epoch"].is_string() && resumed["after"].as_u64() > Some(5), "{resumed}");

    // A server that hangs is noticed without a word from it.
    server.running.stands_still();
    browser.sees("#stale", "what is shown is stale").await;
    server.running.goes_on();
    browser.sees("#connection", "Live").await;
}

#[tokio::test]
async fn a_mirror_is_compared_mended_and_dropped() {
    let (Some(source), Some(destination)) = (source(18), destination(18)) else { return };
    let Some(browser) = Browser::start().await else { return };
    let (from, to) = (source.database("page_mended").await, destination.absent_database("page_mended"));
    from.execute("CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t SELECT n, 'a' FROM generate_series(1, 100) AS n").await;
    let program = program(&from, &to);
    let server = Serving::start(&program).await;
    let id = server.ask(&asked()).await;
    let page = format!("http://{}/#/jobs/{id}", server.address);
    browser.open(&page).await;
    browser.fill("#token", &server.token).await;
    browser.click("form button[type=submit]").await;
    browser.sees(".badge", "streaming").await;

    // Somebody changes what was copied: a comparison says so, and the table is copied again.
    to.execute("UPDATE t SET v = 'damaged' WHERE id = 7").await;
    browser.click("[data-action=verify]").await;
    browser.js("const mode = document.querySelector('dialog select'); mode.value = 'checksum'").await;
    browser.click("dialog [type=submit]").await;
    browser.sees("h1", "Verify").await;
    browser.sees("[aria-label=Report] .bad", "public.t").await;
    browser.open(&page).await;
    browser.click("[data-action=resync]").await;
    browser.fill("dialog input", "public.t").await;
    browser.click("dialog [type=submit]").await;
    browser.sees_no("dialog").await;
    eventually("the row as it was", async || match to.query_text("SELECT v FROM t WHERE id = 7").await {
        value if value == "a" => Ok(()),
        value => Err(value),
    })
    .await;

    // A change that the destination contradicts stops it: the page offers to leave that out, and to go on.
    to.execute("DELETE FROM t WHERE id = 8").await;
    from.execute("UPDATE t SET v = 'b' WHERE id = 8").await;
    from.execute("UPDATE t SET v = 'c' WHERE id = 9").await;
    browser.sees(".panel.bad", "public.t").await;
    browser.click("[data-action=skip]").await;
    browser.click("dialog [type=submit]").await;
    browser.sees_no("dialog").await;
    browser.click("[data-action=resume]").await;
    browser.sees(".badge", "streaming").await;
    assert_eq!(
        to.query_text("SELECT string_agg(v, ',' ORDER BY id) FROM t WHERE id BETWEEN 7 AND 9").await,
        "a,c"
    );

    browser.click("[data-action=drop]").await;
    browser.fill("#typed", "shop").await;
    browser.click("dialog [type=submit]").await;
    browser.sees_no("dialog").await;
    browser.sees(".badge", "cancelled").await;
    assert_eq!(from.query_text(SLOTS).await, "0");
    assert_eq!(browser.complaints().await, [""; 0]);
}
