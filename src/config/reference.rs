//! Values by reference: a secret need not stand in the configuration. Works for every text value.

use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use crate::limits;

const SCHEMES: [&str; 3] = ["env", "file", "credential"];

/// Looks an environment variable up. An argument, so that the environment is used for what is named here and for
/// nothing else.
pub type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

/// `text` itself, or what it refers to. Errors name the reference, never what it refers to.
pub(crate) fn resolve(text: &str, environment: Environment<'_>) -> Result<String, String> {
    // YAML's block scalars end with one, as files do.
    let text = without_line_end(text);
    let Some((scheme, name)) = text.split_once("://") else {
        return Ok(text.to_owned());
    };
    let value = match scheme {
        "env" => environment(name).ok_or_else(|| format!("{text}: the environment variable is not set"))?,
        "file" => read_secret(Path::new(name)).map_err(|error| format!("{text}: {error}"))?,
        "credential" => credential(name, environment)
            .and_then(|path| read_secret(&path))
            .map_err(|error| format!("{text}: {error}"))?,
        "hive" => {
            return Err(format!(
                "{text}: only LimaCharlie's cloud can read its hive; use env://NAME, file:///path or credential://NAME"
            ));
        }
        // It may be a password all the same, and is not repeated. What only resembles a reference may well be one.
        _ => {
            let scheme = scheme.to_ascii_lowercase();
            let scheme = if scheme == "credentials" { "credential" } else { &scheme };
            match SCHEMES.iter().find(|known| **known == scheme) {
                Some(known) => return Err(format!("no such kind of reference; did you mean `{known}://`?")),
                None => return Ok(text.to_owned()),
            }
        }
    };
    if value.is_empty() {
        return Err(format!("{text}: is empty"));
    }
    Ok(value)
}

/// The path that `text` is or refers to. The path of a file is never what is in the file: that may be a private key.
pub(crate) fn resolve_path(text: &str, environment: Environment<'_>) -> Result<PathBuf, String> {
    let path = match without_line_end(text).split_once("://") {
        Some(("file", path)) if path.starts_with('/') => PathBuf::from(path),
        Some(("credential", name)) => credential(name, environment).map_err(|error| format!("{text}: {error}"))?,
        _ => PathBuf::from(resolve(text, environment)?),
    };
    let bytes = path.as_os_str().as_encoded_bytes();
    if matches!(bytes.first(), Some(b'~' | b'$')) {
        // It would become a folder called `~`.
        return Err("write the whole path; ~ and $VARIABLE are not expanded".to_owned());
    }
    if bytes.iter().any(u8::is_ascii_control) {
        return Err("is no path: it has a line end, or another control character".to_owned());
    }
    Ok(path)
}

/// Where systemd's `LoadCredential=` provides a file.
fn credential(name: &str, environment: Environment<'_>) -> Result<PathBuf, String> {
    if name.is_empty() || name.contains('/') || name == "." || name == ".." {
        return Err("a credential's name has no slash".to_owned());
    }
    let Some(directory) = environment("CREDENTIALS_DIRECTORY").filter(|directory| !directory.is_empty()) else {
        return Err("$CREDENTIALS_DIRECTORY is not set: LoadCredential= in the systemd unit sets it".to_owned());
    };
    Ok(Path::new(&directory).join(name))
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
    let text = String::from_utf8(bytes).map_err(|_| "not UTF-8 text".to_owned())?;
    // Editors put a mark before the text, and they and `echo` a line end behind it: neither is part of the secret.
    Ok(without_line_end(text.strip_prefix('\u{feff}').unwrap_or(&text)).to_owned())
}

fn without_line_end(text: &str) -> &str {
    text.strip_suffix('\n')
        .map_or(text, |line| line.strip_suffix('\r').unwrap_or(line))
}

#[cfg(test)]
mod tests;
