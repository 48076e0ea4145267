//! Opening files, and replacing them in one step, so that a reader never sees half of one.

use std::ffi::OsString;
use std::fs::{self, File, Metadata};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use tempfile::{Builder, NamedTempFile};

use crate::error::{Error, Result};

/// The prefix and suffix of a temporary file's name, around random letters and digits.
const TEMPORARY: (&str, &str) = (".makemore-tch-", ".partial");

/// The number of random letters and digits in a temporary file's name.
const RANDOM: usize = 12;

/// The most symbolic links that are followed, as in Linux.
const MOST_LINKS: usize = 40;

/// A file that is checked before the work and written after it.
#[derive(Debug)]
pub struct Output {
    path: PathBuf,
    /// The file behind symbolic links: it is replaced, and not the links.
    target: PathBuf,
    /// The file that existed when it was checked, or that this value has written since.
    before: Option<Identity>,
}

/// The metadata of a file that change when a program writes to it.
#[derive(Debug, PartialEq, Eq)]
struct Identity {
    device: u64,
    inode: u64,
    length: u64,
    modified: (i64, i64),
}

impl Identity {
    fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            length: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
        }
    }
}

impl Output {
    /// Checks, before the work, that a file can be written. Removes temporary files that killed runs left
    /// in the folder.
    ///
    /// # Errors
    ///
    /// [`Error::Write`] if the file cannot be written, is read-only or is no regular file.
    pub fn check(path: &Path) -> Result<Self> {
        let check = || {
            let target = target(path)?;
            if is_standard_output(&target) {
                return Err(refused("it is where standard output goes"));
            }
            remove_leftovers(folder_of(&target));
            let before = match fs::metadata(&target) {
                Ok(metadata) => {
                    if metadata.permissions().readonly() {
                        let reason = "the file is read-only";
                        return Err(io::Error::new(io::ErrorKind::PermissionDenied, reason));
                    }
                    // Replacing needs no permission to write the file: it may be another user's.
                    File::options().write(true).open(&target)?;
                    Some(Identity::of(&metadata))
                }
                Err(_) => None,
            };
            temporary(&target)?;
            Ok((target, before))
        };
        let (target, before) = check().map_err(|cause| write_error(path, cause))?;
        Ok(Self {
            path: path.to_owned(),
            target,
            before,
        })
    }

    /// The file as the user named it.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the file existed when it was checked, or was written since.
    pub fn exists(&self) -> bool {
        self.before.is_some()
    }

    /// Replaces the file in one step: writes a temporary file in the same folder, syncs it, renames it and
    /// syncs the folder. A kill or a power cut during the call leaves the old file or the new one, after
    /// the call the new one. The new file has the old one's owner and permissions.
    ///
    /// # Errors
    ///
    /// [`Error::Write`] if the folder cannot be written to; then the old file is untouched.
    pub fn replace(&self, contents: &[u8]) -> Result<()> {
        self.replace_by(|file| file.write_all(contents))
    }

    /// Replaces the file as [`replace`](Self::replace) does, with contents that `write` writes.
    ///
    /// # Errors
    ///
    /// As [`replace`](Self::replace); [`Error::Write`] if `write` fails.
    pub fn replace_by(&self, write: impl FnOnce(&mut File) -> io::Result<()>) -> Result<()> {
        self.put(write).map(drop)
    }

    /// Replaces the file and returns the new one's identity.
    fn put(&self, write: impl FnOnce(&mut File) -> io::Result<()>) -> Result<Identity> {
        let replace = || {
            let file = filled(&self.target, write)?;
            let file = file.persist(&self.target).map_err(|error| error.error)?;
            sync_folder_of(&self.target)?;
            Ok(Identity::of(&file.metadata()?))
        };
        replace().map_err(|cause| write_error(&self.path, cause))
    }

