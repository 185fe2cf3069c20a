//! What a success says about single events. For some receivers a 200 means that the request was read, and the body tells
//! what became of each event.

use serde_json::Value;

use crate::limits;

/// What became of a batch for which the status says success.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// All events.
    All,
    /// Not all, and later they may be.
    Later,
    /// Not all, because of the events themselves.
    Refused,
}

/// Reads the beginning of a body, as much as is kept. Only forms that say it beyond doubt count, whatever else stands
/// beside: what is not known is a success.
pub fn taken(body: &[u8]) -> Taken {
    let cut = body.len() >= limits::HTTP_BODY_KEPT;
    let body = body.trim_ascii_start();
    if !body.starts_with(b"{") {
        return Taken::All;
    }
    match serde_json::from_slice(body) {
        Ok(answer) => judge(&answer),
        Err(_) if cut => judge_beginning(body),
        Err(_) => Taken::All,
    }
}

fn judge(answer: &Value) -> Taken {
    let number = |key: &str| answer.get(key).and_then(Value::as_u64);
    let code = answer.get("code").and_then(Value::as_i64);
    // Elasticsearch and OpenSearch: {"took":1,"errors":true,"items":[{"create":{"status":400,…}},…]}
    if answer.get("errors") == Some(&Value::Bool(true)) {
        return of_items(answer);
    }
    // Axiom: {"ingested":1,"failed":1,"failures":[…],…}
    if number("ingested").is_some() && number("failed").is_some_and(|failed| failed > 0) {
        return Taken::Refused;
    }
    // Splunk: {"text":"Server is busy","code":9}. Most of its codes are about the token or the server.
    if answer.get("text").is_some_and(Value::is_string) && code.is_some_and(|code| code != 0) {
        return Taken::Later;
    }
    Taken::All
}

/// The items' own statuses: one that may be better later decides for all, since all are sent again.
fn of_items(answer: &Value) -> Taken {
    let items = answer.get("items").and_then(Value::as_array);
    let actions = items.into_iter().flatten().filter_map(Value::as_object);
    let statuses = actions
        .flat_map(|item| item.values())
        .filter_map(|action| action.get("status").and_then(Value::as_u64));
    let mut refused = statuses.filter(|status| *status >= 300).peekable();
    let nothing_said = refused.peek().is_none();
    if nothing_said || refused.any(|status| matches!(status, 408 | 425 | 429 | 500..)) {
        Taken::Later
    } else {
        Taken::Refused
    }
}

/// A body that is too long to be kept says what matters before its first list. What its items say is not known: halves of
/// the batch have shorter answers.
fn judge_beginning(body: &[u8]) -> Taken {
    let before_list = body.split(|&byte| byte == b'[').next().unwrap_or_default();
    let whole_entries = before_list.iter().rposition(|&byte| byte == b',');
    let entries = whole_entries.and_then(|end| before_list.get(..end)).unwrap_or_default();
    let answer: Value = serde_json::from_slice(&[entries, b"}"].concat()).unwrap_or_default();
    match judge(&answer) {
        Taken::All => Taken::All,
        Taken::Later | Taken::Refused => Taken::Refused,
    }
}

/// Whatever is answered, what it says does not depend on how it is written.
#[doc(hidden)]
pub fn fuzz(data: &[u8]) {
    let said = taken(data);
    if let Ok(answer @ Value::Object(_)) = serde_json::from_slice::<Value>(data) {
        assert_eq!(taken(answer.to_string().as_bytes()), said);
        assert_eq!(taken(format!("\n{answer:#}\r\n").as_bytes()), said);
    }
}

#[cfg(test)]
mod tests {
    use super::{Taken, taken};
    use crate::limits;

    #[test]
    fn only_what_is_beyond_doubt_is_no_success() {
        use Taken::{All, Later, Refused};
        for (body, expected) in [
            ("", All),
            ("ok", All),
            ("{}", All),
            ("[{\"errors\":true}]", All),
            ("{\"errors\":true", All),
            (r#"{"errors":false,"items":[{"create":{"status":201}}]}"#, All),
            (r#"{"errors":[]}"#, All),
            (r#"{"errors":"true"}"#, All),
            (
                r#"{"errors":true,"items":[{"create":{"status":400}},{"create":{"status":201}}]}"#,
                Refused,
            ),
            (
                r#"{"errors":true,"items":[{"index":{"status":400}},{"index":{"status":429}}]}"#,
                Later,
            ),
            (r#"{"errors":true,"items":[{"index":{"status":503}}]}"#, Later),
            (r#"{"errors":true,"items":[{"index":{"status":201}}]}"#, Later),
            (r#"{"errors":true}"#, Later),
            (r#" {"items":[{"x":{"status":409}}], "errors" : true}"#, Refused),
            (r#"{"ingested":2,"failed":0,"failures":[]}"#, All),
            (r#"{"ingested":1,"failed":1,"failures":[{}]}"#, Refused),
            (r#"{"failed":1}"#, All),
            (r#"{"text":"Success","code":0}"#, All),
            (r#"{"text":"Server is busy","code":9}"#, Later),
            (r#"{"code":200,"status":[{"failed":0}]}"#, All),
            (r#"{"success":true}"#, All),
        ] {
            assert_eq!(taken(body.as_bytes()), expected, "{body}");
        }
    }

    #[test]
    fn an_answer_longer_than_is_kept_is_judged_by_its_beginning() {
        for (errors, expected) in [("true", Taken::Refused), ("false", Taken::All)] {
            let item = r#"{"create":{"status":429}},"#;
            let mut body = format!("{{\"took\":1,\"errors\":{errors},\"items\":[{}", item.repeat(5000)).into_bytes();
            body.truncate(limits::HTTP_BODY_KEPT);
            assert_eq!(taken(&body), expected, "{errors}");
        }
        let mut page = b"{".repeat(limits::HTTP_BODY_KEPT);
        assert_eq!(taken(&page), Taken::All);
        page.fill(b'[');
        assert_eq!(taken(&page), Taken::All);
    }
}
