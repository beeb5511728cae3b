//! Methods and targets that a route does not have, and pages of other hosts: all of them get a problem.

mod common;

use common::{Answer, Api, bearer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

async fn asked(api: &Api, line: &str, headers: &str) -> Answer {
    api.raw(format!("{line} HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\n{headers}\r\n")).await
}

#[tokio::test]
async fn a_preflight_of_a_browser_is_405_and_opens_nothing() {
    let api = Api::start().await;
    let headers = "Origin: https://elsewhere.example\r\nAccess-Control-Request-Method: POST\r\n\
                   Access-Control-Request-Headers: authorization\r\n";
    for (path, allow) in
        [("/messages", "GET,HEAD,POST"), ("/devices", "GET,HEAD,POST"), ("/health/live", "GET,HEAD")]
    {
        let answer = asked(&api, &format!("OPTIONS {path}"), headers).await;
        answer.is_problem(405, "method_not_allowed", path);
        assert_eq!(answer.header("allow"), Some(allow), "{path}");
    }
    let token = bearer(&api.ann);
    let answer = asked(&api, "GET /messages", &format!("{token}Origin: https://elsewhere.example\r\n")).await;
    assert_eq!(answer.status, 200);
    answer.is_dressed("a request of another page");
}

#[tokio::test]
async fn targets_that_are_no_path_of_ours_are_a_problem() {
    let api = Api::start().await;
    asked(&api, "OPTIONS *", "").await.is_problem(404, "unknown_route", "*");
    asked(&api, "GET *", "").await.is_problem(404, "unknown_route", "GET *");
    asked(&api, "CONNECT example.org:443", "").await.is_problem(404, "unknown_route", "CONNECT");
    asked(&api, "TRACE /messages", "").await.is_problem(405, "method_not_allowed", "TRACE");
    asked(&api, "GET http://gateway/nothing", "").await.is_problem(404, "unknown_route", "absolute");
    assert_eq!(asked(&api, "GET http://gateway/health/live", "").await.status, 200, "as to a proxy");
}

#[tokio::test]
async fn head_has_the_headers_of_get_and_no_body() {
    let api = Api::start().await;
    for (path, status) in [("/health/live", "200 OK"), ("/nothing", "404 Not Found")] {
        let mut stream = api.connect().await;
        let request = format!("HEAD {path} HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.expect("written");
        let mut text = String::new();
        stream.read_to_string(&mut text).await.expect("an answer");
        assert!(text.starts_with(&format!("HTTP/1.1 {status}\r\n")), "{text}");
        assert!(text.ends_with("\r\n\r\n") && text.contains("\r\nx-request-id: "), "{text}");
    }
}

/// The page is made of files of ours: what its policy forbids would be missing on it.
#[tokio::test]
async fn the_page_to_try_the_api_may_load_its_own_files_and_nothing_else() {
    let api = Api::start().await;
    let page = api.send("GET", "/docs/", "", "").await;
    let policy = page.header("content-security-policy").expect("a policy");
    for allowed in ["default-src 'none'", "script-src 'self'", "connect-src 'self'", "frame-ancestors 'none'"]
    {
        assert!(policy.contains(allowed), "{policy}");
    }
    let html = String::from_utf8(page.body.clone()).expect("text");
    assert!(!html.contains("//") && !html.contains("onload=") && !html.contains("style="), "{html}");
    let mut loaded = 0;
    for attribute in ["src=\"", "href=\""] {
        for part in html.split(attribute).skip(1) {
            let file = part.split('"').next().unwrap_or_default().trim_start_matches("./");
            let answer = api.send("GET", &format!("/docs/{file}"), "", "").await;
            assert_eq!(answer.status, 200, "{file}");
            loaded += 1;
        }
    }
    assert!(loaded >= 4, "{html}");
    for script in html.split("<script").skip(1) {
        assert!(
            script.contains("></script>") || script.contains("> </script>"),
            "a script in the page: {script}"
        );
    }
}
