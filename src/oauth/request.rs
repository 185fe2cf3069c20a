//! The request for a token (RFC 6749 sections 4.4.2 and 6): a form, with the client's secret in it.

use super::{Grant, Settings};
use crate::http::request::{FieldError, Method, Request};
use crate::secret::Secret;

/// The head of every request.
pub(super) fn head(settings: &Settings) -> Result<Request, FieldError> {
    Request::new(Method::Post, &settings.token_url)
        .with_field("Content-Type", "application/x-www-form-urlencoded")?
        .with_field("Accept", "application/json")
}

/// The form.
pub(super) fn body(settings: &Settings, grant: &Grant) -> Secret<Vec<u8>> {
    let grant_type = match grant {
        Grant::RefreshToken(_) => "refresh_token",
        Grant::ClientCredentials => "client_credentials",
    };
    let mut form = Form::default();
    form.field("grant_type", grant_type);
    form.field("client_id", &settings.client_id);
    if let Some(client_secret) = &settings.client_secret {
        form.field("client_secret", client_secret.expose());
    }
    if let Grant::RefreshToken(refresh_token) = grant {
        form.field("refresh_token", refresh_token.expose());
    }
    if let Some(scope) = &settings.scope {
        form.field("scope", scope);
    }
    Secret::new(form.0.into_bytes())
}

/// These fields as a form.
pub(crate) fn form(fields: &[(&str, &str)]) -> Secret<Vec<u8>> {
    let mut form = Form::default();
    for (name, value) in fields {
        form.field(name, value);
    }
    Secret::new(form.0.into_bytes())
}

/// `application/x-www-form-urlencoded` (RFC 6749 appendix B).
#[derive(Default)]
struct Form(String);

impl Form {
    fn field(&mut self, name: &str, value: &str) {
        if !self.0.is_empty() {
            self.0.push('&');
        }
        self.0.push_str(name);
        self.0.push('=');
        for byte in value.bytes() {
            match byte {
                b' ' => self.0.push('+'),
                b'*' | b'-' | b'.' | b'_' => self.0.push(char::from(byte)),
                byte if byte.is_ascii_alphanumeric() => self.0.push(char::from(byte)),
                byte => self.0.extend(['%', digit(byte >> 4), digit(byte & 15)]),
            }
        }
    }
}

fn digit(value: u8) -> char {
    char::from_digit(u32::from(value), 16).map_or('0', |digit| digit.to_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use super::{body, head};
    use crate::http::url::Url;
    use crate::oauth::{Grant, Settings};
    use crate::secret::Secret;

    fn settings(grant: Grant) -> Settings {
        Settings {
            token_url: Url::parse("https://provider.example/tenant/token", false).unwrap(),
            client_id: "s6BhdRkqt3".to_owned(),
            client_secret: Some(Secret::new("gX1f Bat3bV".to_owned())),
            grant,
            scope: None,
        }
    }

    #[test]
    fn a_refresh_token_goes_as_a_form_with_nothing_left_unescaped() {
        let grant = Grant::RefreshToken(Secret::new("a&b=c+d e/é~*-._%\n".to_owned()));
        let form = body(&settings(grant.clone()), &grant);
        assert_eq!(
            str::from_utf8(form.expose()).unwrap(),
            "grant_type=refresh_token&client_id=s6BhdRkqt3&client_secret=gX1f+Bat3bV&\
             refresh_token=a%26b%3Dc%2Bd+e%2F%C3%A9%7E*-._%25%0A"
        );
    }

    #[test]
    fn client_credentials_go_with_their_scope() {
        let settings = Settings {
            scope: Some("https://outlook.office365.com/.default".to_owned()),
            ..settings(Grant::ClientCredentials)
        };
        let form = body(&settings, &settings.grant);
        assert_eq!(
            str::from_utf8(form.expose()).unwrap(),
            "grant_type=client_credentials&client_id=s6BhdRkqt3&client_secret=gX1f+Bat3bV&\
             scope=https%3A%2F%2Foutlook.office365.com%2F.default"
        );
    }

    #[test]
    fn the_head_names_a_form_and_wants_json() {
        let head = head(&settings(Grant::ClientCredentials)).unwrap().head(7);
        let head = String::from_utf8(head).unwrap();
        assert!(
            head.starts_with("POST /tenant/token HTTP/1.1\r\nHost: provider.example\r\n"),
            "{head}"
        );
        for field in [
            "Content-Type: application/x-www-form-urlencoded",
            "Accept: application/json",
            "Content-Length: 7",
        ] {
            assert!(head.contains(&format!("\r\n{field}\r\n")), "{head}");
        }
    }
}
