//! Tests of `http`.

use std::io::{Read, Write};
use std::net::TcpStream;

use crate::support::http_server::{HttpServer, Reply};

/// Sends `request` on a connection of its own and returns all that comes back.
fn exchange(server: &HttpServer, request: &str) -> String {
    let mut stream = TcpStream::connect(server.address()).expect("the server listens");
    stream.write_all(request.as_bytes()).expect("the server reads");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("the server answers and closes");
    String::from_utf8_lossy(&answer).into_owned()
}

#[test]
fn the_scripted_server_answers_in_turn_and_remembers_requests() {
    let server = HttpServer::start_blocking();
    server.sequence("/turns", vec![Reply::raw("first"), Reply::raw("second")]);
    let request = "POST /turns?page=2 HTTP/1.1\r\nHost: test\r\nContent-Length: 4\r\n\r\nbody";
    let answers: Vec<String> = (0..3).map(|_| exchange(&server, request)).collect();
    assert_eq!(answers, ["first", "second", "second"]);
    let seen = &server.requests("/turns")[0];
    assert_eq!((seen.method.as_str(), seen.query.as_str(), seen.body.as_slice()), ("POST", "page=2", &b"body"[..]));
    assert_eq!(seen.header("HOST"), Some("test"));
}
