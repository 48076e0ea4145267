//! What the tests of the program share: running it in a folder of its own.

#![allow(dead_code, reason = "each test binary uses its part")]

pub mod folder;
pub mod schemas;

pub use folder::Folder;

use std::fs;
use std::process::Output;

use assert_cmd::Command;
use assert_cmd::cargo::cargo_bin_cmd;
use serde_json::Value;

/// The lecture's five names as `sample` prints them.
pub const PUBLISHED_NAMES: &str = "\
Likelihood for jen: 0.0005491252522915602
Likelihood for jor: 0.0001786774955689907
Likelihood for she: 0.00017446796118747443
Likelihood for tais: 3.90183367926511e-06
Likelihood for anuir: 2.335933579900029e-08
";

/// The table of losses of the notes.
pub const PUBLISHED_LOSSES: [(u64, f64); 7] = [
    (0, 3.6365137100219727),
    (50, 2.4955990314483643),
    (100, 2.4727954864501953),
    (150, 2.4657769203186035),
    (200, 2.4625258445739746),
    (250, 2.4606406688690186),
    (300, 2.459399700164795),
];

/// Whether libtorch rounds as where README's figures of the lectures come from: on x86-64 with AVX2 and fused
/// multiply-adds.
pub fn rounds_as_in_the_readme() -> bool {
    #[cfg(target_arch = "x86_64")]
    return is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
    #[cfg(not(target_arch = "x86_64"))]
    false
}

impl Folder {
    /// The names of all files, sorted.
    pub fn files(&self) -> Vec<String> {
        let entries = fs::read_dir(self.0.path()).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<_> = names.collect();
        names.sort();
        names
    }

    /// The program in this folder, with arguments as one would type them, without quotes.
    pub fn makemore(&self, arguments: &str) -> Command {
        let mut command = cargo_bin_cmd!("makemore-tch");
        command.current_dir(self.0.path());
        command.args(arguments.split_whitespace());
        command
    }

    /// The same as a process of the standard library, for pipes and signals.
    pub fn process(&self, arguments: &str) -> std::process::Command {
        let mut command = std::process::Command::new(self.makemore("").get_program());
        command.current_dir(self.0.path());
        command.args(arguments.split_whitespace());
        #[cfg(unix)]
        heeding_signals(&mut command);
        command
    }

    /// What a successful run says on standard error.
    pub fn stderr(&self, arguments: &str) -> String {
        let output = self.makemore(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments}: {output:?}");
        String::from_utf8(output.stderr).unwrap()
    }

    /// What a successful run prints on standard output.
    pub fn stdout(&self, arguments: &str) -> String {
        let output = self.makemore(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// The one JSON document that a successful run prints, which is as its schema describes.
    pub fn json(&self, arguments: &str) -> Value {
        let document = serde_json::from_str(&self.stdout(arguments)).unwrap();
        schemas::check(arguments, &document);
        document
    }

    /// The one line of error of a run that fails with a status; nothing else is printed.
    pub fn error(&self, arguments: &str, status: i32) -> String {
        error_of(&self.makemore(arguments).output().unwrap(), status)
    }
}

pub fn error_of(output: &Output, status: i32) -> String {
    let stderr = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(output.status.code(), Some(status), "{stderr}");
    assert!(output.stdout.is_empty(), "{output:?}");
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    assert!(stderr.starts_with("error: "), "{stderr}");
    stderr.trim_end().to_owned()
}

/// A process that ends by Ctrl-C and with its terminal also where the tests run with SIGINT ignored, as in the
/// background of a script, or SIGHUP, as under nohup.
#[cfg(unix)]
pub fn heeding_signals(command: &mut std::process::Command) {
    use std::os::unix::process::CommandExt;

    let heed = || {
        for signal in [libc::SIGINT, libc::SIGHUP] {
            // SAFETY: the default action is always valid, and signal may be called between fork and exec.
            unsafe { libc::signal(signal, libc::SIG_DFL) };
        }
        Ok(())
    };
    // SAFETY: it calls nothing else.
    unsafe { command.pre_exec(heed) };
}

/// A terminal, and the end of it that a program has. No other process inherits them.
#[cfg(unix)]
pub fn terminal() -> (fs::File, fs::File) {
    use std::ffi::CStr;
    use std::os::fd::AsRawFd;
    use std::os::unix::fs::OpenOptionsExt;
    use std::sync::Mutex;

    let open = |path: &str| {
        let mut options = fs::File::options();
        options.read(true).write(true).custom_flags(libc::O_NOCTTY);
        options.open(path).unwrap()
    };
    let ours = open("/dev/ptmx");
    /// Held while libc's one buffer of a name is read.
    static NAME: Mutex<()> = Mutex::new(());
    let _alone = NAME.lock().unwrap();
    // SAFETY: the file is a terminal, and nothing else asks for a name.
    let name = unsafe {
        assert_eq!(libc::grantpt(ours.as_raw_fd()), 0);
        assert_eq!(libc::unlockpt(ours.as_raw_fd()), 0);
        CStr::from_ptr(libc::ptsname(ours.as_raw_fd()))
    };
    let its = open(name.to_str().unwrap());
    (ours, its)
}
