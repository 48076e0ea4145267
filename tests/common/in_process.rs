//! Commands that unit tests run in their own process, each test in a folder of its own. To start the
//! program takes longer than most of what such a test looks at.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::Value;

use super::{parse, report, run};

#[path = "folder.rs"]
mod folder;
#[path = "schemas.rs"]
mod schemas;

pub use folder::{Folder, SMALL};

thread_local! {
    /// What the commands of this test have written to standard output and to standard error.
    static WRITTEN: RefCell<[Vec<u8>; 2]> = RefCell::default();
}

/// One of the two.
struct Stream(usize);

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        WRITTEN.with_borrow_mut(|written| written[self.0].extend_from_slice(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// In place of standard output, which is no terminal.
pub fn stdout() -> (impl Write, bool) {
    (Stream(0), false)
}

/// The same for texts that have colours.
pub fn coloured_stdout() -> impl Write {
    anstream::StripStream::new(Box::new(Stream(0)) as Box<dyn Write>)
}

/// In place of standard error, which is no terminal.
pub fn stderr() -> impl Write {
    anstream::StripStream::new(Box::new(Stream(1)) as Box<dyn Write>)
}

/// What a command did.
pub struct Done {
    pub status: u8,
    pub stdout: String,
    pub stderr: String,
}

impl Folder {
    /// The names of all files, sorted.
    pub fn files(&self) -> Vec<String> {
        let paths = contents(self.0.path()).into_keys();
        let names = paths.map(|path| path.strip_prefix(self.0.path()).unwrap().to_owned());
        let names = names.map(|name| name.into_os_string().into_string().unwrap());
        names.collect()
    }

    /// What a successful command prints on standard output.
    pub fn stdout(&self, arguments: &str) -> String {
        self.both(arguments).0
    }

    /// What a successful command says on standard error.
    pub fn stderr(&self, arguments: &str) -> String {
        self.both(arguments).1
    }

    /// The one JSON document that a successful command prints, which is as its schema describes.
    pub fn json(&self, arguments: &str) -> Value {
        let document = serde_json::from_str(&self.stdout(arguments)).unwrap();
        schemas::check(arguments, &document);
        document
    }

    /// What a successful command writes to standard output and to standard error.
    pub fn both(&self, arguments: &str) -> (String, String) {
        self.succeed(arguments.split_whitespace())
    }

    /// The same of a command whose arguments may have spaces or be empty.
    pub fn succeed<T: AsRef<OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = T>,
    ) -> (String, String) {
        let done = self.run(arguments);
        assert_eq!(done.status, 0, "{}", done.stderr);
        (done.stdout, done.stderr)
    }

    /// The one line of error of a command that fails with a status. Asserts that it prints nothing else,
    /// and that all files stay as they are.
    pub fn error(&self, arguments: &str, status: u8) -> String {
        self.error_of(arguments.split_whitespace(), status)
    }

    /// The same of a command whose arguments may have spaces.
    pub fn error_of<T: AsRef<OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = T>,
        status: u8,
    ) -> String {
        let arguments: Vec<T> = arguments.into_iter().collect();
        let words: Vec<&OsStr> = arguments.iter().map(AsRef::as_ref).collect();
        let before = contents(self.0.path());
        let done = self.run(&words);
        assert_eq!(done.status, status, "{words:?}: {}", done.stderr);
        assert!(
            contents(self.0.path()) == before,
            "{words:?}: files changed"
        );
        assert_eq!(done.stdout, "", "{words:?}");
        assert_eq!(done.stderr.lines().count(), 1, "{}", done.stderr);
        assert!(done.stderr.starts_with("error: "), "{}", done.stderr);
        done.stderr.trim_end().to_owned()
    }

    /// Asserts that commands, each `begin` and further arguments, fail with a status and an error that
    /// contains the given words.
    pub fn check_refusals(&self, begin: &str, status: u8, cases: &[(&str, &str)]) {
        for (arguments, says) in cases {
            let error = self.error(&format!("{begin} {arguments}"), status);
            assert!(error.contains(says), "{arguments}: {error}");
        }
    }

    /// Runs a command that may fail after it printed results.
    pub fn run<T: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = T>) -> Done {
        let _alone = self.enter();
        WRITTEN.take();
        let words = arguments.into_iter().map(|word| word.as_ref().to_owned());
        let status = match parse([OsString::from("makemore-tch")].into_iter().chain(words)) {
            Ok(parsed) => report::report(run(parsed)),
            Err(fault) => report::explain(&fault),
        };
        let texts = WRITTEN.take().map(|text| String::from_utf8(text).unwrap());
        let [stdout, stderr] = texts;
        Done {
            status,
            stdout,
            stderr,
        }
    }

    /// Makes this the working folder: of the thread, or else of the whole process, so that tests take
    /// turns.
    fn enter(&self) -> Option<MutexGuard<'static, ()>> {
        static ALONE: Mutex<()> = Mutex::new(());
        let is_own = has_own_working_folder();
        let alone = (!is_own).then(|| ALONE.lock().unwrap_or_else(PoisonError::into_inner));
        std::env::set_current_dir(&self.0).unwrap();
        alone
    }
}

/// Gives this thread a working folder of its own, if the system can.
#[cfg(target_os = "linux")]
fn has_own_working_folder() -> bool {
    // SAFETY: changes nothing that memory safety rests on.
    unsafe { libc::unshare(libc::CLONE_FS) == 0 }
}

#[cfg(not(target_os = "linux"))]
fn has_own_working_folder() -> bool {
    false
}

/// All that is in a folder, with the contents of files.
fn contents(folder: &Path) -> BTreeMap<PathBuf, Option<Vec<u8>>> {
    let entries = fs::read_dir(folder).unwrap();
    let paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    let mut all = BTreeMap::new();
    for path in paths {
        if path.is_dir() {
            all.extend(contents(&path));
            all.insert(path, None);
        } else {
            let read = fs::read(&path).ok();
            all.insert(path, read);
        }
    }
    all
}

/// The error of a command in an empty folder, see [`Folder::error`].
pub fn refusal(arguments: &str, status: u8) -> String {
    Folder::new().error(arguments, status)
}

/// The same of several commands, see [`Folder::check_refusals`].
pub fn check_refusals(begin: &str, status: u8, cases: &[(&str, &str)]) {
    Folder::new().check_refusals(begin, status, cases);
}
