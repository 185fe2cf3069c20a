//! `mailtap cloud`: runs a configuration that is managed in LimaCharlie's cloud.

use std::ffi::OsString;
use std::path::PathBuf;

use super::Failure;
use super::configuration::environment;
use crate::cloud::{self, Settings};
use crate::config::{self, nearest, shown};
use crate::http::url::Url;
use crate::secret::Secret;

const KEYS: [&str; 5] = ["conf_guid", "oid", "url", "ca_file", "state_dir"];

/// Where configurations are.
const CLOUD: &str = "https://api.limacharlie.io";

/// `mailtap cloud conf_guid=… oid=…`.
pub(super) fn run(arguments: &[OsString]) -> Result<(), Failure> {
    let settings = read(arguments).map_err(|reason| Failure::Usage(format!("cloud: {reason}")))?;
    cloud::run(settings, environment).map_err(Failure::Run)
}

fn read(arguments: &[OsString]) -> Result<Settings, String> {
    let mut values: [Option<String>; KEYS.len()] = Default::default();
    for argument in arguments {
        let argument = argument.to_str().ok_or("an argument is not UTF-8 text")?;
        let (key, value) = argument.split_once('=').ok_or_else(|| {
            format!(
                "`{}` is not key=value; `mailtap cloud --help` tells more",
                shown(argument)
            )
        })?;
        let place = KEYS.iter().position(|known| *known == key);
        let Some(slot) = place.and_then(|place| values.get_mut(place)) else {
            let key = shown(key);
            let near = nearest(&key, KEYS).map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
            return Err(format!("{key}: unknown key{near}"));
        };
        let value = config::resolve(value, &environment).map_err(|reason| format!("{key}: {reason}"))?;
        if slot.replace(value).is_some() {
            return Err(format!("{key}: given twice"));
        }
    }
    let [guid, oid, url, ca_file, state_dir] = values.map(|value| value.filter(|value| !value.is_empty()));
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
    let address = Url::parse(&address, false).map_err(|error| format!("url: {error}"))?;
    let state_dir = state_dir
        .map(PathBuf::from)
        .or_else(|| config::default_state_dir(&environment));
    Ok(Settings {
        oid,
        guid: Secret::new(guid),
        address,
        ca_file: ca_file.map(PathBuf::from),
        state_dir: state_dir
            .ok_or("state_dir: set it: neither $STATE_DIRECTORY, $XDG_STATE_HOME nor $HOME says where it may be")?,
    })
}
