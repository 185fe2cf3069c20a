//! Values by reference: a secret need not stand in the configuration. Works for every text value.

use std::fs::{self, File};
use std::io::Read as _;
use std::path::Path;

use crate::limits;

/// Looks an environment variable up. An argument, so that the environment is used for what is named here and for
/// nothing else.
pub type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

/// `text` itself, or what it refers to. Errors name the reference, never what it refers to.
pub(crate) fn resolve(text: &str, environment: Environment<'_>) -> Result<String, String> {
    let Some((scheme, name)) = text.split_once("://") else {
        return Ok(text.to_owned());
    };
    let value = match scheme {
        "env" => environment(name).ok_or_else(|| format!("{text}: the environment variable is not set"))?,
        "file" => read_secret(Path::new(name)).map_err(|error| format!("{text}: {error}"))?,
        "credential" => credential(name, environment).map_err(|error| format!("{text}: {error}"))?,
        "hive" => {
            return Err(format!(
                "{text}: only LimaCharlie's cloud can read its hive; use env://NAME, file:///path or credential://NAME"
            ));
        }
        _ => return Ok(text.to_owned()),
    };
    if value.is_empty() {
        return Err(format!("{text}: is empty"));
    }
    Ok(value)
}

/// A file that systemd's `LoadCredential=` provides.
fn credential(name: &str, environment: Environment<'_>) -> Result<String, String> {
    if name.is_empty() || name.contains('/') || name == "." || name == ".." {
        return Err("a credential's name has no slash".to_owned());
    }
    let Some(directory) = environment("CREDENTIALS_DIRECTORY").filter(|directory| !directory.is_empty()) else {
        return Err("$CREDENTIALS_DIRECTORY is not set: LoadCredential= in the systemd unit sets it".to_owned());
    };
    read_secret(&Path::new(&directory).join(name))
}

fn read_secret(path: &Path) -> Result<String, String> {
    if !path.is_absolute() {
        return Err("write the whole path, as in file:///etc/mailtap/password".to_owned());
    }
    // A named pipe or a terminal would hold the start up for ever.
    if !fs::metadata(path).map_err(|error| error.to_string())?.is_file() {
        return Err("not a regular file".to_owned());
    }
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| {
            file.take(limits::SECRET_FILE_BYTES.saturating_add(1))
                .read_to_end(&mut bytes)
        })
        .map_err(|error| error.to_string())?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length > limits::SECRET_FILE_BYTES) {
        return Err(format!("larger than {} bytes", limits::SECRET_FILE_BYTES));
    }
    let mut text = String::from_utf8(bytes).map_err(|_| "not UTF-8 text".to_owned())?;
    // Editors and `echo` end a file with a line end that is not part of the secret.
    if text.ends_with('\n') {
        text.pop();
        if text.ends_with('\r') {
            text.pop();
        }
    }
    Ok(text)
}

#[cfg(test)]
mod tests;
