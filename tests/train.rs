//! `makemore-tch train`, its checkpoints and its files

use crate::common::{Folder, PUBLISHED_LOSSES, PUBLISHED_NAMES, error_of};
use makemore_tch::checkpoint::TrainedBigram;
use makemore_tch::{Checkpoint, Model};

#[test]
fn the_defaults_are_the_run_of_the_notes() {
    let folder = Folder::new();
    let printed = folder.stdout("train");
    let lines: Vec<&str> = printed.lines().collect();
    for (line, (epoch, loss)) in lines.iter().zip(PUBLISHED_LOSSES) {
        let ours = line
            .strip_prefix(&format!("Epochs: {epoch}, loss: "))
            .unwrap();
        let ours: f64 = ours.parse().unwrap();
        assert!((ours - loss).abs() < 1e-6, "{line}");
    }
    assert!(lines[7].starts_with("Final loss: 2.4593"), "{printed}");
    assert!(
        lines[8]
            .ends_with("of the counting model: 2.454577 (2.454579 in the notes, which add in f32)"),
        "{printed}"
    );
    assert_eq!(lines[9], "Checkpoint: makemore.safetensors");
    assert!(printed.ends_with(PUBLISHED_NAMES), "{printed}");
    assert_eq!(folder.files(), ["makemore.safetensors"]);
}

#[test]
fn json_has_the_losses_the_checkpoint_and_the_names() {
    let document = Folder::new().json("train --json --out model.safetensors");
    let losses = document["losses"].as_array().unwrap();
    assert_eq!(losses.len(), PUBLISHED_LOSSES.len());
    for (ours, (epoch, loss)) in losses.iter().zip(PUBLISHED_LOSSES) {
        assert_eq!(ours["step"], epoch);
        assert!(
            (ours["train"].as_f64().unwrap() - loss).abs() < 1e-6,
            "{ours}"
        );
    }
    assert!(document["final_loss"].as_f64().unwrap() < 2.4594);
    let counting = document["counting_nll"].as_f64().unwrap();
    assert_eq!(format!("{counting:.6}"), "2.454577");
    assert_eq!(document["checkpoint"], "model.safetensors");
    assert_eq!(document["names"][0]["name"], "jen");
    assert_eq!(document["names"][0]["likelihood"], 0.0005491252522915602);
}

#[test]
fn metrics_and_plot_are_written() {
    let folder = Folder::new();
    folder.stdout("train --epochs 20 --metrics losses.csv --plot loss.png");
    let csv = String::from_utf8(folder.read("losses.csv")).unwrap();
    let lines: Vec<&str> = csv.lines().collect();
    assert_eq!(lines.len(), 21);
    assert_eq!(lines[0], "epoch,loss");
    assert!(lines[1].starts_with("0,3.63651"), "{}", lines[1]);
    assert!(lines[20].starts_with("19,"), "{}", lines[20]);

    let plot = image::open(folder.path("loss.png")).unwrap().to_rgb8();
    assert_eq!(plot.dimensions(), (1200, 750));
    let has = |colour: [u8; 3]| plot.pixels().filter(|pixel| pixel.0 == colour).count();
    assert!(has([8, 81, 156]) > 200, "the curve of the network");
    assert!(has([203, 75, 22]) > 1000, "the line of the counting model");
    assert!(has([255, 255, 255]) > 600_000, "the ground");
}

#[test]
fn a_diverging_training_names_the_epoch_and_saves_nothing() {
    let folder = Folder::new();
    folder.stdout("train --epochs 1");
    let before = folder.read("makemore.safetensors");
    let output = folder.makemore("train --lr 1e9").output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        error.contains("the loss is NaN at epoch 1 with learning rate 1000000000.0"),
        "{error}"
    );
    // 0.95 of the highest rate that is stable on the names: 4 / 0.1486.
    assert!(error.contains("try --lr 25 (nothing was saved"), "{error}");
    assert_eq!(folder.read("makemore.safetensors"), before);
    assert_eq!(folder.files(), ["makemore.safetensors"]);
}

/// The losses once replaced what the program itself had printed into the same file.
#[cfg(target_os = "linux")]
#[test]
fn the_file_that_standard_output_goes_to_is_no_output() {
    let folder = Folder::new();
    let printed = std::fs::File::create(folder.path("printed")).unwrap();
    for arguments in [
        "--metrics /dev/stdout",
        "--metrics printed",
        "--out printed --force",
    ] {
        let mut train = folder.process(&format!("train --epochs 1 {arguments}"));
        let output = train.stdout(printed.try_clone().unwrap()).output().unwrap();
        let error = error_of(&output, 1);
        assert!(
            error.contains("it is where standard output goes"),
            "{error}"
        );
    }
    let error = folder.error("train --metrics /dev/stdout", 1);
    assert!(
        error.ends_with("cannot write /dev/stdout: not a regular file"),
        "{error}"
    );
}

