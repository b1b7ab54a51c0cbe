use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use axum::http::HeaderValue;

use super::*;
use crate::telemetry::health::Limits;

fn server() -> (Server, Arc<Metrics>, Arc<Health>) {
    let metrics = Arc::new(Metrics::new().unwrap());
    let limits = Limits {
        poll: Duration::from_millis(200),
        progress: Duration::from_secs(60),
    };
    let health = Arc::new(Health::new(&metrics, limits));
    let endpoint = Endpoint {
        metrics: metrics.clone(),
        health: health.clone(),
        token: None,
    };
    let server = Server::start(([127, 0, 0, 1], 0).into(), endpoint).unwrap();
    (server, metrics, health)
}

/// Status line and body of a real request.
fn request(server: &Server, request_line: &str) -> (String, String) {
    let mut stream = TcpStream::connect(server.address()).unwrap();
    write!(
        stream,
        "{request_line} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.lines().next().unwrap().to_owned(), body.to_owned())
}

#[test]
fn metrics_are_served_as_prometheus_text() {
    let (server, metrics, _health) = server();
    metrics.topic("dm.messages").messages.inc_by(5);
    let (status, body) = request(&server, "GET /metrics");
    assert_eq!(status, "HTTP/1.1 200 OK");
    assert!(body.contains("dmwatch_consumed_messages_total{topic=\"dm.messages\"} 5"));
}

#[test]
fn probes_answer_with_reasons() {
    let (server, _metrics, health) = server();
    let (status, body) = request(&server, "GET /readyz");
    assert_eq!(status, "HTTP/1.1 503 Service Unavailable");
    let body: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(body["status"], "failed");
    assert_eq!(body["reasons"][0]["reason"], "not_joined");
    health.polled();
    assert_eq!(request(&server, "GET /livez").0, "HTTP/1.1 200 OK");
    std::thread::sleep(Duration::from_millis(300));
    let (status, body) = request(&server, "GET /livez");
    assert_eq!(status, "HTTP/1.1 503 Service Unavailable");
    assert!(body.contains("poll_stalled"), "{body}");
}

#[test]
fn info_names_version_ruleset_and_settings() {
    let (server, metrics, _health) = server();
    metrics.set_ruleset("r1", [("stable", 2)]);
    metrics.set_settings("s1");
    let (status, body) = request(&server, "GET /-/info");
    assert_eq!(status, "HTTP/1.1 200 OK");
    let body: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(body["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(
        (&body["ruleset"], &body["settings"]),
        (&"r1".into(), &"s1".into())
    );
}

#[test]
fn nothing_else_is_served_and_nothing_can_be_posted() {
    let (server, _metrics, _health) = server();
    assert_eq!(request(&server, "GET /").0, "HTTP/1.1 404 Not Found");
    assert_eq!(
        request(&server, "POST /metrics").0,
        "HTTP/1.1 405 Method Not Allowed"
    );
}

#[test]
fn a_dropped_server_frees_its_port() {
    let (server, metrics, health) = server();
    let address = server.address();
    drop(server);
    let endpoint = Endpoint {
        metrics,
        health,
        token: None,
    };
    assert_eq!(Server::start(address, endpoint).unwrap().address(), address);
}

#[test]
fn a_change_from_elsewhere_needs_the_token() {
    let near: IpAddr = [127, 0, 0, 1].into();
    let far: IpAddr = [10, 0, 0, 7].into();
    let mapped: IpAddr = "::ffff:127.0.0.1".parse().unwrap();
    let none = HeaderMap::new();
    let with = |name, value| HeaderMap::from_iter([(name, HeaderValue::from_static(value))]);
    let right = with(AUTHORIZATION, "Bearer right");
    let wrong = with(AUTHORIZATION, "Bearer wrong");
    let short = with(AUTHORIZATION, "Bearer ");
    let page = with(ORIGIN, "https://example.com");
    let forwarded = with("x-forwarded-for".parse().unwrap(), "10.0.0.7");
    let (ok, denied) = (Ok(()), Err(StatusCode::UNAUTHORIZED));
    let (get, post, delete) = (Method::GET, Method::POST, Method::DELETE);
    let cases = [
        (&get, far, &none, Some("right"), ok),
        (&post, near, &none, None, ok),
        (&post, mapped, &none, None, ok),
        (&post, near, &page, None, Err(StatusCode::FORBIDDEN)),
        (&post, near, &forwarded, Some("right"), denied),
        (&post, far, &right, Some("right"), ok),
        (&delete, far, &right, Some("right"), ok),
        (&post, far, &wrong, Some("right"), denied),
        (&post, far, &short, Some("right"), denied),
        (&post, far, &none, Some("right"), denied),
        (&post, far, &none, None, denied),
        (&post, far, &short, None, denied),
    ];
    for (case, (method, peer, headers, token, expected)) in cases.into_iter().enumerate() {
        assert_eq!(guard(method, peer, headers, token), expected, "case {case}");
    }
}
