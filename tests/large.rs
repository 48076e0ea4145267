//! Lists that are larger than one block: compressed, in several files, through pipes, and in memory
//! that does not grow

mod common;

use std::io::Write;

use common::Folder;

/// The lecture's names without their last line end, as often as asked.
fn names(times: usize) -> Vec<u8> {
    let names = include_str!("../assets/names.txt");
    format!("{names}\n").repeat(times).into_bytes()
}

#[test]
fn a_list_of_many_blocks_is_counted_whole() {
    let folder = Folder::new();
    folder.write("names.txt", names(20));
    let document = folder.json("count --json --data names.txt");
    assert_eq!(document["words"], 20 * 32033);
    assert_eq!(document["ngrams"], 20 * 228146);
    assert_eq!(document["top"][0]["count"], 20 * 6763);

    let mut piped = folder.makemore("count --json --data -");
    let piped = piped
        .write_stdin(folder.read("names.txt"))
        .output()
        .unwrap();
    let piped: serde_json::Value = serde_json::from_slice(&piped.stdout).unwrap();
    assert_eq!(piped, document);
}

#[test]
fn gzip_and_several_files() {
    let folder = Folder::new();
    let file = std::fs::File::create(folder.path("packed")).unwrap();
    let mut gzip = flate2::write::GzEncoder::new(file, flate2::Compression::fast());
    gzip.write_all(&names(3)).unwrap();
    gzip.finish().unwrap();
    folder.write("more.txt", "anna\nzoë\n");
    let document = folder.json("count --json --data packed --data more.txt");
    assert_eq!(document["words"], 3 * 32033 + 2);
    assert_eq!(document["vocabulary"].as_array().unwrap().len(), 28);

    let packed = folder.read("packed");
    folder.write("cut", &packed[..packed.len() / 2]);
    let error = folder.error("count --data cut", 1);
    assert!(error.contains("cannot read cut: "), "{error}");
}

#[test]
fn the_nll_of_a_long_list_is_that_of_its_counts() {
    let folder = Folder::new();
    folder.write("names.txt", names(20));
    let matrix = folder.json("count --json --data names.txt")["matrix"].clone();
    let matrix: Vec<Vec<f64>> = serde_json::from_value(matrix).unwrap();
    let (mut sum, mut bigrams) = (0.0, 0.0);
    for row in matrix {
        let total: f64 = row.iter().sum();
        for count in row.into_iter().filter(|&count| count > 0.0) {
            sum -= count * (count / total).ln();
            bigrams += count;
        }
    }
    let scored = folder.json("score --json --smoothing 0 --data names.txt");
    let nll = scored["nll"].as_f64().unwrap();
    assert!(
        (nll - sum / bigrams).abs() < 1e-6,
        "{nll} and {}",
        sum / bigrams
    );
}

#[test]
fn a_bad_line_far_down_is_named() {
    let folder = Folder::new();
    let mut list = names(40);
    list.extend_from_slice(b"an\tna\n");
    list.extend(names(10));
    folder.write("names.txt", &list);
    let line = 40 * 32033 + 1;
    for arguments in ["count --data names.txt", "train --data names.txt"] {
        let error = folder.error(arguments, 1);
        assert!(error.contains(&format!("names.txt:{line}: ")), "{error}");
    }
}

#[test]
fn thousands_of_characters_can_be_trained() {
    let folder = Folder::new();
    let characters: Vec<char> = ('\u{4E00}'..).take(1100).collect();
    let words = characters
        .windows(3)
        .map(|word| word.iter().collect::<String>() + "\n");
    folder.write("list.txt", words.collect::<String>());
    let document = folder.json("train --data list.txt --epochs 2 --log-every 1 --json");
    let loss = |index: usize| document["losses"][index]["train"].as_f64().unwrap();
    assert!(loss(1) < loss(0));
}

/// The most memory that a run took, in MB, as the system counts it.
#[cfg(target_os = "linux")]
#[expect(
    clippy::zombie_processes,
    reason = "wait4 waits, and tells the memory too"
)]
fn peak_memory(folder: &Folder, arguments: &str, piped: bool) -> i64 {
    use std::process::{Command, Stdio};

    let program = folder.makemore("").get_program().to_owned();
    let mut command = Command::new(program);
    command
        .current_dir(folder.path(""))
        .args(arguments.split(' '));
    if piped {
        command.stdin(std::fs::File::open(folder.path("large.txt")).unwrap());
    }
    let child = command.stdout(Stdio::null()).spawn().unwrap();
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    let mut status = 0;
    let pid = child.id() as libc::pid_t;
    // SAFETY: waits for a child of ours, and fills two variables.
    assert_eq!(unsafe { libc::wait4(pid, &mut status, 0, &mut usage) }, pid);
    assert_eq!(status, 0, "{arguments}");
    usage.ru_maxrss / 1024
}