#[test]
fn no_epochs_save_the_network_after_the_warm_up() {
    let folder = Folder::new();
    let document = folder.json("train --epochs 0 --json");
    assert_eq!(document["losses"].as_array().unwrap().len(), 0);
    let loss = document["final_loss"].as_f64().unwrap();
    assert!((loss - 3.6365137100219727).abs() < 1e-6, "{loss}");
}

#[test]
fn quiet_is_silent_on_standard_error() {
    let folder = Folder::new();
    let output = folder
        .makemore("train --epochs 1 --device auto -q")
        .output()
        .unwrap();
    assert!(
        output.status.success() && output.stderr.is_empty(),
        "{output:?}"
    );
}

#[cfg(unix)]
mod interrupted {
    use std::io::{BufRead, BufReader, Read};
    use std::os::unix::process::CommandExt;
    use std::process::{Child, Command, Stdio};

    use super::{Folder, trained};
    use crate::common::{heeding_signals, terminal};

    /// A training without end, after its first line.
    fn start(folder: &Folder) -> Child {
        let mut child = folder
            .process("train --epochs 1000000000 --lr 1 --out model.safetensors")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert!(lines.next().unwrap().unwrap().starts_with("Epochs: 0"));
        std::thread::spawn(move || lines.for_each(drop));
        child
    }

    fn interrupt(child: &Child) {
        send(libc::SIGINT, child);
    }

    #[test]
    fn ctrl_c_finishes_the_epoch_saves_and_exits_with_130() {
        let folder = Folder::new();
        let mut child = start(&folder);
        interrupt(&child);
        assert_eq!(child.wait().unwrap().code(), Some(130));
        assert_eq!(folder.files(), ["model.safetensors"]);
        assert!(trained(&folder, "model.safetensors").epochs > 0);
    }

    #[test]
    fn after_ctrl_c_the_command_is_given_that_does_the_rest() {
        let folder = Folder::new();
        let mut child = start(&folder);
        interrupt(&child);
        let mut told = String::new();
        child
            .stderr
            .take()
            .unwrap()
            .read_to_string(&mut told)
            .unwrap();
        child.wait().unwrap();
        let done = super::epochs(&folder, "model.safetensors");
        let left = 1_000_000_000 - done;
        assert_eq!(
            told,
            format!(
                "stopping; a second Ctrl-C ends at once, without saving\ninterrupted after {done} of 1000000000 epochs; go on with: makemore-tch train --resume model.safetensors --epochs {left} --lr 1\n"
            )
        );
    }

    /// A training of a GRU in a shell, after its first losses.
    const GRU: &str = "train --type gru --n-embd 4 --n-embd2 4 --batch-size 32 --eval-every 10 --max-steps 1000000 --out gru.st";

    fn send(signal: i32, process: &Child) {
        // SAFETY: sends a signal to a process that was not waited for yet.
        assert_eq!(unsafe { libc::kill(process.id() as i32, signal) }, 0);
    }

    fn read_losses(of: impl Read) {
        let mut lines = BufReader::new(of).lines();
        assert!(lines.any(|line| line.unwrap().starts_with("Step: ")));
    }

    /// An interactive shell and the kernel both send SIGHUP; the second one ended the training unsaved.
    #[test]
    fn a_closed_terminal_saves_the_training() {
        let folder = Folder::new();
        let (ours, of_shell) = terminal();
        let mut shell = Command::new("bash");
        shell
            .args(["--norc", "-ic", &format!("\"$0\" {GRU}; true")])
            .arg(folder.process("").get_program())
            .current_dir(folder.path(""))
            .stdin(of_shell.try_clone().unwrap())
            .stdout(of_shell)
            .stderr(Stdio::piped());
        heeding_signals(&mut shell);
        let begin_session = || {
            // SAFETY: makes a session of the new process, and the terminal that of the session.
            let begun =
                unsafe { libc::setsid() != -1 && libc::ioctl(0, libc::TIOCSCTTY as _, 0) != -1 };
            begun
                .then_some(())
                .ok_or_else(std::io::Error::last_os_error)
        };
        // SAFETY: it only makes system calls.
        let mut child = unsafe { shell.pre_exec(begin_session) }.spawn().unwrap();
        drop(shell);
        read_losses(ours);
        // Its end is that of the shell and of the program.
        let mut told = String::new();
        child
            .stderr
            .take()
            .unwrap()
            .read_to_string(&mut told)
            .unwrap();
        child.wait().unwrap();
        assert_eq!(folder.files(), ["gru.st", "gru.st.last"], "{told}");
        assert!(told.starts_with("interrupted after "), "{told}");
    }

