//! A file replaced whole: whoever reads it, after whatever crash, finds the old text or the new one. And files of our own under
//! names where something may have been left.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

/// Makes the folder of such files where it is missing, for its owner only: whoever may open the lock may hold it. Those above
/// it may hold what is for others as well.
pub(crate) fn make_folder(path: &Path) -> io::Result<()> {
    fs::create_dir_all(path.parent().unwrap_or(Path::new("")))?;
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Temporary file, fsync, rename, fsync of the folder. `mode` is what the umask leaves some of: 0600 for what nobody else
/// may read.
pub(crate) fn replace(path: &Path, text: &str, mode: u32) -> io::Result<()> {
    let temporary = path.with_extension("new");
    let mut file = create_anew(&temporary, OpenOptions::new().write(true).mode(mode))?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&temporary, path)?;
    File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
}

/// Makes a file, whatever has its name: a killed process may have left it, or somebody else made it, for others to read or as a
/// link to what is ours.
pub(crate) fn create_anew(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => options.create_new(true).open(path),
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, OpenOptions};
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    use std::path::Path;

    use super::{create_anew, make_folder};

    #[test]
    fn what_a_link_of_that_name_leads_to_stays_as_it_is() {
        let folder = std::env::temp_dir().join(format!("mailtap-anew-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        let (target, name) = (folder.join("target"), folder.join("name"));
        fs::write(&target, "precious").unwrap();
        symlink(&target, &name).unwrap();
        create_anew(&name, OpenOptions::new().write(true)).unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"precious");
        assert!(fs::symlink_metadata(&name).unwrap().is_file());
        fs::remove_file(&name).unwrap();
        fs::create_dir(&name).unwrap();
        assert!(create_anew(&name, OpenOptions::new().write(true)).is_err());
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn only_the_folder_itself_is_for_its_owner_only() {
        let root = std::env::temp_dir().join(format!("mailtap-replace-{}", std::process::id()));
        let _ = fs::remove_dir_all(&root);
        fs::create_dir_all(root.join("usual")).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        make_folder(&root.join("above/state")).unwrap();
        assert_eq!(mode(&root.join("above/state")), 0o700);
        assert_eq!(mode(&root.join("above")), mode(&root.join("usual")));
        fs::set_permissions(root.join("above/state"), fs::Permissions::from_mode(0o750)).unwrap();
        make_folder(&root.join("above/state")).unwrap();
        assert_eq!(mode(&root.join("above/state")), 0o750, "it stays as it is");
        fs::remove_dir_all(root).unwrap();
    }
}