/// It once kept the whole list, to tell which names are in it.
#[cfg(target_os = "linux")]
#[test]
fn sample_json_does_not_keep_the_list() {
    let folder = Folder::new();
    let mut large = std::fs::File::create(folder.path("large.txt")).unwrap();
    let block = names(10);
    for _ in 0..30 {
        large.write_all(&block).unwrap();
    }
    let sample = "sample --json -n 1000 --order 2";
    let built_in = peak_memory(&folder, sample, false);
    for (data, piped) in [("large.txt", false), ("-", true)] {
        let large = peak_memory(&folder, &format!("{sample} --data {data}"), piped);
        assert!(
            large < built_in + 40,
            "{large} MB for 68 MB of names, {built_in} MB built in"
        );
    }
    let piped = folder
        .makemore("sample --json -n 50 --data -")
        .write_stdin(names(1))
        .output()
        .unwrap();
    let piped: serde_json::Value = serde_json::from_slice(&piped.stdout).unwrap();
    assert_eq!(piped, folder.json("sample --json -n 50"));
}

/// Each thread once had a table of all pairs of characters, and a map of those that it met.
#[cfg(target_os = "linux")]
#[test]
fn counting_thousands_of_characters_takes_no_table_for_each_thread() {
    let folder = Folder::new();
    let mut random = fastrand::Rng::with_seed(1);
    let mut line = || {
        let characters = (0..40).filter_map(|_| char::from_u32(0x4E00 + random.u32(..4090)));
        characters.chain(['\n']).collect::<String>()
    };
    let mut large = std::fs::File::create(folder.path("large.txt")).unwrap();
    for _ in 0..100_000 {
        large.write_all(line().as_bytes()).unwrap();
    }
    let built_in = peak_memory(&folder, "count", false);
    let large = peak_memory(&folder, "count --data large.txt", false);
    assert!(
        large < built_in + 250,
        "{large} MB for 4,090 characters, {built_in} MB built in"
    );
}

