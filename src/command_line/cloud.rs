//! `mailtap cloud`: runs a configuration that is managed in LimaCharlie's cloud.

use std::ffi::OsString;

use super::Failure;
use super::configuration::environment;
use crate::cloud::{Managed, Settings};
use crate::config::{self, nearest, shown};
use crate::http::url::{Url, UrlError};
use crate::secret::Secret;

/// `show_config` is the original's, and means nothing here: a configuration is never printed.
const KEYS: [&str; 7] = [
    "conf_guid",
    "oid",
    "url",
    "ca_file",
    "state_dir",
    "healthcheck",
    "show_config",
];

/// Where configurations are.
const CLOUD: &str = "https://api.limacharlie.io";

/// `mailtap cloud conf_guid=… oid=…`.
pub(super) fn run(arguments: &[OsString]) -> Result<(), Failure> {
    let wrong = |reason| Failure::Usage(format!("cloud: {reason}"));
    let settings = read(arguments).map_err(wrong)?;
    let managed = Managed::prepare(settings, environment).map_err(wrong)?;
    managed.run().map_err(Failure::Run)
}

fn read(arguments: &[OsString]) -> Result<Settings, String> {
    let mut values: [Option<String>; KEYS.len()] = Default::default();
    let mut of_proxy = Vec::new();
    for (number, argument) in (1_usize..).zip(arguments) {
        let argument = argument.to_str().ok_or("an argument is not UTF-8 text")?;
        // It may be the configuration's GUID, which is a secret.
        let (key, value) = argument
            .split_once('=')
            .ok_or_else(|| format!("argument {number} is not key=value; `mailtap cloud --help` tells more"))?;
        let of_a_proxy = key
            .split_once('.')
            .is_some_and(|(section, _)| section.eq_ignore_ascii_case("proxy"));
        if of_a_proxy {
            of_proxy.push(argument);
            continue;
        }
        let mut slots = KEYS.into_iter().zip(&mut values);
        let Some((key, slot)) = slots.find(|(known, _)| known.eq_ignore_ascii_case(key)) else {
            let key = shown(key);
            let near = nearest(&key, KEYS).map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
            return Err(format!("{key}: unknown key{near}"));
        };
        let value = match key {
            // Below, as paths.
            "ca_file" | "state_dir" => value.to_owned(),
            _ => config::resolve(value, &environment).map_err(|reason| format!("{key}: {reason}"))?,
        };
        if slot.replace(value).is_some() {
            return Err(format!("{key}: given twice"));
        }
    }
    let [guid, oid, url, ca_file, state_dir, healthcheck, _] =
        values.map(|value| value.filter(|value| !value.is_empty()));
    let guid = guid.ok_or("conf_guid: missing")?;
    let oid = oid.ok_or("oid: missing")?;
    if !oid
        .chars()
        .all(|character| character.is_ascii_alphanumeric() || character == '-')
    {
        return Err("oid: expected an organisation's id: letters, digits and hyphens".to_owned());
    }
    let url = url.unwrap_or_else(|| CLOUD.to_owned());
    let address = format!("{}/v1/hive-public/external_adapter/{oid}", url.trim_end_matches('/'));
    let address = Url::parse(&address, false).map_err(|error| match error {
        // `is_insecure` is no argument.
        UrlError::ClearText => "url: http:// sends everything in clear text; use https://".to_owned(),
        error => format!("url: {error}"),
    })?;
    let path = |key: &str, text: Option<String>| match text {
        Some(text) => config::resolve_path(&text, &environment)
            .map(Some)
            .map_err(|reason| format!("{key}: {reason}")),
        None => Ok(None),
    };
    let state_dir = path("state_dir", state_dir)?.or_else(|| config::default_state_dir(&environment));
    Ok(Settings {
        oid,
        guid: Secret::new(guid),
        address,
        ca_file: path("ca_file", ca_file)?,
        proxy: config::proxy_of_arguments(of_proxy, &environment)?,
        healthcheck: match healthcheck {
            Some(text) => config::healthcheck_address(&text).map_err(|reason| format!("healthcheck: {reason}"))?,
            None => None,
        },
        state_dir: state_dir
            .ok_or("state_dir: set it: neither $STATE_DIRECTORY, $XDG_STATE_HOME nor $HOME says where it may be")?,
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{CLOUD, KEYS};
    use crate::command_line::commands::{self, Offers};

    #[test]
    fn readme_and_help_tell_every_argument_and_no_other() {
        let readme = include_str!("../../README.md");
        let rows = readme
            .lines()
            .skip_while(|line| !line.starts_with("| argument of `cloud` |"))
            .skip(2);
        let cells = rows
            .take_while(|line| line.starts_with('|'))
            .filter_map(|line| line.split('|').nth(1));
        let told: BTreeSet<String> = cells
            .flat_map(|cell| cell.split(',').map(|key| key.trim().replace('`', "")))
            .collect();
        let (of_proxy, own): (BTreeSet<_>, BTreeSet<_>) = told.into_iter().partition(|key| key.starts_with("proxy."));
        assert_eq!(own, KEYS.map(str::to_owned).into());
        assert_eq!(of_proxy.len(), 6);
        assert!(readme.contains(&format!("| `url` | `{CLOUD}` |")));
        let command = commands::named("cloud").unwrap();
        let Offers::Words(offered) = command.offers else {
            panic!("words")
        };
        for key in of_proxy.iter().map(String::as_str).chain(KEYS) {
            assert!(offered.contains(&format!("{key}=").as_str()), "{key}");
        }
        for key in KEYS {
            assert!(command.description.contains(&format!("\n  {key} ")), "{key}");
        }
    }
}
