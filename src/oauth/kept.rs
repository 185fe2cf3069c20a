//! The refresh token that the provider gave last, on the disk: many providers revoke the one before, and a restart with the
//! configured one would be locked out for good. Nobody but its owner may read it.
//!
//! The file's name is made of the configured token as well: whoever configures another one begins with that.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::{Grant, Settings};
use crate::event::encode::hexadecimal;
use crate::limits;
use crate::replace::{make_folder, replace};
use crate::secret::Secret;

const VERSION: u64 = 1;

/// One file of the state directory.
pub(super) struct Kept {
    path: PathBuf,
}

impl Kept {
    /// What took the place of the configured refresh token; `None` where there is no such token.
    pub fn new(state_dir: &Path, settings: &Settings) -> Option<Kept> {
        let Grant::RefreshToken(configured) = &settings.grant else {
            return None;
        };
        let mut digest = Sha256::new();
        for part in [
            &settings.token_url.endpoint.to_string(),
            &settings.client_id,
            configured.expose(),
        ] {
            digest.update(part.as_bytes());
            digest.update([0]);
        }
        let digest = digest.finalize();
        let name = hexadecimal(digest.get(..8).unwrap_or_default());
        Some(Kept {
            path: state_dir.join(format!("oauth-{name}.token")),
        })
    }

    /// What was kept, if anything.
    pub fn load(&self) -> Result<Option<Secret<String>>, String> {
        let text = match fs::read(&self.path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            text => text.map_err(|error| self.failed(&error))?,
        };
        read(&text)
            .map(Some)
            .ok_or_else(|| format!("state_dir: {}: damaged", self.path.display()))
    }

    /// Replaces what was kept. Somebody who only looks (`check`, a rehearsal) does it as well: the old one may be gone.
    pub fn keep(&self, token: &Secret<String>) -> Result<(), String> {
        let text = json!({"version": VERSION, "refresh_token": token.expose()});
        let folder = self.path.parent().unwrap_or(Path::new("."));
        make_folder(folder)
            .and_then(|()| replace(&self.path, &format!("{text}\n"), 0o600))
            .map_err(|error| self.failed(&error))
    }

    fn failed(&self, error: &io::Error) -> String {
        format!("state_dir: {}: {error}", self.path.display())
    }
}

fn read(text: &[u8]) -> Option<Secret<String>> {
    let file: Value = serde_json::from_slice(text).ok()?;
    let token = file.get("refresh_token")?.as_str()?;
    (!token.is_empty() && token.len() <= limits::OAUTH_TOKEN).then(|| Secret::new(token.to_owned()))
}
