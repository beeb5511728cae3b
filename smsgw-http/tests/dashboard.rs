//! The pages for people, as a browser asks for them: who sees what, what a form must come with, what a page lets in.
#![cfg(feature = "dashboard")]

mod common;

use std::time::Duration;

use common::{Answer, Api, NOBODY, NUMBER, message};
use smsgw_core::account::Scope;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// What a browser says of a form on a page of ours.
const OURS: &str = "Sec-Fetch-Site: same-origin\r\n";
const FORM: &str = "Content-Type: application/x-www-form-urlencoded\r\n";
const PAGES: [&str; 9] = [
    "/",
    "/dashboard/messages",
    "/dashboard/compose",
    "/dashboard/devices",
    "/dashboard/pair",
    "/dashboard/keys",
    "/dashboard/inbox",
    "/dashboard/security",
    "/dashboard/health",
];

fn cookie(token: &str) -> String {
    format!("Cookie: other=1; smsgw_token={token}\r\n")
}

impl Api {
    async fn page(&self, token: &str, path: &str) -> Answer {
        self.send("GET", path, &cookie(token), "").await
    }

    async fn form(&self, token: &str, path: &str, body: &str) -> Answer {
        self.send("POST", path, &format!("{}{OURS}{FORM}", cookie(token)), body).await
    }
}

impl Answer {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    #[track_caller]
    fn leads_to(&self, place: &str) {
        assert_eq!((self.status, self.header("location")), (303, Some(place)), "{}", self.text());
    }
}

#[tokio::test]
async fn whoever_has_not_signed_in_is_asked_to_and_comes_back() {
    let api = Api::start().await;
    for page in PAGES {
        let asked = api.send("GET", page, "", "").await;
        let next: String = format!("?next={}", page.replace('/', "%2F"));
        asked.leads_to(&format!("/dashboard/sign-in{}", if page == "/" { "" } else { &next }));
    }
    let part = api.send("GET", "/dashboard/messages", "HX-Request: true\r\n", "").await;
    assert_eq!(
        (part.status, part.header("hx-redirect")),
        (204, Some("/dashboard/sign-in?next=%2Fdashboard%2Fmessages"))
    );

    let good = format!("token={}&next=%2Fdashboard%2Fkeys", api.ann);
    let signed = api.send("POST", "/dashboard/sign-in", &format!("{OURS}{FORM}"), &good).await;
    signed.leads_to("/dashboard/keys");
    let set = signed.header("set-cookie").expect("a cookie");
    assert!(
        set.starts_with(&format!("smsgw_token={};", api.ann)) && set.contains("; HttpOnly; SameSite=Lax"),
        "{set}"
    );
    assert!(!set.contains("Secure"), "plain HTTP would never get it back");
    let proxied = api
        .send("POST", "/dashboard/sign-in", &format!("{OURS}{FORM}X-Forwarded-Proto: https\r\n"), &good)
        .await;
    assert!(proxied.header("set-cookie").is_some_and(|set| set.ends_with("; Secure")));
    let elsewhere = format!("token={}&next=%2F%2Fevil", api.ann);
    api.send("POST", "/dashboard/sign-in", &format!("{OURS}{FORM}"), &elsewhere).await.leads_to("/");

    let out = api.form(&api.ann, "/dashboard/sign-out", "").await;
    assert!(out.header("set-cookie").is_some_and(|set| set.starts_with("smsgw_token=; Path=/; Max-Age=0;")));
}

#[tokio::test]
async fn a_wrong_token_is_told_so_counted_and_never_repeated() {
    let api = Api::start().await;
    let wrong = "sgw_tok_aaaaaaaaaaaaaaaa_x";
    for attempt in 0..11 {
        let said =
            api.send("POST", "/dashboard/sign-in", &format!("{OURS}{FORM}"), format!("token={wrong}")).await;
        assert_eq!(said.status, if attempt < 10 { 401 } else { 429 }, "{attempt}");
        assert!(!said.text().contains(wrong) && said.header("set-cookie").is_none());
    }
    let noted = api.audit("action=authenticate", |items| !items.is_empty()).await;
    assert_eq!(noted[0]["target"], "POST /dashboard/sign-in");
}