    /// Replaces the file as [`replace`](Self::replace) does, unless another program has written it
    /// since it was checked or last written here.
    ///
    /// # Errors
    ///
    /// As [`replace`](Self::replace); [`Error::Changed`] if another program has written it.
    pub fn replace_unchanged(&mut self, contents: &[u8]) -> Result<()> {
        let written = match self.now() {
            None => self.create(&self.target, contents)?,
            now if now == self.before => Some(self.put(|file| file.write_all(contents))?),
            _ => None,
        };
        if written.is_none() {
            return Err(Error::Changed {
                file: self.path.clone(),
            });
        }
        self.before = written;
        Ok(())
    }

    /// The current identity of the file.
    fn now(&self) -> Option<Identity> {
        let metadata = fs::metadata(&self.target).ok()?;
        Some(Identity::of(&metadata))
    }

    /// Whether another program has written the file since it was checked or written here.
    pub fn is_changed(&self) -> bool {
        let now = self.now();
        now.is_some() && now != self.before
    }

    /// Removes the file unless another program has written it since.
    pub fn remove_unchanged(&self) {
        let now = self.now();
        if now.is_some() && now == self.before {
            // A file that cannot be removed does no harm.
            let _ = fs::remove_file(&self.target);
        }
    }

    /// Writes a new file beside this one, with a number in its name, and returns its path. If that is
    /// impossible, tries a short name, the current folder and the folder for temporary files.
    ///
    /// # Errors
    ///
    /// [`Error::Write`] if none of these folders can be written to.
    pub fn write_beside(&self, contents: &[u8]) -> Result<PathBuf> {
        let extension = self.path.extension().unwrap_or_default();
        let short = PathBuf::from("makemore-tch").with_extension(extension);
        let elsewhere = [
            folder_of(&self.path).join(&short),
            short.clone(),
            std::env::temp_dir().join(short),
        ];
        let beside = self.write_numbered(&self.path, contents);
        elsewhere.iter().fold(beside, |written, place| {
            written.or_else(|_| self.write_numbered(place, contents))
        })
    }

    fn write_numbered(&self, path: &Path, contents: &[u8]) -> Result<PathBuf> {
        let stem = path.file_stem().unwrap_or_default();
        let mut number = 1;
        loop {
            let mut name = stem.to_owned();
            name.push(format!("-{number}"));
            if let Some(extension) = path.extension() {
                name.push(".");
                name.push(extension);
            }
            let beside = path.with_file_name(name);
            if self.create(&beside, contents)?.is_some() {
                return Ok(beside);
            }
            number += 1;
        }
    }

    /// Creates a file and returns its identity; none if the file exists.
    fn create(&self, target: &Path, contents: &[u8]) -> Result<Option<Identity>> {
        let filled = || filled(target, |file| file.write_all(contents));
        let create = || match filled()?.persist_noclobber(target) {
            Ok(file) => {
                sync_folder_of(target)?;
                Ok(Some(Identity::of(&file.metadata()?)))
            }
            Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => Ok(None),
            Err(error) => Err(error.error),
        };
        create().map_err(|cause| write_error(&self.path, cause))
    }
}

/// Opens a file to read it.
///
/// # Errors
///
/// [`Error::Read`] if it cannot be opened or is a folder.
pub(crate) fn open(path: &Path) -> Result<File> {
    let opened = match path.is_dir() {
        true => Err(io::ErrorKind::IsADirectory.into()),
        false => File::open(path),
    };
    opened.map_err(|cause| read_error(path, cause))
}

/// The checksum of what is in a file, by which processes find that they have the same.
///
/// # Errors
///
/// [`Error::Read`].
pub fn sha256_of_file(path: &Path) -> Result<String> {
    let (mut file, mut hasher) = (open(path)?, Sha256::new());
    let mut buffer = vec![0; 1 << 20];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(base16ct::lower::encode_string(&hasher.finalize())),
            Ok(read) => hasher.update(&buffer[..read]),
            Err(cause) if cause.kind() == io::ErrorKind::Interrupted => {}
            Err(cause) => return Err(read_error(path, cause)),
        }
    }
}

pub(crate) fn read_error(path: &Path, cause: io::Error) -> Error {
    Error::Read {
        file: path.display().to_string(),
        cause,
    }
}

