//! What a success says about single events. For some receivers a 200 means that the request was read, and the body tells
//! what became of each event.

use serde_json::Value;

use crate::limits;
use crate::sink::Fate;

/// What became of a batch for which the status says success.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Taken {
    /// All events.
    All,
    /// Not all, and later they may be.
    Later,
    /// Not all, because of the events themselves.
    Refused,
    /// Each has an answer of its own, in the order in which they were sent; they differ, or are several refusals.
    Each(Vec<Fate>),
}

/// Reads what a body says about `count` events; as much of it is here as is kept. Only forms that say it beyond doubt count,
/// whatever else stands beside: what is not known is a success. But an object without its end is no answer: a connection
/// that was cut may have cut off the errors.
pub fn taken(body: &[u8], count: usize) -> Taken {
    let too_long = body.len() >= limits::HTTP_BODY_KEPT;
    let body = body.trim_ascii_start();
    if !body.starts_with(b"{") {
        return Taken::All;
    }
    match serde_json::from_slice(body) {
        Ok(answer) => judge(&answer, count),
        // Halves of the batch have shorter answers.
        Err(_) if too_long => judge_beginning(body, Taken::Refused),
        Err(error) if error.is_eof() => Taken::Later,
        Err(_) => judge_beginning(body, Taken::Later),
    }
}

