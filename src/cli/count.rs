//! `makemore-tch count`: the counts `N` of a list, the most common first.

use clap::Args;
use makemore_tch::data::search;
use makemore_tch::format::visible;
use makemore_tch::memory::Memory;
use makemore_tch::{Counted, Source};
use serde::Serialize;

use super::arguments::distributed::DistributedArguments;
use super::arguments::{DataArguments, JsonArguments, whole};
use super::context::Context;
use super::output;

/// Words of lists up to this length are looked for several times: in longer ones that would take longer
/// than counting.
const MOST_WORDS: u64 = 200_000;

/// Count which character follows which
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  makemore-tch count
  makemore-tch count --top 20 --data towns.txt
  makemore-tch count --json > counts.json
  makemore-tch launch 2 -- count --data towns.txt")]
pub struct Count {
    #[command(flatten)]
    data: DataArguments,

    /// How many of the most common bigrams to print
    ///
    /// Equally common ones are in the order of the vocabulary.
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = whole(0..=u32::MAX), allow_negative_numbers = true)]
    top: u32,

    #[command(flatten)]
    distributed: DistributedArguments,

    #[command(flatten)]
    json: JsonArguments,
}

#[derive(Serialize)]
struct CountDocument<'a> {
    words: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    words_repeated: Option<usize>,
    ngrams: u64,
    vocabulary: &'a [char],
    top: Vec<Frequency>,
    matrix: Vec<&'a [u64]>,
}

#[derive(Serialize)]
struct Frequency {
    bigram: String,
    count: u64,
}

impl Count {
    pub fn run(self, context: Context) -> anyhow::Result<u8> {
        let distributed = self.distributed;
        distributed.together(context, |processes, context| {
            let memory = Memory::half_of_the_machine();
            let source = self.data.shared_source(None, &memory, processes)?;
            let counted = context.count_shared(&self.data, &source, None, processes)?;
            if processes.rank() == 0 {
                self.print(&source, counted)?;
            }
            Ok(0)
        })
    }

    fn print(&self, source: &Source, counted: Counted) -> anyhow::Result<()> {
        let Counted { counts, digest, .. } = counted;
        let is_short = digest.words <= MOST_WORDS && source.is_rereadable();
        let repeated = is_short.then(|| search::repeated(source)).transpose()?;
        let vocabulary = counts.vocabulary();
        let top = counts.most_common(self.top as usize).into_iter();
        let top = top.map(|(context, next, count)| Frequency {
            bigram: counts.ngram(&context, next),
            count,
        });
        if self.json.json {
            return output::json(&CountDocument {
                words: counts.words(),
                words_repeated: repeated,
                ngrams: counts.total(),
                vocabulary: vocabulary.characters(),
                top: top.collect(),
                matrix: counts.matrix()?.chunks(vocabulary.len()).collect(),
            });
        }
        let mut results = output::results();
        for Frequency { bigram, count } in top {
            writeln!(results, "Frequency of {bigram}: {count}")?;
        }
        writeln!(results, "Words: {}", counts.words())?;
        if let Some(repeated) = repeated {
            writeln!(results, "Words that occur more than once: {repeated}")?;
        }
        writeln!(results, "Bigrams: {}", counts.total())?;
        let characters: String = vocabulary.characters().iter().collect();
        writeln!(
            results,
            "Vocabulary: {} characters: {}",
            vocabulary.len(),
            visible(&characters)
        )?;
        Ok(results.flush()?)
    }
}

#[cfg(test)]
mod tests {
    use crate::cli::testing::Folder;
    use crate::cli::testing::refusal;

    #[test]
    fn numbers_that_make_no_sense_are_named() {
        for (arguments, value) in [
            ("count --top -1", "'-1'"),
            ("count --top many", "'many'"),
            ("heatmap out.png --size abc", "'abc'"),
            ("sample --max-length 0", "'0'"),
            ("count --threads 0", "'0'"),
        ] {
            let error = refusal(arguments, 2);
            assert!(
                error.contains(value) && error.contains("a whole number from"),
                "{error}"
            );
        }
    }