/// Refuses an output that is also an input or another output, also through links, under another path,
/// and if the file does not exist yet.
///
/// # Errors
///
/// [`Error::SameFile`].
pub fn check_distinct(outputs: &[&Path], inputs: &[&Path]) -> Result<()> {
    for (index, one) in outputs.iter().enumerate() {
        let Some(location) = location_of(one) else {
            continue;
        };
        let others = outputs[..index].iter().map(|other| (other, false));
        let mut others = others.chain(inputs.iter().map(|input| (input, true)));
        let same = others.find(|(other, _)| location_of(other).as_ref() == Some(&location));
        if let Some((other, is_input)) = same {
            return Err(Error::SameFile {
                one: one.to_path_buf(),
                other: other.to_path_buf(),
                is_input,
            });
        }
    }
    Ok(())
}

/// Whether two paths lead to the same file, which need not exist yet.
pub fn is_same(one: &Path, other: &Path) -> bool {
    let location = location_of(one);
    location.is_some() && location == location_of(other)
}

/// The device and inode of a file; for a file that does not exist yet, those of its folder, and its name.
type Location = (u64, u64, Option<OsString>);

/// The location of a file, none if no file can be there; `-` is the file behind standard input.
fn location_of(path: &Path) -> Option<Location> {
    let there = match path == Path::new("-") {
        true => metadata_of(io::stdin().as_fd()),
        false => fs::metadata(path),
    };
    if let Ok(file) = there {
        return Some((file.dev(), file.ino(), None));
    }
    let target = target(path).ok()?;
    let folder = fs::metadata(folder_of(&target)).ok()?;
    let name = target.file_name()?.to_owned();
    Some((folder.dev(), folder.ino(), Some(name)))
}

fn write_error(path: &Path, cause: io::Error) -> Error {
    Error::Write {
        file: path.to_owned(),
        cause,
    }
}

/// The path of the file behind symbolic links, even if it does not exist yet.
fn target(path: &Path) -> io::Result<PathBuf> {
    if path.as_os_str().as_bytes().ends_with(b"/") {
        return Err(refused("the name of a file does not end in a slash"));
    }
    // Links such as /dev/stdout lead to pipes, which have no path.
    if fs::metadata(path).is_ok_and(|there| !there.is_file() && !there.is_dir()) {
        return Err(refused("not a regular file"));
    }
    let mut target = path.to_owned();
    for _ in 0..MOST_LINKS {
        match fs::symlink_metadata(&target) {
            Ok(there) if there.is_symlink() => {
                target = folder_of(&target).join(fs::read_link(&target)?)
            }
            Ok(there) if there.is_dir() => return Err(io::ErrorKind::IsADirectory.into()),
            Ok(_) => return Ok(target),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(target),
            Err(error) => return Err(error),
        }
    }
    Err(refused("too many symbolic links"))
}

fn refused(reason: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, reason)
}

fn metadata_of(open: BorrowedFd) -> io::Result<Metadata> {
    File::from(open.try_clone_to_owned()?).metadata()
}

/// Whether standard output is redirected to this file.
fn is_standard_output(target: &Path) -> bool {
    match (metadata_of(io::stdout().as_fd()), fs::metadata(target)) {
        (Ok(one), Ok(other)) => {
            one.is_file() && (one.dev(), one.ino()) == (other.dev(), other.ino())
        }
        _ => false,
    }
}

fn folder_of(file: &Path) -> &Path {
    match file.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    }
}

/// A temporary file beside `target`, with contents that `write` writes, and with the owner and permissions
/// of the old file.
fn filled(
    target: &Path,
    write: impl FnOnce(&mut File) -> io::Result<()>,
) -> io::Result<NamedTempFile> {
    let mut file = temporary(target)?;
    // Set before the contents are written, so that others can never read a private file.
    if let Ok(old) = fs::metadata(target) {
        let new = file.as_file().metadata()?;
        if (old.uid(), old.gid()) != (new.uid(), new.gid()) {
            // Only root can change the owner; for other users the new file is theirs.
            let _ = fchown(file.as_file(), Some(old.uid()), Some(old.gid()));
        }
        file.as_file().set_permissions(old.permissions())?;
    }
    write(file.as_file_mut())?;
    file.as_file().sync_all()?;
    Ok(file)
}

