//! The last good configuration on the disk: what a start goes on with while the cloud is away. It holds passwords, and nobody
//! else may read it.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::answer::{self, Answer, Configuration};
use crate::event::encode::hexadecimal;
use crate::replace::{make_folder, replace};

/// One file of the state directory.
pub(super) struct LastGood {
    path: PathBuf,
}

impl LastGood {
    /// Of this configuration of this organisation. The name does not tell the GUID.
    pub fn new(state_dir: &Path, oid: &str, guid: &str) -> LastGood {
        let digest = Sha256::digest(format!("{oid}\0{guid}"));
        let name = hexadecimal(digest.get(..8).unwrap_or_default());
        LastGood {
            path: state_dir.join(format!("cloud-{name}.configuration")),
        }
    }

    /// What was kept, if anything.
    pub fn load(&self) -> Result<Option<Configuration>, String> {
        let text = match fs::read(&self.path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            text => text.map_err(|error| self.failed(&error))?,
        };
        match answer::read(&text) {
            Ok(Answer::Changed(configuration)) => Ok(Some(configuration)),
            _ => Err(format!("{}: damaged", self.path.display())),
        }
    }

    /// Replaces what was kept.
    pub fn keep(&self, configuration: &Configuration) -> Result<(), String> {
        let folder = self.path.parent().unwrap_or(Path::new("."));
        make_folder(folder)
            .and_then(|()| replace(&self.path, &answer::write(configuration), 0o600))
            .map_err(|error| self.failed(&error))
    }

    fn failed(&self, error: &io::Error) -> String {
        format!("state_dir: {}: {error}", self.path.display())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use serde_json::json;

    use super::{Configuration, LastGood};

    #[test]
    fn it_is_read_again_by_its_owner_only_and_damage_is_told() {
        let folder = std::env::temp_dir().join(format!("mailtap-last-good-{}", std::process::id()));
        let file = LastGood::new(&folder, "oid", "guid");
        assert_eq!(file.load(), Ok(None));
        let configuration = Configuration {
            data: json!({"imap": {"password": "p"}}),
            etag: Some("e".to_owned()),
            enabled: true,
        };
        file.keep(&configuration).unwrap();
        assert_eq!(file.load(), Ok(Some(configuration)));
        let mode = fs::metadata(&file.path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(LastGood::new(&folder, "oid", "other").load(), Ok(None));
        let text = fs::read(&file.path).unwrap();
        for end in 0..text.len() {
            fs::write(&file.path, &text[..end]).unwrap();
            assert!(file.load().unwrap_err().ends_with("damaged"), "{end}");
        }
        fs::remove_dir_all(folder).unwrap();
    }
}
