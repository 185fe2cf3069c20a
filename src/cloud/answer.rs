//! What the cloud says of a configuration: `{"data": {…}, "sys_mtd": {"etag": …}, "usr_mtd": {"enabled": …}}`. Pure.

use serde_json::{Value, json};

/// What there is to be done.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// Nothing, but for whether it is to be run.
    Unchanged {
        /// `None` where the answer does not say it.
        enabled: Option<bool>,
    },
    /// Another configuration.
    Changed(Configuration),
}

/// A configuration, as the cloud has it. No Debug is derived for logs: it holds passwords.
#[derive(Clone, PartialEq)]
pub struct Configuration {
    /// What a file would hold: `sensor_type` and `imap`.
    pub data: Value,
    /// Which version it is.
    pub etag: Option<String>,
    /// Whether it is to be run.
    pub enabled: bool,
}

impl std::fmt::Debug for Configuration {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Configuration")
            .field("etag", &self.etag)
            .field("enabled", &self.enabled)
            .finish_non_exhaustive()
    }
}

/// Reads an answer. The error repeats nothing of it.
pub fn read(body: &[u8]) -> Result<Answer, String> {
    let answer: Value =
        serde_json::from_slice(body).map_err(|_| "its answer is no JSON, or longer than expected".to_owned())?;
    let Some(answer) = answer.as_object() else {
        return Err("its answer is no object".to_owned());
    };
    let enabled = flag(answer.get("usr_mtd"), "enabled");
    match answer.get("data") {
        None | Some(Value::Null) => Ok(Answer::Unchanged { enabled }),
        Some(Value::Object(data)) if data.is_empty() => Ok(Answer::Unchanged { enabled }),
        Some(data @ Value::Object(_)) => Ok(Answer::Changed(Configuration {
            data: data.clone(),
            etag: text(answer.get("sys_mtd"), "etag"),
            // Only what says no is disabled.
            enabled: enabled.unwrap_or(true),
        })),
        Some(_) => Err("the data in its answer is no object".to_owned()),
    }
}

/// As [`read`] reads it: what is remembered on the disk.
pub fn write(configuration: &Configuration) -> String {
    json!({
        "data": configuration.data,
        "sys_mtd": {"etag": configuration.etag},
        "usr_mtd": {"enabled": configuration.enabled},
    })
    .to_string()
}

fn text(object: Option<&Value>, key: &str) -> Option<String> {
    object?.get(key)?.as_str().map(str::to_owned)
}

fn flag(object: Option<&Value>, key: &str) -> Option<bool> {
    object?.get(key)?.as_bool()
}

/// Whatever the cloud says, what is kept of it is read as it was, and an error repeats nothing.
#[doc(hidden)]
pub fn fuzz(data: &[u8]) {
    match read(data) {
        Ok(Answer::Changed(mut configuration)) => {
            let mut again = read(write(&configuration).as_bytes());
            if let Ok(Answer::Changed(again)) = &mut again {
                drop_fractions(&mut again.data);
            }
            drop_fractions(&mut configuration.data);
            assert_eq!(again, Ok(Answer::Changed(configuration)));
        }
        Ok(Answer::Unchanged { .. }) => {}
        Err(reason) => assert!(reason.len() < 80 && reason.is_ascii()),
    }
}

/// The last bit of a fraction may be another one once it was read.
fn drop_fractions(value: &mut Value) {
    match value {
        Value::Number(number) if number.is_f64() => *value = Value::Null,
        Value::Array(items) => items.iter_mut().for_each(drop_fractions),
        Value::Object(entries) => entries.values_mut().for_each(drop_fractions),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Answer, Configuration, read, write};

    const ANSWER: &str = r#"{"data":{"sensor_type":"imap","imap":{"password":"hunter2"}},"sys_mtd":{"etag":"e1","x":[]},"usr_mtd":{"enabled":false}}"#;

    #[test]
    fn data_etag_and_enabled_are_read_and_written_again() {
        let Ok(Answer::Changed(configuration)) = read(ANSWER.as_bytes()) else {
            panic!("changed")
        };
        assert_eq!(configuration.data["imap"], json!({"password": "hunter2"}));
        assert_eq!(
            (configuration.etag.as_deref(), configuration.enabled),
            (Some("e1"), false)
        );
        assert!(!format!("{configuration:?}").contains("hunter2"));
        assert_eq!(
            read(write(&configuration).as_bytes()),
            Ok(Answer::Changed(configuration))
        );
    }

    #[test]
    fn empty_data_is_no_change_and_what_is_missing_has_its_default() {
        for (unchanged, enabled) in [
            ("{}", None),
            (r#"{"data":{}}"#, None),
            (r#"{"data":null,"sys_mtd":{"etag":"e1"}}"#, None),
            (r#"{"data":{},"usr_mtd":{"enabled":false}}"#, Some(false)),
            (r#"{"data":{},"usr_mtd":{"enabled":true}}"#, Some(true)),
        ] {
            assert_eq!(
                read(unchanged.as_bytes()),
                Ok(Answer::Unchanged { enabled }),
                "{unchanged}"
            );
        }
        let data = json!({"imap": {}});
        for bare in [
            r#"{"data":{"imap":{}}}"#,
            r#"{"data":{"imap":{}},"sys_mtd":[],"usr_mtd":{"enabled":"no"}}"#,
        ] {
            let expected = Configuration {
                data: data.clone(),
                etag: None,
                enabled: true,
            };
            assert_eq!(read(bare.as_bytes()), Ok(Answer::Changed(expected)), "{bare}");
        }
    }

    #[test]
    fn what_is_cut_or_has_another_shape_is_an_error_without_its_words() {
        for end in 0..ANSWER.len() {
            let error = read(&ANSWER.as_bytes()[..end]).unwrap_err();
            assert!(!error.contains("hunter2"), "{error}");
        }
        for wrong in ["[]", "7", r#"{"data":[1]}"#, r#"{"data":"hunter2"}"#] {
            assert!(!read(wrong.as_bytes()).unwrap_err().contains("hunter2"), "{wrong}");
        }
    }
}