/// Syncs the folder of a renamed file, so that a power cut cannot undo the rename.
fn sync_folder_of(target: &Path) -> io::Result<()> {
    use io::ErrorKind::{InvalidInput, PermissionDenied, Unsupported};
    match File::open(folder_of(target)).and_then(|folder| folder.sync_all()) {
        // A folder may be writable but not readable, and some file systems cannot sync folders.
        Err(error) if matches!(error.kind(), InvalidInput | PermissionDenied | Unsupported) => {
            Ok(())
        }
        synced => synced,
    }
}

/// A temporary file beside `target`, with the permissions of a usual new file. It is locked as long as the
/// program runs, so that [`remove_leftovers`] of another run does not remove it.
fn temporary(target: &Path) -> io::Result<NamedTempFile> {
    let folder = folder_of(target);
    if !folder.is_dir() {
        let missing = format!("there is no folder {}", folder.display());
        return Err(io::Error::new(io::ErrorKind::NotFound, missing));
    }
    let usual = fs::Permissions::from_mode(0o666);
    loop {
        let mut builder = Builder::new();
        let file = builder
            .prefix(TEMPORARY.0)
            .suffix(TEMPORARY.1)
            .rand_bytes(RANDOM)
            .permissions(usual.clone())
            .tempfile_in(folder);
        // The crate's message names the temporary file, which means nothing to the user.
        let file = file.map_err(|error| match error.raw_os_error() {
            Some(code) => io::Error::from_raw_os_error(code),
            None => error.kind().into(),
        })?;
        // Some file systems have no locks; their leftovers are never removed.
        let _ = file.as_file().lock();
        // Another run may have removed it as a leftover before it was locked.
        if file.as_file().metadata()?.nlink() > 0 {
            return Ok(file);
        }
    }
}

/// Whether a name is that of one of our temporary files.
fn is_temporary(name: &str) -> bool {
    let random = name.strip_prefix(TEMPORARY.0);
    let random = random.and_then(|rest| rest.strip_suffix(TEMPORARY.1));
    random.is_some_and(|random| {
        random.len() == RANDOM && random.bytes().all(|byte| byte.is_ascii_alphanumeric())
    })
}

