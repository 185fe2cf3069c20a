//! Request → the bytes of its answer. Pure.

use super::exposition;
use super::report::Report;
use super::request::{Refusal, Request};

const JSON: &str = "application/json";
const TEXT: &str = "text/plain; charset=utf-8";

/// The whole answer; the connection is closed behind it. `report` is made only where it is asked for.
pub fn answer(request: &Result<Request, Refusal>, report: impl FnOnce() -> Report) -> Vec<u8> {
    let (status, content_type, body) = match request {
        Ok(request) => match request.path.as_str() {
            // The original answers any path, and is asked for this one.
            "/healthz" | "/" => {
                let report = report();
                let status = if report.is_well() {
                    OK
                } else {
                    "503 Service Unavailable"
                };
                (status, JSON, report.json())
            }
            "/metrics" => (OK, exposition::CONTENT_TYPE, exposition::write(&report())),
            _ => ("404 Not Found", TEXT, "there are /healthz and /metrics\n".to_owned()),
        },
        Err(refusal) => (refusal.status(), TEXT, format!("{refusal}\n")),
    };
    let allow = if *request == Err(Refusal::Method) {
        "Allow: GET, HEAD\r\n"
    } else {
        ""
    };
    let mut answer = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\n{allow}Cache-Control: no-store\r\n\
         X-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n",
        body.len()
    );
    if !matches!(request, Ok(Request { head_only: true, .. })) {
        answer.push_str(&body);
    }
    answer.into_bytes()
}

const OK: &str = "200 OK";

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::answer;
    use crate::health::report::Report;
    use crate::health::request::{Refusal, Request};
    use crate::metrics::Moment;

    fn report() -> Report {
        let at = Instant::now();
        let started = Moment {
            at,
            unix_milliseconds: 0,
        };
        Report::new(Vec::new(), Vec::new(), started, None, at)
    }

    fn answered(head_only: bool, path: &str) -> String {
        let path = path.to_owned();
        String::from_utf8(answer(&Ok(Request { head_only, path }), report)).unwrap()
    }

    #[test]
    fn head_says_what_get_says_without_the_body() {
        for path in ["/healthz", "/metrics", "/", "/healthz/", "//"] {
            let (get, head) = (answered(false, path), answered(true, path));
            let (fields, body) = get.split_once("\r\n\r\n").unwrap();
            assert_eq!(head, format!("{fields}\r\n\r\n"));
            assert!(fields.contains(&format!("Content-Length: {}", body.len())), "{fields}");
            let is_there = ["/healthz", "/metrics", "/"].contains(&path);
            assert_eq!(fields.starts_with("HTTP/1.1 404 "), !is_there, "{path}");
        }
    }

    #[test]
    fn without_a_path_it_tells_how_it_is() {
        assert_eq!(answered(false, "/"), answered(false, "/healthz"));
    }

    #[test]
    fn a_refusal_costs_no_report_and_says_which_it_is() {
        for (refusal, status) in [
            (Refusal::Malformed, "400"),
            (Refusal::Method, "405"),
            (Refusal::Slow, "408"),
            (Refusal::TooLarge, "431"),
            (Refusal::Version, "505"),
        ] {
            let refused = answer(&Err(refusal), || panic!("nobody asked for it"));
            let refused = String::from_utf8(refused).unwrap();
            assert!(refused.starts_with(&format!("HTTP/1.1 {status} ")), "{refused}");
            assert_eq!(refused.contains("\r\nAllow: GET, HEAD\r\n"), refusal == Refusal::Method);
        }
    }
}
