//! `password` or `oauth`, and `auth`: how the account proves who it is.

use super::Credentials;
use super::nearest::{nearest, shown};
use super::node::Finding;
use super::settings::Section;
use crate::http::url::Url;
use crate::imap::auth::Mechanism;
use crate::oauth::{Grant, Settings};
use crate::secret::Secret;

const GOOGLE_TOKEN_URL: &str = "https://oauth2.googleapis.com/token";
const MICROSOFT_SCOPE: &str = "https://outlook.office365.com/.default";

/// Whose endpoint and scope need not be written out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Provider {
    Google,
    Microsoft,
}

/// The credentials, and the mechanism that `auth` demands.
pub(super) fn credentials(
    section: &Section<'_>,
    is_insecure: bool,
) -> Result<(Credentials, Option<Mechanism>), Finding> {
    let credentials = if !section.is_set("oauth") {
        Credentials::Password(Secret::new(section.required("password")?))
    } else if section.is_set("password") {
        return Err(section.fault("oauth", "`password` is set as well; set one of the two"));
    } else {
        Credentials::OAuth(settings(&section.section("oauth"), is_insecure)?)
    };
    let mechanism = mechanism(section, &credentials)?;
    Ok((credentials, mechanism))
}

fn mechanism(section: &Section<'_>, credentials: &Credentials) -> Result<Option<Mechanism>, Finding> {
    let Some(name) = section.text("auth")? else {
        return Ok(None);
    };
    let Some(mechanism) = Mechanism::named(&name) else {
        let names = Mechanism::ALL.map(|mechanism| mechanism.name().to_ascii_lowercase());
        let name = shown(&name);
        let reason = match nearest(&name, names.iter().map(String::as_str)) {
            Some(near) => format!("unknown; did you mean `{near}`?"),
            None => format!("unknown; it is one of {}", names.join(", ")),
        };
        return Err(section.fault("auth", &reason));
    };
    match (credentials, mechanism.takes_token()) {
        (Credentials::Password(_), true) => Err(section.fault("auth", "needs `oauth`, and `password` is set")),
        (Credentials::OAuth(_), false) => Err(section.fault("auth", "needs `password`, and `oauth` is set")),
        _ => Ok(Some(mechanism)),
    }
}

fn settings(oauth: &Section<'_>, is_insecure: bool) -> Result<Settings, Finding> {
    let provider = provider(oauth)?;
    let token_url = token_url(oauth, provider, is_insecure)?;
    let client_secret = oauth.text("client_secret")?.map(Secret::new);
    let grant = grant(oauth, provider)?;
    if grant == Grant::ClientCredentials && client_secret.is_none() {
        return Err(oauth.fault("client_secret", "missing; `grant: client_credentials` needs it"));
    }
    let own_scope = || (provider == Some(Provider::Microsoft)).then(|| MICROSOFT_SCOPE.to_owned());
    Ok(Settings {
        token_url,
        client_id: oauth.required("client_id")?,
        client_secret,
        grant,
        scope: oauth.text("scope")?.or_else(own_scope),
    })
}

fn provider(oauth: &Section<'_>) -> Result<Option<Provider>, Finding> {
    match oauth.text("provider")?.as_deref() {
        None => Ok(None),
        Some("google") => Ok(Some(Provider::Google)),
        Some("microsoft") => Ok(Some(Provider::Microsoft)),
        Some(_) => Err(oauth.fault(
            "provider",
            "expected google or microsoft; leave it away and set token_url for another",
        )),
    }
}

fn token_url(oauth: &Section<'_>, provider: Option<Provider>, is_insecure: bool) -> Result<Url, Finding> {
    let tenant = oauth.text("tenant")?;
    if tenant.is_some() && provider != Some(Provider::Microsoft) {
        return Err(oauth.fault("tenant", "has a meaning with `provider: microsoft` only; remove it"));
    }
    let own = match provider {
        None => return parse(oauth, &oauth.required("token_url")?, is_insecure),
        Some(_) if oauth.is_set("token_url") => {
            return Err(oauth.fault("token_url", "`provider` stands for one already; set one of the two"));
        }
        Some(Provider::Google) => GOOGLE_TOKEN_URL.to_owned(),
        Some(Provider::Microsoft) => {
            let tenant = oauth.required("tenant")?;
            if !tenant
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.'))
            {
                return Err(oauth.fault(
                    "tenant",
                    "expected the tenant's id or domain, as in contoso.onmicrosoft.com",
                ));
            }
            format!("https://login.microsoftonline.com/{tenant}/oauth2/v2.0/token")
        }
    };
    parse(oauth, &own, is_insecure)
}

fn parse(oauth: &Section<'_>, url: &str, is_insecure: bool) -> Result<Url, Finding> {
    Url::parse(url, is_insecure).map_err(|error| oauth.fault("token_url", &error.to_string()))
}

fn grant(oauth: &Section<'_>, provider: Option<Provider>) -> Result<Grant, Finding> {
    let refresh_token = oauth.text("refresh_token")?.map(Secret::new);
    match (oauth.text("grant")?.as_deref(), refresh_token) {
        (None | Some("refresh_token"), Some(refresh_token)) => Ok(Grant::RefreshToken(refresh_token)),
        (Some("client_credentials"), Some(_)) => Err(oauth.fault(
            "refresh_token",
            "has no meaning with `grant: client_credentials`; remove one of the two",
        )),
        (Some("client_credentials"), None) if provider == Some(Provider::Google) => {
            Err(oauth.fault("grant", "Google gives no tokens for mail this way; use refresh_token"))
        }
        (Some("client_credentials"), None) => Ok(Grant::ClientCredentials),
        (None, None) if provider == Some(Provider::Google) => Err(oauth.fault("refresh_token", "missing")),
        (Some("refresh_token"), None) => Err(oauth.fault("refresh_token", "missing")),
        (None, None) => Err(oauth.fault("refresh_token", "missing; or set `grant: client_credentials`")),
        (Some(_), _) => Err(oauth.fault("grant", "expected refresh_token or client_credentials")),
    }
}
