//! Writing files so that a reader never sees half of one.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use tempfile::{Builder, NamedTempFile};

use crate::error::{Error, Result};

/// Replaces `path` by `contents` in one step: written to a temporary file in the same folder,
/// synced, then renamed. A kill at any moment leaves the old file or the new one.
///
/// # Errors
///
/// If the folder cannot be written to; then what was there is untouched.
pub fn replace(path: &Path, contents: &[u8]) -> Result<()> {
    let write = || {
        let target = target(path)?;
        let mut file = temporary(&target)?;
        file.as_file_mut().write_all(contents)?;
        file.as_file().sync_all()?;
        file.persist(&target).map_err(|error| error.error)?;
        Ok(())
    };
    write().map_err(|reason| write_error(path, reason))
}

/// Finds out before any work whether [`replace`] will be able to write there.
///
/// # Errors
///
/// As [`replace`].
pub fn check_writable(path: &Path) -> Result<()> {
    let try_it = || temporary(&target(path)?);
    try_it()
        .map(drop)
        .map_err(|reason| write_error(path, reason))
}

fn write_error(path: &Path, reason: io::Error) -> Error {
    Error::Write {
        file: path.to_owned(),
        reason,
    }
}

/// What to rename to: the file behind a symbolic link, so that the link stays.
fn target(path: &Path) -> io::Result<PathBuf> {
    match fs::metadata(path) {
        Ok(there) if there.is_file() => fs::canonicalize(path),
        Ok(there) if there.is_dir() => Err(io::ErrorKind::IsADirectory.into()),
        Ok(_) => Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "not a regular file",
        )),
        Err(_) => Ok(path.to_owned()),
    }
}

/// A temporary file beside `target`, with the permissions of a usual new file.
fn temporary(target: &Path) -> io::Result<NamedTempFile> {
    let folder = match target.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    if !folder.is_dir() {
        let missing = format!("there is no folder {}", folder.display());
        return Err(io::Error::new(io::ErrorKind::NotFound, missing));
    }
    let mut builder = Builder::new();
    builder.prefix(".makemore-tch-");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(fs::Permissions::from_mode(0o666));
    }
    // tempfile's own message names the temporary file, which means nothing to the user.
    let file = builder.tempfile_in(folder);
    file.map_err(|error| error.kind().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_and_nothing_else_stays_in_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out");
        replace(&path, b"old").unwrap();
        replace(&path, b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_folder_is_not_replaced_and_a_missing_one_not_made() {
        let folder = tempfile::tempdir().unwrap();
        assert!(check_writable(folder.path()).is_err());
        assert!(check_writable(&folder.path().join("missing/out")).is_err());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[cfg(unix)]
    #[test]
    fn a_symbolic_link_stays_and_its_file_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("file"), folder.path().join("link"));
        fs::write(&file, "old").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        replace(&link, b"new").unwrap();
        assert_eq!(fs::read(&file).unwrap(), b"new");
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    }
}