/// In a pipe that is named, no name was once found.
#[cfg(unix)]
#[test]
fn which_names_are_in_the_data_is_known_of_a_pipe_too() {
    let folder = Folder::new();
    folder.write("names.txt", names(1));
    let script = r#""$0" sample --json -n 300 --data <(cat names.txt)"#;
    let output = std::process::Command::new("bash")
        .args(["-c", script])
        .arg(folder.makemore("").get_program())
        .current_dir(folder.path(""))
        .output()
        .unwrap();
    let piped: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(piped, folder.json("sample --json -n 300"));
    assert!(piped.to_string().contains(r#""in":"data""#));
}

/// White space around a word is trimmed, however much it is.
#[test]
fn megabytes_of_white_space_are_no_long_word() {
    let folder = Folder::new();
    let space = " ".repeat(3_000_000);
    folder.write(
        "list.txt",
        format!("emma{space}\n{space}\n{space}ava\nend{space}"),
    );
    let document = folder.json("count --json --data list.txt");
    assert_eq!(document["words"], 3);
    folder.write("list.txt", format!("ok\nemma{space}ava\n"));
    let error = folder.error("count --data list.txt", 1);
    assert!(
        error.contains("list.txt:2: the word is too long"),
        "{error}"
    );
}

/// Only the white space of ASCII was once trimmed before a line was too long.
#[test]
fn megabytes_of_white_space_of_another_script_are_no_long_word() {
    let folder = Folder::new();
    let space = "\u{3000}".repeat(400_000);
    folder.write(
        "list.txt",
        format!("{space}emma{space}\n{space}\nava{space}"),
    );
    assert_eq!(folder.json("count --json --data list.txt")["words"], 2);
    folder.write("list.txt", format!("ok\nemma{space}ava\n"));
    let error = folder.error("count --data list.txt", 1);
    assert!(
        error.contains("list.txt:2: the word is too long"),
        "{error}"
    );
}

#[test]
fn crlf_lists_are_counted_like_others() {
    let folder = Folder::new();
    let lf = String::from_utf8(names(3)).unwrap() + "zo\u{EB}\n";
    folder.write("lf.txt", &lf);
    folder.write("crlf.txt", lf.replace('\n', "\r\n"));
    assert_eq!(
        folder.json("count --json --data crlf.txt"),
        folder.json("count --json --data lf.txt")
    );
}

/// `scripts/bench.sh` runs it: `cargo test --release --test large -- --ignored`.
#[cfg(target_os = "linux")]
#[test]
#[ignore = "makes a file of 200 MB"]
fn memory_stays_flat() {
    let folder = Folder::new();
    // Not at once: a child begins with the peak of its parent.
    let mut large = std::fs::File::create(folder.path("large.txt")).unwrap();
    let block = names(10);
    for _ in 0..=200_000_000 / block.len() {
        large.write_all(&block).unwrap();
    }
    for command in [
        "count",
        "score",
        "train -q --epochs 10 --force",
        "sample --json",
    ] {
        let built_in = peak_memory(&folder, command, false);
        assert!(
            built_in < 180,
            "{command}: {built_in} MB with the built-in names"
        );
        for (data, piped) in [("large.txt", false), ("-", true)] {
            let large = peak_memory(&folder, &format!("{command} --data {data}"), piped);
            println!("{command} --data {data}: {large} MB, {built_in} MB with the built-in names");
            assert!(
                large <= built_in + 100,
                "{command}: {large} MB after {built_in} MB"
            );
        }
    }
}

/// The estimate is what refuses batches that would fill the memory.
#[cfg(target_os = "linux")]
#[test]
fn a_step_takes_the_memory_that_is_estimated_for_its_kind() {
    use makemore_tch::models::kinds::kind::Preset;
    use makemore_tch::models::{Config, KINDS, Kind};

    let folder = Folder::new();
    let names: Vec<&str> = include_str!("../assets/names.txt").lines().collect();
    let names = &names[..2048];
    folder.write("list.txt", names.join("\n"));
    let longest = names.iter().map(|name| name.len()).max().unwrap();
    let check = |kind: &'static dyn Kind| {
        let name = kind.name();
        let peak = |batch: usize| {
            let train =
                format!("train -q --type {name} --preset makemore --split 100,0,0 --max-steps 1");
            let more =
                format!("--threads 1 --force --out {name} --data list.txt --batch-size {batch}");
            peak_memory(&folder, &format!("{train} {more}"), false)
        };
        let config = Config::new(kind, kind.default_sizes(longest, Preset::Makemore));
        let estimated = |times: usize| {
            let lengths = names.iter().map(|name| name.len() + 1);
            let batch = lengths.cycle().take(times * names.len());
            config.step_bytes(27, batch) as f64 / f64::from(1 << 20)
        };
        // Some megabytes would not be told from those of this process, with which a child begins.
        let times = (96.0 / estimated(1)).ceil() as usize;
        let (measured, estimated) = (
            (peak(times * names.len()) - peak(1)) as f64,
            estimated(times),
        );
        let factor = estimated / measured;
        assert!(
            (0.7..1.7).contains(&factor),
            "{name}: {estimated} MB estimated, {measured} measured"
        );
    };
    // Two at a time, on as many processors.
    let (some, others) = KINDS.split_at(KINDS.len() / 2);
    std::thread::scope(|scope| {
        scope.spawn(|| some.iter().for_each(|&kind| check(kind)));
        others.iter().for_each(|&kind| check(kind));
    });
}

/// All pairs of a character and one before it were listed: 2.5 GB of 10,000 characters.
#[cfg(target_os = "linux")]
#[test]
fn one_word_of_five_thousand_characters_takes_an_mlp_little_memory() {
    let folder = Folder::new();
    for kind in ["mlp", "bow"] {
        let peak = |length: usize| {
            folder.write("list.txt", "abcdefghij".repeat(length / 10));
            let train = format!("train -q --type {kind} --n-embd 1 --n-embd2 1 --batch-size 1");
            let more = "--max-steps 1 --split 100,0,0 --threads 1 --force --data list.txt --out m";
            peak_memory(&folder, &format!("{train} {more}"), false)
        };
        let more = peak(5_000) - peak(100);
        assert!(more < 75, "{kind}: {more} MB");
    }
}

/// A sum was added to in place, word by word and distance by distance: the backward pass copied the
/// gradient of all tokens for each, and 718 MB were taken where 64 were estimated.
#[cfg(target_os = "linux")]
#[test]
fn an_mlp_of_words_of_hundreds_of_letters_takes_the_memory_that_is_estimated() {
    use makemore_tch::models::Config;
    use makemore_tch::models::kinds::{Mlp, Sizes};

    let folder = Folder::new();
    let lengths: Vec<usize> = (0..64).map(|word| 200 + word * 800 / 63).collect();
    let mut random = fastrand::Rng::with_seed(1);
    let mut word = |&length: &usize| (0..length).map(|_| random.char('a'..='j')).collect();
    let words: Vec<String> = lengths.iter().map(&mut word).collect();
    folder.write("list.txt", words.join("\n"));
    let peak = |batch: usize| {
        let train = format!("train -q --type mlp --n-embd 4 --n-embd2 64 --batch-size {batch}");
        let more = "--max-steps 1 --split 100,0,0 --threads 1 --force --data list.txt --out m";
        peak_memory(&folder, &format!("{train} {more}"), false) as f64
    };
    let sizes = Sizes {
        block_size: 1001,
        n_embd: 4,
        n_embd2: 64,
        ..Sizes::default()
    };
    let estimated = |words: &[usize]| {
        let lengths = words.iter().map(|length| length + 1);
        Config::new(&Mlp, sizes).step_bytes(11, lengths) as f64 / f64::from(1 << 20)
    };
    let (measured, estimated) = (peak(64) - peak(1), estimated(&lengths) - estimated(&[600]));
    let factor = estimated / measured;
    assert!(
        (0.5..2.0).contains(&factor),
        "{estimated} MB estimated, {measured} measured"
    );
}