/// Removes our temporary files in a folder that no running program has locked.
fn remove_leftovers(folder: &Path) {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let ours = entries.filter(|entry| {
        let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
        is_file && is_temporary(&entry.file_name().to_string_lossy())
    });
    for entry in ours {
        if let Ok(file) = File::open(entry.path())
            && file.try_lock().is_ok()
        {
            // A file that cannot be removed does no harm.
            let _ = fs::remove_file(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn replace(path: &Path, contents: &[u8]) -> Result<()> {
        Output::check(path)?.replace(contents)
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    fn reason(result: Result<Output>) -> String {
        let error = result.unwrap_err();
        let cause = std::error::Error::source(&error).unwrap();
        format!("{error}: {cause}")
    }

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
        assert!(Output::check(folder.path()).is_err());
        assert!(Output::check(&folder.path().join("missing/out")).is_err());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    /// A name of 300 characters and one with a slash at its end were once refused only after the work.
    #[test]
    fn names_that_no_file_can_have_are_refused_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let slash = format!("{}/new/", folder.path().display());
        assert!(reason(Output::check(Path::new(&slash))).contains("slash"));
        let long = folder.path().join("x".repeat(300));
        assert!(reason(Output::check(&long)).contains("File name too long"));
    }

    #[test]
    fn a_replaced_file_keeps_its_permissions() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out");
        fs::write(&path, "old").unwrap();
        for kept in [0o600, 0o640, 0o755] {
            fs::set_permissions(&path, fs::Permissions::from_mode(kept)).unwrap();
            replace(&path, b"new").unwrap();
            assert_eq!(mode(&path), kept);
        }
    }

    #[test]
    fn a_read_only_file_is_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out");
        fs::write(&path, "precious").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o444)).unwrap();
        assert!(reason(Output::check(&path)).contains("the file is read-only"));
        assert_eq!(fs::read(&path).unwrap(), b"precious");
    }

    #[test]
    fn a_symbolic_link_stays_and_its_file_is_replaced_or_made() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("other")).unwrap();
        symlink("other/file", at("link")).unwrap();
        symlink("link", at("second")).unwrap();
        for contents in ["made through a dangling link", "replaced"] {
            replace(&at("second"), contents.as_bytes()).unwrap();
            assert_eq!(fs::read(at("other/file")).unwrap(), contents.as_bytes());
            assert!(fs::symlink_metadata(at("link")).unwrap().is_symlink());
        }
        symlink("circle", at("circle")).unwrap();
        assert!(reason(Output::check(&at("circle"))).contains("too many"));
    }

    #[test]
    fn what_appears_or_changes_in_the_meantime_is_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.bin");
        let mut output = Output::check(&path).unwrap();
        fs::write(&path, "theirs").unwrap();
        let refused = output.replace_unchanged(b"ours");
        assert!(matches!(refused, Err(Error::Changed { .. })), "{refused:?}");

        let mut output = Output::check(&path).unwrap();
        fs::write(&path, "theirs again").unwrap();
        assert!(output.replace_unchanged(b"ours").is_err());
        assert_eq!(fs::read(&path).unwrap(), b"theirs again");

        let beside = output.write_beside(b"ours").unwrap();
        assert_eq!(beside, folder.path().join("model-1.bin"));
        assert_eq!(
            output.write_beside(b"ours").unwrap(),
            folder.path().join("model-2.bin")
        );
        assert_eq!(fs::read(&beside).unwrap(), b"ours");

        Output::check(&path)
            .unwrap()
            .replace_unchanged(b"ours")
            .unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"ours");
    }

    #[test]
    fn leftovers_of_killed_runs_are_removed_and_files_of_living_ones_kept() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        // A leftover of a killed run: a file without a lock.
        let (_, killed) = temporary(&at("out")).unwrap().keep().unwrap();
        let living = temporary(&at("out")).unwrap();
        let of_users = [
            ".makemore-tch-list.txt",
            ".makemore-tch-",
            ".makemore-tch-best.partial",
        ];
        for name in of_users {
            fs::write(at(name), "").unwrap();
        }
        Output::check(&at("out")).unwrap();
        assert!(!killed.exists());
        assert!(living.path().exists());
        assert!(of_users.iter().all(|name| at(name).exists()));
    }

    #[test]
    fn where_there_is_no_room_beside_a_file_it_is_written_elsewhere() {
        let folder = tempfile::tempdir().unwrap();
        let longest = folder.path().join("x".repeat(255));
        let output = Output::check(&longest).unwrap();
        let beside = output.write_beside(b"ours").unwrap();
        assert_eq!(beside, folder.path().join("makemore-tch-1"));

        let gone = folder.path().join("gone");
        fs::create_dir(&gone).unwrap();
        let output = Output::check(&gone.join("model.bin")).unwrap();
        fs::remove_dir(&gone).unwrap();
        let elsewhere = output.write_beside(b"ours").unwrap();
        assert_eq!(fs::read(&elsewhere).unwrap(), b"ours");
        fs::remove_file(elsewhere).unwrap();
    }

    #[test]
    fn one_file_under_two_names_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("list"), "").unwrap();
        symlink("list", at("soft")).unwrap();
        fs::hard_link(at("list"), at("hard")).unwrap();
        symlink("missing", at("dangling")).unwrap();
        for (output, input) in [
            ("list", "list"),
            ("soft", "list"),
            ("hard", "soft"),
            ("./list", "list"),
            ("missing", "./missing"),
            ("dangling", "missing"),
        ] {
            let error = check_distinct(&[&at(output)], &[&at(input)]);
            assert!(
                matches!(error, Err(Error::SameFile { .. })),
                "{output} {input}"
            );
            assert!(check_distinct(&[&at(input), &at(output)], &[]).is_err());
        }
        assert!(
            check_distinct(
                &[&at("list"), &at("missing")],
                &[&at("other"), Path::new("-")]
            )
            .is_ok()
        );
    }
}
