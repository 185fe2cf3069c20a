use super::{FieldError, Method, Request};
use crate::http::url::Url;

fn request(method: Method, url: &str) -> Request {
    Request::new(method, &Url::parse(url, true).expect("valid URL"))
}

#[test]
fn a_post_is_whole_with_its_length_and_one_host() {
    let request = request(Method::Post, "https://a.example:8443/in?k=v")
        .with_field("Content-Type", "application/x-ndjson")
        .and_then(|request| request.with_field("lc-secret", "s3cret"))
        .expect("valid fields");
    let expected = format!(
        "POST /in?k=v HTTP/1.1\r\nHost: a.example:8443\r\nUser-Agent: mailtap/{}\r\n\
         Content-Type: application/x-ndjson\r\nlc-secret: s3cret\r\nContent-Length: 12\r\n\r\n",
        env!("CARGO_PKG_VERSION")
    );
    assert_eq!(String::from_utf8(request.head(12)).expect("text"), expected);
    assert!(
        String::from_utf8(request.head(0))
            .expect("text")
            .contains("\r\nContent-Length: 0\r\n")
    );
}

#[test]
fn a_get_has_no_length() {
    let head = request(Method::Get, "https://[::1]/").head(0);
    assert!(head.starts_with(b"GET / HTTP/1.1\r\nHost: [::1]\r\n"));
    assert!(!String::from_utf8_lossy(&head).contains("Content-Length"));
}

#[test]
fn a_field_cannot_break_out_of_its_line() {
    let cases = [
        ("x", "a\r\nHost: b", FieldError::Value),
        ("x", "a\nb", FieldError::Value),
        ("x", "a\rb", FieldError::Value),
        ("x", "a\0b", FieldError::Value),
        ("x", "a\u{7f}b", FieldError::Value),
        ("x", " a", FieldError::Value),
        ("x", "a\t", FieldError::Value),
        ("x\r\nHost", "a", FieldError::Name),
        ("x:", "a", FieldError::Name),
        ("x y", "a", FieldError::Name),
        ("\u{fc}", "a", FieldError::Name),
        ("", "a", FieldError::Name),
        ("host", "a", FieldError::Ours),
        ("CONTENT-LENGTH", "0", FieldError::Ours),
        ("Transfer-Encoding", "chunked", FieldError::Ours),
    ];
    for (name, value, expected) in cases {
        let refused = request(Method::Post, "https://a.example/")
            .with_field(name, value)
            .map(|_| ());
        assert_eq!(refused, Err(expected), "{name:?}: {value:?}");
    }
}

#[test]
fn what_a_field_may_hold_is_sent_as_it_is() {
    for value in ["", "a b", "a\tb", "Bearer a.b-c_d==", "\u{fc}"] {
        let request = request(Method::Post, "https://a.example/")
            .with_field("x", value)
            .expect(value);
        let line = format!("\r\nx: {value}\r\n");
        assert!(String::from_utf8_lossy(&request.head(0)).contains(&line), "{value:?}");
    }
}

#[test]
fn printing_a_request_prints_neither_path_nor_fields() {
    let request = request(Method::Post, "https://a.example/hunter2")
        .with_field("lc-secret", "hunter3")
        .expect("valid");
    let printed = format!("{request:?}");
    assert!(!printed.contains("hunter"), "{printed}");
}
