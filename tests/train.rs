//! `makemore-tch train`, its checkpoints and its files

mod common;

use common::{Folder, PUBLISHED_LOSSES, PUBLISHED_NAMES};

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
        assert_eq!(ours["epoch"], epoch);
        assert!(
            (ours["loss"].as_f64().unwrap() - loss).abs() < 1e-6,
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
fn all_rows_have_the_losses_of_distinct_rows() {
    let folder = Folder::new();
    let losses = |rows: &str| -> Vec<f64> {
        let arguments = format!("train --json --log-every 1 --epochs 10 --rows {rows}");
        let document = folder.json(&arguments);
        let losses = document["losses"].as_array().unwrap().iter();
        losses.map(|loss| loss["loss"].as_f64().unwrap()).collect()
    };
    let (all, distinct) = (losses("all"), losses("distinct"));
    assert_eq!(all.len(), 10);
    for (all, distinct) in all.iter().zip(distinct) {
        assert!((all - distinct).abs() < 1e-6, "{all} and {distinct}");
    }
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
fn resuming_goes_on_where_the_checkpoint_was() {
    let folder = Folder::new();
    folder.stdout("train --epochs 300 --out whole.safetensors");
    folder.stdout("train --epochs 100 --out part.safetensors");
    let resumed = folder.stdout("train --resume part.safetensors --epochs 200");
    assert!(
        resumed.starts_with("Epochs: 100, loss: 2.4727"),
        "{resumed}"
    );
    assert!(resumed.contains("Epochs: 250, loss: 2.4606"), "{resumed}");
    let weights = |file: &str| {
        let checkpoint = makemore_tch::Checkpoint::load(&folder.path(file)).unwrap();
        assert_eq!(checkpoint.epochs, 300);
        checkpoint.network.parameters()
    };
    assert_eq!(weights("whole.safetensors"), weights("part.safetensors"));
}

#[test]
fn a_checkpoint_of_other_characters_is_not_resumed() {
    let folder = Folder::new();
    folder.write("list.txt", "ab\n");
    folder.stdout("train --data list.txt --out ab.safetensors");
    let before = folder.read("ab.safetensors");
    let error = folder.error("train --resume ab.safetensors", 1);
    assert!(
        error.contains("ab.safetensors: its vocabulary (3 characters"),
        "{error}"
    );
    assert_eq!(folder.read("ab.safetensors"), before);
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
        error.contains("the loss is NaN at epoch 1 with learning rate 1000000000"),
        "{error}"
    );
    // 0.95 of the highest rate that is stable on the names: 4 / 0.1486.
    assert!(error.contains("try --lr 25 (nothing was saved"), "{error}");
    assert_eq!(folder.read("makemore.safetensors"), before);
    assert_eq!(folder.files(), ["makemore.safetensors"]);
}

#[test]
fn regularization_is_part_of_the_loss_and_shrinks_the_weights() {
    let folder = Folder::new();
    folder.stdout("train --out free.safetensors");
    let squeezed = folder.json("train --json --regularization 0.01 --out squeezed.safetensors");
    assert!(squeezed["final_loss"].as_f64().unwrap() > 2.4594);
    let squares = |file: &str| -> f64 {
        let checkpoint = makemore_tch::Checkpoint::load(&folder.path(file)).unwrap();
        let (_, w) = &checkpoint.network.parameters()[0];
        w.square().sum(tch::Kind::Double).double_value(&[])
    };
    assert!(squares("squeezed.safetensors") < squares("free.safetensors"));
}

#[test]
fn what_is_not_a_checkpoint_is_not_overwritten_without_force() {
    let folder = Folder::new();
    folder.write("precious", "do not lose me");
    let error = folder.error("train --out precious", 1);
    assert!(error.contains("precious: not a checkpoint"), "{error}");
    assert!(error.contains("--force"), "{error}");
    assert_eq!(folder.read("precious"), b"do not lose me");
    folder.stdout("train --epochs 1 --out precious --force");
    assert!(makemore_tch::Checkpoint::load(&folder.path("precious")).is_ok());
}

#[test]
fn damaged_checkpoints_are_refused_by_every_command_that_reads_one() {
    let folder = Folder::new();
    folder.stdout("train --epochs 1 --out model.safetensors");
    let mut bytes = folder.read("model.safetensors");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    folder.write("flipped.safetensors", &bytes);
    folder.write("truncated.safetensors", &bytes[..middle]);
    let commands = [
        "sample --model",
        "score --model",
        "heatmap out.png --model",
        "train --resume",
    ];
    for command in commands {
        for (file, expected) in [
            ("flipped.safetensors", "damaged"),
            ("truncated.safetensors", "not a checkpoint"),
            ("missing.safetensors", "cannot read missing.safetensors"),
        ] {
            // What is resumed is also what is overwritten, and refused for that first.
            let out = if command == "train --resume" {
                " --out new"
            } else {
                ""
            };
            let error = folder.error(&format!("{command} {file}{out}"), 1);
            assert!(error.contains(file) && error.contains(expected), "{error}");
        }
    }
}

#[test]
fn what_cannot_be_written_is_said_before_any_work() {
    let folder = Folder::new();
    folder.write("names.csv", "emma\n");
    for (arguments, expected) in [
        ("train --out missing/model", "there is no folder missing"),
        (
            "train --plot loss.jpg",
            "loss.jpg: a picture ends in .png or .svg",
        ),
        (
            "train --metrics missing/losses.csv",
            "there is no folder missing",
        ),
        (
            "train --data names.csv --metrics names.csv",
            "names.csv and names.csv are the same file; name different files",
        ),
        (
            "train --plot a.png --metrics a.png",
            "a.png and a.png are the same file",
        ),
    ] {
        let error = folder.error(arguments, 1);
        assert!(error.contains(expected), "{arguments}: {error}");
    }
    assert_eq!(folder.files(), ["names.csv"]);
    assert_eq!(folder.read("names.csv"), b"emma\n");
}

#[test]
fn numbers_that_make_no_sense_are_named() {
    let folder = Folder::new();
    for (arguments, value) in [
        ("train --lr nan", "'nan'"),
        ("train --lr -1", "'-1'"),
        ("train --epochs -1", "'-1'"),
        ("train --seed -1", "'-1'"),
        ("train --regularization inf", "'inf'"),
        ("train --log-every 0", "'0'"),
        ("train --threads 0", "'0'"),
        ("train --device gpu", "'gpu'"),
        ("train --rows some", "'some'"),
    ] {
        let error = folder.error(arguments, 2);
        assert!(error.contains(value), "{arguments}: {error}");
    }
    assert!(folder.files().is_empty());
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
    use std::io::{BufRead, BufReader};
    use std::process::{Child, Command, Stdio};

    use super::Folder;

    /// A training without end, after its first line.
    fn start(folder: &Folder) -> Child {
        let program = folder.makemore("").get_program().to_owned();
        let mut child = Command::new(program)
            .args("train --epochs 1000000000 --out model.safetensors".split(' '))
            .current_dir(folder.path(""))
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
        let pid = child.id().to_string();
        assert!(
            Command::new("kill")
                .args(["-INT", &pid])
                .status()
                .unwrap()
                .success()
        );
    }

    #[test]
    fn ctrl_c_finishes_the_epoch_saves_and_exits_with_130() {
        let folder = Folder::new();
        let mut child = start(&folder);
        interrupt(&child);
        assert_eq!(child.wait().unwrap().code(), Some(130));
        assert_eq!(folder.files(), ["model.safetensors"]);
        let checkpoint = makemore_tch::Checkpoint::load(&folder.path("model.safetensors")).unwrap();
        assert!(checkpoint.epochs > 0);
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
                (ours["loss"].as_f64().unwrap() - loss).abs() < 1e-5,
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
        assert!(error.contains("cuda:0 cannot be used: "), "{error}");
        assert!(error.contains(reason), "{error}");
        assert!(folder.files().is_empty());
    }
}

#[test]
fn auto_falls_back_to_the_cpu_and_says_so() {
    let folder = Folder::new();
    let output = folder
        .makemore("train --device auto --epochs 1")
        .output()
        .unwrap();
    assert!(output.status.success());
    let remark = String::from_utf8(output.stderr).unwrap();
    assert!(remark.contains("training on "), "{remark}");
}