#[tokio::test]
async fn no_form_of_another_host_does_anything() {
    let api = Api::start().await;
    let body = format!("to=%2B{}&body=hola", &NUMBER[1..]);
    for origin in [
        "",
        "Sec-Fetch-Site: cross-site\r\n",
        "Sec-Fetch-Site: same-site\r\n",
        "Origin: http://evil\r\n",
        "Origin: null\r\n",
    ] {
        let said = api
            .send("POST", "/dashboard/compose", &format!("{}{FORM}{origin}", cookie(&api.ann)), &body)
            .await;
        assert_eq!(said.status, 403, "{origin}");
    }
    let said = api
        .send(
            "POST",
            "/dashboard/compose",
            &format!("{}{FORM}Origin: http://gateway\r\n", cookie(&api.ann)),
            &body,
        )
        .await;
    assert_eq!(said.status, 303);
    assert_eq!(api.messages().await, 1);
    // A cookie opens pages, and nothing of the API.
    assert_eq!(api.page(&api.ann, "/messages").await.status, 401);
}

#[tokio::test]
async fn every_page_is_held_to_this_host() {
    let api = Api::start().await;
    for page in PAGES {
        let shown = api.page(&api.root, page).await;
        let policy = shown.header("content-security-policy").unwrap_or_default();
        assert_eq!(shown.status, 200, "{page}");
        assert!(
            policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self';"),
            "{page}: {policy}"
        );
        assert!(!policy.contains("unsafe") && policy.contains("frame-ancestors 'none'"), "{page}: {policy}");
        assert_eq!(shown.header("cache-control"), Some("no-store"), "{page}");
        let text = shown.text();
        assert!(text.starts_with("<!DOCTYPE html>") && text.contains("<main id=\"main\""), "{page}");
        assert!(!text.contains("style=") && !text.contains("onclick"), "{page}");
        for asset in text.split('"').filter(|part| part.starts_with("/dashboard/assets/")) {
            let loaded = api.send("GET", asset, "", "").await;
            assert_eq!(loaded.status, 200, "{asset}");
            assert!(loaded.header("cache-control").is_some_and(|kept| kept.contains("immutable")), "{asset}");
        }
    }
}

#[tokio::test]
async fn a_page_needs_the_scope_that_its_route_needs() {
    let api = Api::start().await;
    let reader = api.token([Scope::MessagesRead]).await;
    for (page, status) in [
        ("/", 200),
        ("/dashboard/messages", 200),
        ("/dashboard/health", 200),
        ("/dashboard/compose", 403),
        ("/dashboard/devices", 403),
        ("/dashboard/inbox", 403),
        ("/dashboard/security", 403),
    ] {
        assert_eq!(api.page(&reader, page).await.status, status, "{page}");
    }
    let shown = api.page(&reader, "/dashboard/messages").await.text();
    assert!(
        !shown.contains("href=\"/dashboard/compose\" ") && !shown.contains("href=\"/dashboard/security\""),
        "{shown}"
    );
    assert_eq!(api.form(&reader, "/dashboard/compose", "to=%2B5351234567&body=a").await.status, 403);
    assert_eq!(api.messages().await, 0);
}

#[tokio::test]
async fn what_somebody_writes_is_shown_as_they_wrote_it() {
    let api = Api::start().await;
    let nasty = "</textarea><script>alert(1)</script> & \" ' é";
    let sent = api.json("POST", "/messages", message(nasty)).await.json();
    let id = sent["id"].as_str().expect("an id");
    let shown = api.page(&api.ann, &format!("/dashboard/messages/{id}")).await.text();
    assert!(!shown.contains("<script>alert") && shown.contains("&lt;script&gt;alert(1)"), "{shown}");
    let made = api.form(&api.ann, "/dashboard/devices", "name=%3Cb%3Ephone").await;
    assert_eq!(made.status, 303);
    let listed = api.page(&api.ann, "/dashboard/devices").await.text();
    assert!(listed.contains("&lt;b&gt;phone") && !listed.contains("<b>phone"));
    // Also what is refused.
    let refused = api.form(&api.ann, "/dashboard/compose", "to=%3Cscript%3E&body=%3Cscript%3E").await;
    assert_eq!(refused.status, 422);
    assert!(!refused.text().contains("<script>\"") && refused.text().contains("value=\"&lt;script&gt;\""));
}