fn judge(answer: &Value, count: usize) -> Taken {
    let number = |key: &str| answer.get(key).and_then(Value::as_u64);
    let code = answer.get("code").and_then(Value::as_i64);
    // Elasticsearch and OpenSearch: {"took":1,"errors":true,"items":[{"create":{"status":400,…}},…]}
    if answer.get("errors") == Some(&Value::Bool(true)) {
        return of_items(answer, count);
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

/// The items' own statuses. Where they are not one for each event, none is known to be taken.
fn of_items(answer: &Value, count: usize) -> Taken {
    let items = answer.get("items").and_then(Value::as_array);
    let fates: Vec<Fate> = items.into_iter().flatten().map(of_item).collect();
    let are = |fate: Fate| fates.iter().all(|other| *other == fate);
    if fates.is_empty() || are(Fate::Later) {
        return Taken::Later;
    }
    if fates.len() != count {
        return if fates.contains(&Fate::Later) || are(Fate::Taken) {
            Taken::Later
        } else {
            Taken::Refused
        };
    }
    if are(Fate::Taken) {
        Taken::All
    } else if count == 1 {
        Taken::Refused
    } else {
        Taken::Each(fates)
    }
}

/// `{"create":{"status":409}}`. What somebody must set right (403, 404) is no fault of the event.
fn of_item(item: &Value) -> Fate {
    let action = item.as_object().and_then(|item| item.iter().next());
    let status = action.and_then(|(_, said)| said.get("status")).and_then(Value::as_u64);
    match (status, action.map(|(name, _)| name.as_str())) {
        // With 409 it is there already, under its id: an attempt before this one stored it.
        (Some(200..=299), _) | (Some(409), Some("create")) => Fate::Taken,
        (Some(400 | 409 | 413 | 415 | 422), _) => Fate::Refused,
        _ => Fate::Later,
    }
}

/// A body that has no end, or is damaged, says what matters before its first list. What its items say is not known.
fn judge_beginning(body: &[u8], not_all: Taken) -> Taken {
    let before_list = body.split(|&byte| byte == b'[').next().unwrap_or_default();
    let whole_entries = before_list.iter().rposition(|&byte| byte == b',');
    let entries = whole_entries.and_then(|end| before_list.get(..end)).unwrap_or_default();
    let answer: Value = serde_json::from_slice(&[entries, b"}"].concat()).unwrap_or_default();
    match judge(&answer, 0) {
        Taken::All => Taken::All,
        _ => not_all,
    }
}

/// Whatever is answered, what it says does not depend on how it is written.
#[doc(hidden)]
pub fn fuzz(data: &[u8]) {
    for count in 0..4 {
        let said = taken(data, count);
        if let Taken::Each(fates) = &said {
            assert!(fates.len() == count && fates.iter().any(|fate| *fate != Fate::Taken));
        }
        if let Ok(answer @ Value::Object(_)) = serde_json::from_slice::<Value>(data) {
            assert_eq!(taken(answer.to_string().as_bytes(), count), said);
            assert_eq!(taken(format!("\n{answer:#}\r\n").as_bytes(), count), said);
        }
    }
    // No beginning of an answer that is not a success is one.
    let data = data.trim_ascii();
    if data.len() < limits::HTTP_BODY_KEPT && taken(data, 1) != Taken::All {
        for cut in data.iter().enumerate().skip(1).map(|(cut, _)| cut) {
            assert_ne!(taken(data.get(..cut).unwrap_or_default(), 1), Taken::All);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Fate, Taken, taken};
    use crate::limits;

    #[test]
    fn only_what_is_beyond_doubt_is_no_success() {
        use Taken::{All, Later, Refused};
        for (body, expected) in [
            ("", All),
            ("ok", All),
            ("{}", All),
            ("[{\"errors\":true}]", All),
            ("{ok}", All),
            (r#"{"errors":false,"items":[{"create":{"status":201}}]}"#, All),
            (r#"{"errors":[]}"#, All),
            (r#"{"errors":"true"}"#, All),
            (r#"{"errors":true,"items":[{"index":{"status":503}}]}"#, Later),
            (r#"{"errors":true,"items":[{"index":{"status":403}}]}"#, Later),
            (r#"{"errors":true,"items":[{"index":{"status":400}}]}"#, Refused),
            (r#"{"errors":true,"items":[{"index":{"status":201}}]}"#, All),
            (r#"{"errors":true,"items":[{"create":{"status":409}}]}"#, All),
            (r#"{"errors":true}"#, Later),
            (r#"{"errors":true,"items":[]}"#, Later),
            (r#"{"errors":true,"items":[{"create":{"status":}}]}"#, Later),
            (r#" {"items":[{"x":{"status":409}}], "errors" : true}"#, Refused),
            (r#"{"ingested":2,"failed":0,"failures":[]}"#, All),
            (r#"{"ingested":1,"failed":1,"failures":[{}]}"#, Refused),
            (r#"{"failed":1}"#, All),
            (r#"{"text":"Success","code":0}"#, All),
            (r#"{"text":"Server is busy","code":9}"#, Later),
            (r#"{"code":200,"status":[{"failed":0}]}"#, All),
            (r#"{"success":true}"#, All),
        ] {
            assert_eq!(taken(body.as_bytes(), 1), expected, "{body}");
        }
    }

    #[test]
    fn each_event_of_a_batch_has_its_answer_by_its_place() {
        use Fate::{Later, Refused, Taken as Done};
        let answer = |statuses: &[u16]| {
            let item = |status: &u16| format!("{{\"create\":{{\"status\":{status}}}}}");
            let items: Vec<String> = statuses.iter().map(item).collect();
            format!("{{\"errors\":true,\"items\":[{}]}}", items.join(","))
        };
        for (statuses, expected) in [
            (
                [201, 400, 429, 409].as_slice(),
                Taken::Each(vec![Done, Refused, Later, Done]),
            ),
            (&[400, 422, 413, 415], Taken::Each(vec![Refused; 4])),
            (&[201, 201, 409, 200], Taken::All),
            (&[429, 503, 404, 302], Taken::Later),
            // Which event is meant is not known.
            (&[201, 400, 429], Taken::Later),
            (&[201, 400, 400, 201, 201], Taken::Refused),
            (&[201, 201, 201], Taken::Later),
        ] {
            assert_eq!(taken(answer(statuses).as_bytes(), 4), expected, "{statuses:?}");
        }
    }

    #[test]
    fn matrix_6_an_answer_that_is_cut_off_is_no_success() {
        for body in [
            r#"{"errors":true,"items":[{"create":{"status":400}},{"create":{"status":201}}]}"#,
            r#"{"took":30,"errors":false,"items":[]}"#,
            r#"{"text":"Server is busy","code":9}"#,
        ] {
            for cut in 1..body.len() {
                assert_eq!(taken(&body.as_bytes()[..cut], 2), Taken::Later, "{cut} of {body}");
            }
        }
    }

    #[test]
    fn an_answer_longer_than_is_kept_is_judged_by_its_beginning() {
        for (errors, expected) in [("true", Taken::Refused), ("false", Taken::All)] {
            let item = r#"{"create":{"status":429}},"#;
            let mut body = format!("{{\"took\":1,\"errors\":{errors},\"items\":[{}", item.repeat(5000)).into_bytes();
            body.truncate(limits::HTTP_BODY_KEPT);
            assert_eq!(taken(&body, 5000), expected, "{errors}");
        }
        let mut page = b"{".repeat(limits::HTTP_BODY_KEPT);
        assert_eq!(taken(&page, 1), Taken::All);
        page.fill(b'[');
        assert_eq!(taken(&page, 1), Taken::All);
    }
}
