//! A clone from the page: started, confirmed by name, watched to its end, and taken back; names from the database are text there.

use serde_json::json;

use crate::support::fault::{Fault, Point};
use crate::support::{Binary, Browser, FaultProxy, Serving, destination, eventually, source};

/// Rows enough to be looked at in the middle, in tables with names that would do something if they were read as HTML.
const HOSTILE: &str = "<img src=x onerror=document.title='owned'>";

fn rows() -> String {
    let quoted = format!("\"{HOSTILE}\"");
    format!(
        "CREATE TABLE orders (id int PRIMARY KEY, customer int, note text, placed timestamptz DEFAULT now());
         INSERT INTO orders SELECT n, n % 500, repeat('x', 300), now() FROM generate_series(1, 30000) AS n;
         CREATE INDEX orders_by_customer ON orders (customer);
         CREATE TABLE customers (id int PRIMARY KEY, name text);
         INSERT INTO customers SELECT n, 'customer ' || n FROM generate_series(1, 500) AS n;
         CREATE TABLE {quoted} (a int); INSERT INTO {quoted} VALUES (1);
         CREATE TABLE line_items (id int PRIMARY KEY, of_order int, price numeric);
         INSERT INTO line_items SELECT n, n % 30000, n / 7.0 FROM generate_series(1, 60000) AS n"
    )
}

#[tokio::test]
async fn a_clone_is_started_confirmed_watched_and_taken_back() {
    let (Some(source), Some(destination)) = (source(18), destination(18)) else { return };
    let Some(browser) = Browser::start().await else { return };
    let (from, to) = (source.database("page").await, destination.absent_database("page"));
    from.execute(&rows()).await;
    destination.execute(&format!("CREATE DATABASE {}", to.name())).await;
    to.execute("CREATE TABLE made_here (id int)").await;
    let proxy = FaultProxy::start(source);
    let program = Binary::new().config(&format!(
        "[server]\ndata_dir = \"data\"\n[connections.staging]\nurl = \"{}\"\nrole = \"source\"\n\
         [connections.local]\nurl = \"{}\"\nrole = \"destination\"\n",
        proxy.url(from.name()),
        to.url()
    ));
    let server = Serving::start(&program).await;
    browser.open(&format!("http://{}/", server.address)).await;
    browser.fill("#token", &server.token).await;
    browser.click("form button[type=submit]").await;
    browser.click("a[href='#/start']").await;
    browser.sees("#confirm ~ .help", to.name()).await;
    browser.click(".end:has(#source) button").await;
    browser.sees(".end:has(#source) [role=status]", "PostgreSQL 18").await;
    browser.two_pictures("start").await;

    // The destination holds something: the server asks for its name, and the page for it to be typed.
    browser.click("form button[type=submit]").await;
    browser.sees(".panel", "confirmation_missing").await;
    let half = proxy.arm(Fault::stall_before(Point::ServerBytes(6_000_000)));
    browser.click("[data-action=confirm]").await;
    browser.sees("dialog", to.name()).await;
    browser.fill("#typed", "something_else").await;
    let disabled = "return document.querySelector('dialog [type=submit]').disabled";
    assert_eq!(browser.js(disabled).await, true, "another name was typed");
    browser.fill("#typed", to.name()).await;
    browser.click("dialog [type=submit]").await;
    half.fired().await;
    browser
        .sees_that(".percent", "a share of the clone, as an estimate", |text| text.starts_with("about "))
        .await;
    browser.sees(".tables", "public.orders").await;
    browser.sees(".phase", "copy").await;
    browser.pictures("clone").await;
    let address = browser.js("return location.hash").await;
    browser.open(&format!("http://{}/#/", server.address)).await;
    browser.sees(".job", "about").await;
    browser.pictures("list").await;
    browser.js("history.back()").await;
    eventually("the clone again", async || {
        let now = browser.js("return location.hash").await;
        if now == address { Ok(()) } else { Err(now.to_string()) }
    })
    .await;
    proxy.resume();

    browser.sees(".badge", "succeeded").await;
    browser.sees(".percent", "100 %").await;
    browser.sees("[aria-label=Report]", "all equal").await;
    browser.sees(".tables", "30,000 rows").await;
    browser.sees(".tables", HOSTILE).await;
    let owned = browser.js("return [document.title.includes('owned'), document.images.length]").await;
    assert_eq!(owned, json!([false, 1]), "a name is text and nothing else; the one image is the page's own");
    browser.two_pictures("done").await;

    browser.click("[data-action=undo]").await;
    browser.click("dialog [type=submit]").await;
    browser.sees("[aria-label=Report]", "It was undone").await;
    assert!(!browser.has("[data-action=undo]").await, "it is undone once");
    assert_eq!(to.query_text("SELECT count(*) FROM made_here").await, "0");
    browser.click(".back").await;
    browser
        .sees_that(".jobs", "both jobs", |text| text.contains("succeeded") && text.contains("failed"))
        .await;
    assert_eq!(browser.complaints().await, [""; 0]);

    // With less scope the same job offers less, and says so.
    browser.click("#sign-out").await;
    browser.fill("#token", &server.token_of(&program, "read").await).await;
    browser.click("form button[type=submit]").await;
    browser.click(".job[data-id]:last-child a").await;
    browser.sees(".actions", "Your token has scope read").await;
    assert!(!browser.has(".actions button").await);
}
