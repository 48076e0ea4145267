//! The folder that a test runs commands in.

use std::fs;
use std::path::PathBuf;

use tempfile::TempDir;

/// Arguments of a small network on the list of [`Folder::with_names`].
pub const SMALL: &str = "--data list.txt --n-embd 8 --max-steps 40 --eval-every 20 --batch-size 32";

/// An empty folder.
pub struct Folder(pub TempDir);

impl Folder {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// A folder with a short list, `list.txt`.
    pub fn with_names() -> Self {
        let folder = Self::new();
        let names = include_str!("../../assets/names.txt").lines().step_by(40);
        folder.write("list.txt", names.collect::<Vec<_>>().join("\n"));
        folder
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn write(&self, name: &str, contents: impl AsRef<[u8]>) {
        fs::write(self.path(name), contents).unwrap();
    }

    pub fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap()
    }
}
