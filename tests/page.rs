//! `makemore-tch page`: the scripts of a page beside the program. They run in Node, and with
//! `scripts/test.sh --page` in a browser too.

use std::process::Command;

use makemore_tch::models::KINDS;

use crate::common::Folder;
use crate::common::folder::SMALL;

/// Runs a script of `tests/page/` in a folder, where there is Node.
fn node(folder: &Folder, script: &str, arguments: &[&str]) {
    let path = format!("{}/tests/page/{script}", env!("CARGO_MANIFEST_DIR"));
    let mut node = Command::new("node");
    node.arg(path).args(arguments).current_dir(folder.path(""));
    match node.output() {
        Err(_) => eprintln!("there is no node, so that {script} of the page is left out"),
        Ok(run) => {
            let said = [run.stdout, run.stderr].concat();
            let said = String::from_utf8_lossy(&said);
            assert!(run.status.success(), "{script}: {said}");
        }
    }
}

#[test]
fn the_parts_of_a_pages_script_do_what_they_say() {
    node(&Folder::new(), "units.mjs", &[]);
}

/// Models of all kinds, each trained with some options.
const OPTIONS: [&str; 15] = [
    "bigram --data list.txt --epochs 20",
    "bigram --data list.txt --order 3 --epochs 5",
    "ngram --data list.txt",
    "ngram --data list.txt --order 3 --smoothing witten-bell",
    "ngram --data list.txt --order 1",
    "lookup",
    "mlp --batchnorm",
    "mlp --n-layer 3",
    "mlp --n-layer 3 --batchnorm",
    "bow --block-size 3",
    "rnn --block-size 4",
    "gru --n-embd2 8",
    "lstm --n-embd2 8",
    "transformer --n-layer 1 --n-head 2",
    "wavenet",
];

#[test]
fn every_kind_of_model_computes_in_a_page_what_the_program_computes() {
    let folder = Folder::with_names();
    let mut page = "page all.html".to_owned();
    for (number, options) in OPTIONS.iter().enumerate() {
        let small = match options.starts_with("bigram") || options.starts_with("ngram") {
            true => "",
            false if options.starts_with("lookup") => "--data list.txt --max-steps 40",
            false => SMALL,
        };
        folder.stdout(&format!(
            "train -q --type {options} {small} --out {number}.st"
        ));
        page += &format!(" --model {number}.st");
    }
    folder.stdout(&page);
    folder.stdout("page list.html --data list.txt");
    let old = "train -q --type transformer --preset makemore --n-layer 1 --n-head 2 --out old.st";
    folder.stdout(&format!("{old} {SMALL}"));
    folder.stdout("page old.html --model old.st --known bloom");
    let kinds = KINDS.iter().map(|kind| kind.name());
    let kinds: Vec<&str> = ["counts", "bigram", "ngram"]
        .into_iter()
        .chain(kinds)
        .collect();
    let program = folder.makemore("").get_program().to_owned();
    let program = program.to_str().unwrap();
    let kinds = kinds.join(",");
    let pages = ["all.html", "list.html", "old.html"];
    let arguments = [&[program, "--kinds", &kinds], pages.as_slice()].concat();
    node(&folder, "models.mjs", &arguments);
}