#[tokio::test]
async fn what_is_anothers_is_answered_as_what_does_not_exist() {
    let api = Api::start().await;
    let sent = api.json("POST", "/messages", message("hers")).await.json();
    let (id, device) = (sent["id"].as_str().expect("an id"), api.device().await);
    for page in ["messages", "devices"] {
        let [hers, nobodys] = [if page == "messages" { id } else { &device }, NOBODY];
        let [foreign, absent] = [
            api.page(&api.bob, &format!("/dashboard/{page}/{hers}")).await,
            api.page(&api.bob, &format!("/dashboard/{page}/{nobodys}")).await,
        ];
        assert_eq!((foreign.status, foreign.text()), (404, absent.text()), "{page}");
    }
    for act in ["cancel", "erase"] {
        let said = api.form(&api.bob, &format!("/dashboard/messages/{id}/{act}"), "").await;
        assert_eq!(said.status, 404, "{act}");
    }
    assert_eq!(api.form(&api.bob, &format!("/dashboard/devices/{device}/pair"), "").await.status, 404);
    assert!(!api.page(&api.bob, "/dashboard/messages").await.text().contains("hers"));
}

#[tokio::test]
async fn a_form_that_comes_twice_sends_one_message() {
    let api = Api::start().await;
    let asked = api.page(&api.ann, "/dashboard/compose").await.text();
    let id =
        asked.split("name=\"id\" value=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("an id");
    let body = format!("id={id}&to=%2B5351234567&body=hola%0D%0Aadios&send_at=&ttl=60&priority=high");
    for _ in 0..2 {
        api.form(&api.ann, "/dashboard/compose", &body).await.leads_to(&format!("/dashboard/messages/{id}"));
    }
    let sent = api.call("GET", &format!("/messages/{id}")).await.json();
    assert_eq!((sent["body"].as_str(), sent["priority"].as_str()), (Some("hola\nadios"), Some("high")));
    assert_eq!(api.messages().await, 1);
}

#[tokio::test]
async fn a_key_is_shown_once_and_what_is_done_is_noted() {
    let api = Api::start().await;
    let paired = api.form(&api.ann, "/dashboard/pair", "name=phone").await.text();
    assert!(
        paired.contains("<svg class=\"code\"") && paired.contains("class=\"secret\">sgw_dev_"),
        "{paired}"
    );
    let key =
        paired.split("class=\"secret\">").nth(1).and_then(|rest| rest.split('<').next()).expect("a key");
    let keys = api.page(&api.ann, "/dashboard/keys").await.text();
    let public = common::public(key);
    assert!(keys.contains(public) && !keys.contains(key));
    let address = keys
        .split('"')
        .find(|part| part.ends_with(&format!("/keys/{public}/revoke")))
        .expect("a form")
        .to_owned();
    assert_eq!(api.form(&api.ann, &address, "").await.status, 303);
    assert!(api.page(&api.ann, "/dashboard/keys").await.text().contains("ended"));
    let done = api.audit("outcome=done", |items| items.len() >= 3).await;
    let actions: Vec<_> = done.iter().filter_map(|event| event["action"].as_str()).collect();
    assert_eq!(actions, ["revoke_key", "create_key", "create_device"]);
}

#[tokio::test]
async fn a_revoked_token_shows_nothing_more() {
    let api = Api::start().await;
    let made = api.form(&api.ann, "/dashboard/tokens", "name=other&scopes=messages%3Aread").await.text();
    let token = made
        .split("class=\"secret\">")
        .nth(1)
        .and_then(|rest| rest.split('<').next())
        .expect("a token")
        .to_owned();
    assert_eq!(api.page(&token, "/dashboard/messages").await.status, 200);
    let revoke = format!("/dashboard/tokens/{}/revoke", common::public(&token));
    api.form(&api.ann, &revoke, "").await.leads_to("/dashboard/keys");
    api.page(&token, "/dashboard/messages").await.leads_to("/dashboard/sign-in?next=%2Fdashboard%2Fmessages");
}

#[tokio::test]
async fn an_open_page_hears_of_its_own_messages_and_lets_the_server_go() {
    let api = Api::start().await;
    let mut stream = api.connect().await;
    let head = format!("GET /dashboard/live HTTP/1.1\r\nHost: gateway\r\n{}\r\n", cookie(&api.ann));
    stream.write_all(head.as_bytes()).await.expect("written");
    let mut heard = String::new();
    let mut hear = async |heard: &mut String, what: &str| {
        while !heard.contains(what) {
            let mut bytes = [0; 1024];
            let length = stream.read(&mut bytes).await.expect("it goes on");
            assert!(length > 0, "it ended: {heard}");
            heard.push_str(&String::from_utf8_lossy(&bytes[..length]));
        }
    };
    hear(&mut heard, "text/event-stream").await;
    api.json_as(&api.bob, "POST", "/messages", message("his")).await;
    let early = tokio::time::timeout(Duration::from_millis(700), hear(&mut heard, "event: messages")).await;
    assert!(early.is_err(), "what is another's is told");
    api.json("POST", "/messages", message("hers")).await;
    hear(&mut heard, "event: messages").await;
    api.stop.cancel();
    hear(&mut heard, "\r\n0\r\n\r\n").await;
}

#[tokio::test]
async fn the_figures_of_all_accounts_are_for_those_who_may_see_them() {
    let api = Api::start().await;
    let [all, own] = [api.page(&api.root, "/").await.text(), api.page(&api.ann, "/").await.text()];
    for part in ["id=\"chart\"", "id=\"figures\"", "Accepted / s", "What failed, and why"] {
        assert!(all.contains(part) && !own.contains(part), "{part}");
    }
    assert!(own.contains("Newest messages"));
}

#[tokio::test]
async fn what_was_taken_back_can_be_sent_again_once() {
    let api = Api::start().await;
    let sent = api.json("POST", "/messages", message("hola")).await.json();
    let here = format!("/dashboard/messages/{}", sent["id"].as_str().expect("an id"));
    assert_eq!(api.form(&api.ann, &format!("{here}/retry"), "").await.status, 409, "it still lives");
    api.form(&api.ann, &format!("{here}/cancel"), "").await.leads_to(&here);
    let shown = api.page(&api.ann, &here).await.text();
    assert!(
        shown.contains("canceled") && shown.contains("Send it again") && !shown.contains("Take it back"),
        "{shown}"
    );
    let again = api.form(&api.ann, &format!("{here}/retry"), "").await;
    let other = again.header("location").expect("the new one").to_owned();
    assert_ne!(other, here);
    api.form(&api.ann, &format!("{here}/retry"), "").await.leads_to(&other);
    assert_eq!(api.messages().await, 2);
    api.form(&api.ann, &format!("{here}/erase"), "").await.leads_to(&here);
    assert!(!api.page(&api.ann, &here).await.text().contains("hola"));
}

#[tokio::test]
async fn a_device_is_paused_and_resumed() {
    let api = Api::start().await;
    let here = format!("/dashboard/devices/{}", api.device().await);
    for (act, then, next) in [("pause", "paused", "Resume"), ("resume", "offline", "Pause and drain")] {
        api.form(&api.ann, &format!("{here}/{act}"), "").await.leads_to(&here);
        let shown = api.page(&api.ann, &here).await.text();
        assert!(shown.contains(&format!(">{then}</span>")) && shown.contains(next), "{act}: {shown}");
    }
}