    #[test]
    fn a_hangup_after_another_signal_saves_the_training() {
        let folder = Folder::new();
        let mut child = folder
            .process(GRU)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut losses = child.stdout.take().unwrap();
        read_losses(&mut losses);
        send(libc::SIGTERM, &child);
        send(libc::SIGHUP, &child);
        send(libc::SIGHUP, &child);
        // Which one the program takes for the first is not said.
        let status = child.wait().unwrap().code();
        assert!(matches!(status, Some(143 | 129)), "{status:?}");
        assert_eq!(folder.files(), ["gru.st", "gru.st.last"]);
    }

    #[test]
    fn a_hangup_under_nohup_does_not_end_the_training() {
        let folder = Folder::new();
        let mut child = Command::new("nohup")
            .arg(folder.process("").get_program())
            .args(GRU.replace("1000000", "300").split(' '))
            .current_dir(folder.path(""))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut losses = child.stdout.take().unwrap();
        read_losses(&mut losses);
        send(libc::SIGHUP, &child);
        std::io::copy(&mut losses, &mut std::io::sink()).unwrap();
        assert!(child.wait().unwrap().success());
    }

    /// As when the terminal is closed or the system goes down.
    #[test]
    fn other_signals_that_end_a_program_save_too() {
        for (signal, status) in [(libc::SIGTERM, 143), (libc::SIGHUP, 129)] {
            let folder = Folder::new();
            let mut child = start(&folder);
            send(signal, &child);
            assert_eq!(child.wait().unwrap().code(), Some(status));
            assert!(super::epochs(&folder, "model.safetensors") > 0);
        }
    }

    /// Ctrl-C was once ignored until the warm-up was over.
    #[cfg(target_os = "linux")]
    #[test]
    fn ctrl_c_ends_the_warm_up_too() {
        let folder = Folder::new();
        let child = folder
            .process("train --warmup-epochs 1000000000 --warmup-lr 0.5 --metrics m.csv")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // SIGINT, 2, is the second bit of the signals that are caught.
        let status = format!("/proc/{}/status", child.id());
        let catches = || {
            let status = std::fs::read_to_string(&status).unwrap();
            let caught = status
                .lines()
                .find_map(|line| line.strip_prefix("SigCgt:\t"));
            u64::from_str_radix(caught.unwrap(), 16).unwrap() & 2 != 0
        };
        while !catches() {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        interrupt(&child);
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(130));
        let told = String::from_utf8(output.stderr).unwrap();
        assert!(
            told.contains("after 0 of 301 epochs") && told.contains(" --warmup-lr 0.5 "),
            "{told}"
        );
        let warmup = told.split("--warmup-epochs ").nth(1).unwrap();
        let warmup: u64 = warmup.split(' ').next().unwrap().parse().unwrap();
        assert!(warmup < 1_000_000_000, "{told}");
        assert_eq!(folder.read("m.csv"), b"epoch,loss\n");
    }

    /// A file that appeared during the training was once overwritten.
    #[test]
    fn a_file_that_appears_during_the_training_stays_and_so_does_the_network() {
        let folder = Folder::new();
        let child = start(&folder);
        folder.write("model.safetensors", "of another program");
        interrupt(&child);
        let output = child.wait_with_output().unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{error}");
        assert!(
            error.contains("ours was saved to model-1.safetensors instead"),
            "{error}"
        );
        assert_eq!(folder.read("model.safetensors"), b"of another program");
        assert!(super::epochs(&folder, "model-1.safetensors") > 0);
    }

    /// With nobody reading the results, the same was once said to nobody, with status 0.
    #[test]
    fn what_went_elsewhere_is_said_although_nobody_reads_the_results() {
        let folder = Folder::new();
        let mut child = folder
            .process("train --epochs 1000000000 --lr 1 --log-every 1 --out m.safetensors --metrics m.csv --plot m.svg")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        stdout.read_line(&mut String::new()).unwrap();
        drop(stdout);
        let ours = ["m.safetensors", "m.csv", "m.svg"];
        for file in ours {
            folder.write(file, "theirs");
        }
        interrupt(&child);
        let output = child.wait_with_output().unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{error}");
        for (file, beside) in ours.iter().zip(["m-1.safetensors", "m-1.csv", "m-1.svg"]) {
            assert!(
                error.contains(&format!("ours was saved to {beside} instead")),
                "{error}"
            );
            assert_eq!(folder.read(file), b"theirs");
            assert!(!folder.read(beside).is_empty());
        }
    }