    /// Each list, what its error names, and nothing on standard output.
    #[test]
    fn lists_that_cannot_be_used_are_refused_in_one_line() {
        let folder = Folder::new();
        folder.write("binary", b"\x00\x01\x02\xFF");
        folder.write("latin1.txt", b"emma\nzo\xEB\n");
        folder.write("tab.txt", "emma\nan\tna\n");
        folder.write("empty.txt", "");
        folder.write("blank.txt", "\u{FEFF}\r\n \n\n");
        std::fs::create_dir(folder.path("folder")).unwrap();
        let characters = ('\u{4E00}'..).take(4097);
        let many: String = characters.flat_map(|character| [character, '\n']).collect();
        folder.write("many.txt", many);
        for (list, expected) in [
            ("binary", "binary:1: not valid UTF-8"),
            (
                "latin1.txt",
                "latin1.txt:2: not valid UTF-8; saving the list as UTF-8 would work; --encoding latin1 (or its own, such as shift_jis) reads it, --skip-bad-lines leaves such lines out",
            ),
            ("tab.txt", "tab.txt:2: a control character (U+0009, a tab)"),
            ("empty.txt", "empty.txt: no words"),
            ("blank.txt", "blank.txt: no words"),
            ("missing.txt", "cannot read missing.txt: No such file"),
            ("folder", "folder is a folder"),
            (
                "many.txt",
                "many.txt:4097: more than 4096 distinct characters",
            ),
        ] {
            let error = folder.error(&format!("count --data {list}"), 1);
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn the_longest_word_is_counted_and_a_longer_one_refused() {
        let folder = Folder::new();
        folder.write("list.txt", "ab".repeat(32_768));
        let printed = folder.stdout("count --data list.txt --top 1");
        assert!(
            printed.starts_with("Frequency of ab: 32768\nWords: 1\n"),
            "{printed}"
        );
        for length in [65_537, 10_000_000] {
            folder.write("list.txt", format!("ok\n{}", "a".repeat(length)));
            let error = folder.error("count --data list.txt", 1);
            assert!(
                error.contains("list.txt:2: the word is too long; 65536 characters"),
                "{error}"
            );
        }
    }

    /// It once ended in a panic: ASCII was numbered after 4,096 other characters.
    #[test]
    fn ascii_after_4096_other_characters_is_one_line_of_error() {
        let folder = Folder::new();
        let others: String = ('\u{4E00}'..)
            .take(4096)
            .flat_map(|other| [other, '\n'])
            .collect();
        let block = 1 << 19;
        let mut list = others.repeat(block / others.len() + 1);
        let line = list.lines().count() + 1;
        list += &"ab\n".repeat(block / 3 * 2);
        list += &"\u{4E00}bb\n".repeat(200_000);
        folder.write("list.txt", list);
        for command in ["count", "sample --json", "train"] {
            let error = folder.error(&format!("{command} --data list.txt"), 1);
            assert!(
                error.contains(&format!("list.txt:{line}: more than 4096 distinct")),
                "{error}"
            );
        }
    }

    #[test]
    fn what_is_compressed_in_another_way_is_named() {
        let folder = Folder::new();
        folder.write("list.xz", b"\xFD7zXZ\0\0\x04");
        folder.write("list.bz2", b"BZh91AY&SY\x01");
        for (list, expected) in [
            ("list.xz", "cannot read list.xz: it is compressed by xz"),
            ("list.bz2", "compressed by bzip2"),
        ] {
            let error = folder.error(&format!("count --data {list}"), 1);
            assert!(error.contains(expected), "{error}");
        }
    }

    /// What a file name may do to a terminal is not done.
    #[test]
    fn names_of_files_do_not_steer_the_terminal() {
        let folder = Folder::new();
        let name = "a\u{1B}[31m\nerror: b.txt";
        folder.write(name, "em\tma\n");
        for list in [name, "missing\u{1B}[2J\u{202E}.txt"] {
            let error = folder.error_of(["count", "--data", list], 1);
            assert!(error.contains("\\u{1b}["), "{error}");
            assert!(!error.contains(['\u{1B}', '\u{202E}']), "{error}");
        }
        // Without --data, as from `count *.txt`.
        let error = folder.error_of(["count", name], 2);
        assert!(
            error.contains("; a list of words is named with --data "),
            "{error}"
        );
        assert!(!error.contains('\u{1B}'), "{error:?}");
    }

    /// A list with counts was learned with its commas and digits.
    #[test]
    fn columns_are_named_where_a_list_looks_like_them_and_read_once_they_are_named() {
        let folder = Folder::new();
        folder.write("yob.txt", "Brand,M,193\nHoud,M,37\nEdvin,M,1\nBrand,F,7\n");
        let told = folder.stderr("count --data yob.txt");
        assert!(told.contains("--columns 1,3 would read them"), "{told}");
        let document = folder.json("count --json --data yob.txt --columns 1,3");
        assert_eq!(document["words"], 238);
        assert_eq!(document["vocabulary"].as_array().unwrap().len(), 12);
        folder.write("top.csv", "name;share\nBrand;3.318\n");
        let error = folder.error("count --data top.csv --columns name,share", 1);
        assert!(
            error.contains("top.csv:2: the count \"3.318\" is no whole number"),
            "{error}"
        );
        // A model knows the columns of its list, and its dev list has them too.
        folder.write("dev.csv", "Brand,M,3\nEdvin,F,1\n");
        folder.write("dev.txt", "Brand\nBrand\nEdvin\nBrand\n");
        let train = "train --json --type ngram --order 2 --data yob.txt --columns 1,3 --dev dev.csv --split 100,0,0";
        let trained = folder.json(&format!("{train} --out m"));
        let scored = folder.json("score --json --model m --data dev.txt");
        let off = trained["dev_loss"].as_f64().unwrap() - scored["nll"].as_f64().unwrap();
        assert!(off.abs() < 1e-12, "{off}");
        assert_eq!(
            folder.json("score --json --model m --part train")["words"],
            238
        );
        // Drawing does not need the list, and once read it.
        folder.write("yob.txt", "Brand,M,many\n");
        folder.stdout("sample --model m");
    }

    /// Lists with tabs, and with words in several pieces, were not said to have columns.
    #[test]
    fn the_columns_that_are_said_can_be_read() {
        let folder = Folder::new();
        folder.write("tabs.txt", "Ulm\t5\nNew York\t12\n");
        folder.write("pieces.txt", "Ulm 5\nNew York 12\n");
        folder.write(
            "uniq.txt",
            "  5 Ulm, Donau\n 12 New York\n  1 Bonn, Rhein\n",
        );
        folder.write("empty.txt", "\n");
        let error = folder.error("count --data tabs.txt", 1);
        let expected = "U+0009, a tab) in the word; --columns 1,2 would read its columns";
        assert!(error.contains(expected), "{error}");
        for (list, columns, words) in [
            ("tabs.txt", "1,2", 17),
            ("pieces.txt", "1,2", 17),
            ("uniq.txt", "2,1", 18),
            // The first file has the columns, unless it is empty.
            ("empty.txt uniq.txt", "2,1", 18),
        ] {
            if !list.ends_with("tabs.txt") {
                let told = folder.stderr(&format!("count --data {list}"));
                assert!(
                    told.contains(&format!("--columns {columns} would")),
                    "{told}"
                );
            }
            let count = format!("count --json --data {list} --columns {columns}");
            assert_eq!(folder.json(&count)["words"], words, "{list}");
        }
    }

    #[test]
    fn counts_that_cannot_be_are_called_what_they_are() {
        let folder = Folder::new();
        for (list, says) in [
            (
                "Ulm,100000000000000000000000\n",
                "list:1: the count 100000000000000000000000 is too large; at most 2^53",
            ),
            ("Ulm,-3\n", "the count \"-3\" is no whole number from 0"),
            (
                "Ulm,18446744073709551615\nBonn,18446744073709551615\n",
                "is 166020696663385964535;",
            ),
            ("Ulm,0\nBonn,0\n", "list: all counts are 0"),
            ("\n", "list: no words in it"),
        ] {
            folder.write("list", list);
            let error = folder.error("count --data list --columns 1,2", 1);
            assert!(error.contains(says), "{error}");
        }
    }

    /// A plain dev list was read by the columns and the encoding of the training list, and lost its first line.
    #[test]
    fn a_dev_list_has_the_columns_of_the_training_list_or_none() {
        let folder = Folder::new();
        folder.write("list.csv", b"name,n\nZo\xEB,3\nAnna,2\nNana,4\n");
        folder.write("plain.txt", "Zo\u{EB}\nAnna\n");
        folder.write("semicolons.csv", b"n;name\n1;Zo\xEB\n1;Anna\n");
        folder.write("towns.csv", "town,n\nUlm,3\n");
        folder.write("values.csv", "Anna,2\n");
        let train =
            "train --type ngram --order 2 --data list.csv --columns name,n --encoding latin1";
        let dev_loss = |dev: &str| {
            let document = folder.json(&format!("{train} --json --out m --force --dev {dev}"));
            document["dev_loss"].as_f64().unwrap()
        };
        assert_eq!(dev_loss("plain.txt"), dev_loss("semicolons.csv"));
        for dev in ["towns.csv", "values.csv"] {
            let error = folder.error(&format!("{train} --out new --dev {dev}"), 1);
            let begin = format!("error: {dev}: the columns name,n: there is no column \"name\"");
            assert!(error.starts_with(&begin), "{error}");
            assert!(
                error.ends_with("with one word a line, would work"),
                "{error}"
            );
        }
        // A resumed training finds them by the first line of its list.
        let mlp =
            "train --type mlp --max-steps 1 --data list.csv --columns name,n --encoding latin1";
        folder.stdout(&format!("{mlp} --dev semicolons.csv --out mlp"));
        folder.stdout("train --resume mlp --dev semicolons.csv --max-steps 2");
    }

    #[test]
    fn equally_common_bigrams_are_in_the_order_of_the_vocabulary() {
        let folder = Folder::new();
        folder.write("list.txt", "ba\nab\n");
        let printed = folder.stdout("count --data list.txt --top 3");
        assert!(
            printed.starts_with("Frequency of .a: 1\nFrequency of .b: 1\nFrequency of a.: 1\n")
        );
    }
}
