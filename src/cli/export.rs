//! `makemore-tch export`: an n-gram model in the format of other programs.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;

use anyhow::bail;
use clap::Args;
use flate2::Compression;
use flate2::write::GzEncoder;
use makemore_tch::arpa::{self, ReadOptions};
use makemore_tch::files::check_distinct;
use makemore_tch::memory::Memory;
use makemore_tch::{Model, ModelFile, Ngram};

use super::context::Context;
use super::outputs::new_file;

/// Write an n-gram model as an ARPA file, for KenLM, SRILM and others
///
/// Each character is a word there, <s> and </s> begin and end words, and white space is written as
/// its code point: <U+0020> is a space.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  makemore-tch export names.arpa --model makemore-ngram.safetensors
  makemore-tch export names.arpa.gz --model makemore-ngram.safetensors")]
pub struct Export {
    /// The file, ending in .arpa or, to compress it, .arpa.gz
    #[arg(value_name = "OUT")]
    out: PathBuf,

    /// The n-gram model
    #[arg(long, value_name = "FILE")]
    model: PathBuf,

    /// The token that stands for the space, where the model is an ARPA file
    #[arg(long, value_name = "TOKEN", allow_hyphen_values = true)]
    space_token: Option<String>,

    /// Overwrite an existing file
    #[arg(long)]
    force: bool,
}

impl Export {
    pub fn run(self, context: Context) -> anyhow::Result<()> {
        let name = self.out.to_string_lossy().to_lowercase();
        let is_compressed = name.ends_with(".gz");
        if !name.trim_end_matches(".gz").ends_with(".arpa") {
            bail!(
                "{}: the name of an ARPA file ends in .arpa or .arpa.gz",
                self.out.display()
            );
        }
        check_distinct(&[&self.out], &[&self.model])?;
        let output = new_file(&self.out, self.force)?;
        let options = ReadOptions {
            space: self.space_token,
            ..ReadOptions::default()
        };
        let file = ModelFile::load(&self.model, &options, &Memory::half_of_the_machine())?;
        if options.space.is_some() && !file.is_arpa() {
            bail!(
                "{}: not an ARPA file, and --space-token is of those; leave it out",
                self.model.display()
            );
        }
        let Model::Ngram(ngram) = &file.model else {
            bail!(
                "{}: a network, which an ARPA file cannot hold; `makemore-tch train --type ngram` makes a model that it can",
                self.model.display()
            );
        };
        output.replace_by(|to| write(ngram, to, is_compressed))?;
        context
            .remarks
            .say(format_args!("wrote {}", self.out.display()));
        Ok(())
    }
}

fn write(ngram: &Ngram, to: &mut File, is_compressed: bool) -> io::Result<()> {
    let to = BufWriter::with_capacity(1 << 17, to);
    if is_compressed {
        let mut gzip = BufWriter::new(GzEncoder::new(to, Compression::default()));
        arpa::write(ngram, &mut gzip)?;
        gzip.into_inner()?.finish()?.flush()
    } else {
        let mut to = to;
        arpa::write(ngram, &mut to)?;
        to.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use flate2::read::GzDecoder;

    use crate::cli::testing::Folder;

    const NAMES: &str = include_str!("../../assets/names.txt");
    const OF_KENLM: &[u8] = include_bytes!("../../tests/fixtures/odd_names_order_3.arpa.gz");

    fn of_kenlm() -> String {
        let mut text = String::new();
        GzDecoder::new(OF_KENLM).read_to_string(&mut text).unwrap();
        text
    }

    fn every_other_name(first: usize) -> String {
        let names: Vec<&str> = NAMES.lines().skip(first).step_by(2).collect();
        names.join("\n")
    }

    /// A folder with a list to train on, one to score, and KenLM's model.
    fn folder() -> Folder {
        let folder = Folder::new();
        folder.write("odd.txt", every_other_name(0));
        folder.write("even.txt", every_other_name(1));
        folder.write("kenlm.arpa", of_kenlm());
        folder
    }

    #[test]
    fn export_refuses_what_it_should_not_write() {
        let folder = folder();
        folder.stdout("train --type ngram --order 3 --data odd.txt");
        folder.stdout("train -q --epochs 1");
        let model = "--model makemore-ngram.safetensors";
        let error = folder.error(&format!("export ours.txt {model}"), 1);
        assert!(error.contains("ends in .arpa or .arpa.gz"), "{error}");
        folder.write("mine.arpa", "not a model");
        for file in ["mine.arpa", "kenlm.arpa"] {
            let error = folder.error(&format!("export {file} {model}"), 1);
            assert!(error.contains(file) && error.contains("--force"), "{error}");
        }
        assert_eq!(folder.read("mine.arpa"), b"not a model");
        folder.stdout(&format!("export mine.arpa --force {model}"));
        let error = folder.error("export net.arpa --model makemore.safetensors", 1);
        assert!(error.contains("makemore.safetensors"), "{error}");
        let error = folder.error("export kenlm.arpa --model kenlm.arpa", 1);
        assert!(error.contains("kenlm.arpa"), "{error}");
        assert_eq!(folder.read("kenlm.arpa"), of_kenlm().as_bytes());
        folder.stdout(&format!("export packed.arpa.gz {model}"));
        assert!(folder.read("packed.arpa.gz").starts_with(&[0x1F, 0x8B]));
        let scored = folder.json("score --json --model packed.arpa.gz --data even.txt");
        assert!(scored["perplexity"].as_f64().unwrap() > 1.0);
    }
}