    #[test]
    fn a_kill_leaves_the_old_checkpoint() {
        let folder = Folder::new();
        folder.stdout("train --epochs 1 --out model.safetensors");
        let before = folder.read("model.safetensors");
        let mut child = start(&folder);
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(folder.files(), ["model.safetensors"]);
        assert_eq!(folder.read("model.safetensors"), before);
    }
}

/// On a machine without a GPU the error is checked instead; it is the driver's where libtorch has
/// its CUDA parts, which shows that the backend was registered.
#[test]
fn training_on_cuda_gives_the_published_losses_or_says_why_not() {
    let folder = Folder::new();
    let devices = folder.json("devices --json");
    let cuda = &devices["devices"][1];
    assert_eq!(cuda["device"], "cuda");
    if cuda["usable"] == true {
        let document = folder.json("train --device cuda --json");
        for (ours, (_, loss)) in document["losses"]
            .as_array()
            .unwrap()
            .iter()
            .zip(PUBLISHED_LOSSES)
        {
            assert!(
                (ours["train"].as_f64().unwrap() - loss).abs() < 1e-5,
                "{ours}"
            );
        }
        let error = folder.error("train --device cuda:99", 1);
        assert!(error.contains("cuda:99 cannot be used: there"), "{error}");
    } else {
        let reason = cuda["reason"].as_str().unwrap();
        let known = ["scripts/setup.sh --cuda", "NVIDIA", "CUDA parts for"];
        assert!(known.iter().any(|known| reason.contains(known)), "{reason}");
        let error = folder.error("train --device cuda", 1);
        assert!(error.contains("cuda cannot be used: "), "{error}");
        assert!(error.contains(reason), "{error}");
        assert!(folder.files().is_empty());
    }
}

/// The epochs that a checkpoint has behind it.
fn epochs(folder: &Folder, file: &str) -> u64 {
    trained(folder, file).epochs
}

/// The lecture's network in a checkpoint.
fn trained(folder: &Folder, file: &str) -> TrainedBigram {
    match Checkpoint::load(&folder.path(file)).unwrap().model {
        Model::Bigram(trained) => trained,
        other => panic!("a model of type {}", other.kind()),
    }
}

/// Two epochs once took the place of 301.
#[cfg(target_os = "linux")]
#[test]
fn a_closed_or_full_stdout_does_not_shorten_the_training() {
    use std::io::{BufRead, BufReader};
    use std::process::Stdio;

    let folder = Folder::new();
    let mut child = folder
        .process("train -q --log-every 1 --out piped.safetensors")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    stdout.read_line(&mut String::new()).unwrap();
    drop(stdout);
    let output = child.wait_with_output().unwrap();
    assert!(
        output.status.success() && output.stderr.is_empty(),
        "{output:?}"
    );
    assert_eq!(epochs(&folder, "piped.safetensors"), 301);

    let full = || {
        std::fs::File::options()
            .write(true)
            .open("/dev/full")
            .unwrap()
    };
    for arguments in ["", " --json", " --log-every 1000000"] {
        let mut train = folder.process(&format!(
            "train -q --force --metrics m.csv --out full.safetensors{arguments}"
        ));
        let output = train.stdout(full()).output().unwrap();
        let error = error_of(&output, 1);
        assert!(error.contains("No space left on device"), "{error}");
        assert_eq!(epochs(&folder, "full.safetensors"), 301);
        assert_eq!(
            folder
                .read("m.csv")
                .iter()
                .filter(|&&byte| byte == b'\n')
                .count(),
            302
        );
    }
}

/// So is the file that standard input comes from.
#[test]
fn an_output_is_not_the_list_that_standard_input_is() {
    let folder = Folder::new();
    folder.write("list.csv", "emma\n");
    folder.write("list.svg", "emma\n");
    for (arguments, list) in [
        ("train --data - --metrics list.csv", "list.csv"),
        ("heatmap list.svg --data -", "list.svg"),
    ] {
        let stdin = std::fs::File::open(folder.path(list)).unwrap();
        let output = folder.process(arguments).stdin(stdin).output().unwrap();
        let error = error_of(&output, 1);
        assert!(error.contains("are the same file"), "{error}");
        assert_eq!(folder.read(list), b"emma\n");
    }
}

/// JSON was once cut off where the name of the checkpoint came.
#[cfg(target_os = "linux")]
#[test]
fn json_is_whole_for_a_file_name_that_is_not_unicode() {
    use std::os::unix::ffi::OsStrExt;

    let folder = Folder::new();
    let name = std::ffi::OsStr::from_bytes(b"\xFF.safetensors");
    let output = folder
        .makemore("train --json --epochs 1 --out")
        .arg(name)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let document: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(document["checkpoint"], "\u{FFFD}.safetensors");
}
