//! The files that the user wants written.

use std::path::Path;

use anyhow::bail;
use makemore_tch::checkpoint::resume::last_of;
use makemore_tch::files::check_distinct;

/// The files that the user named.
#[derive(Debug, Clone)]
pub struct Request<'a> {
    pub out: &'a Path,
    pub force: bool,
    pub resume: Option<&'a Path>,
    /// Whether the state of the run is saved in a file of its own.
    pub has_state: bool,
    /// The first line of the losses as CSV.
    pub columns: &'static str,
    pub metrics: Option<&'a Path>,
    pub plot: Option<&'a Path>,
    /// The folder of the events for TensorBoard.
    pub events: Option<&'a Path>,
    pub data: Vec<&'a Path>,
}

impl Request<'_> {
    /// Refuses an output that is also an input or another output, and a checkpoint named like an ARPA
    /// file.
    pub fn check_names(&self) -> anyhow::Result<()> {
        let further = [self.plot, self.metrics, self.events];
        let further: Vec<&Path> = further.into_iter().flatten().collect();
        let state = last_of(self.out);
        let mut all = vec![self.out];
        if self.has_state {
            all.push(&state);
        }
        all.extend(&further);
        check_distinct(&all, &self.data)?;
        // Only the new checkpoint may replace the resumed one.
        let resume: Vec<&Path> = self.resume.into_iter().collect();
        check_distinct(&further, &resume)?;
        let name = self.out.to_string_lossy().to_lowercase();
        if name.trim_end_matches(".gz").ends_with(".arpa") {
            let file = self.out.display();
            bail!(
                "{file}: a checkpoint is no ARPA file; train to another name, of which `makemore-tch export {file}` makes one"
            );
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use makemore_tch::{Checkpoint, Model};

    use crate::cli::testing::Folder;

    /// Each of these once overwrote something, or lost one of its own results.
    #[cfg(unix)]
    #[test]
    fn an_output_is_never_an_input_or_another_output() {
        let folder = Folder::new();
        folder.write("list.png", "emma\n");
        folder.write("list.svg", "emma\n");
        folder.stdout("train --epochs 1 --out r.safetensors");
        std::fs::copy(folder.path("r.safetensors"), folder.path("m.svg")).unwrap();
        std::os::unix::fs::symlink("r.safetensors", folder.path("link")).unwrap();
        std::fs::hard_link(folder.path("list.png"), folder.path("hard.png")).unwrap();
        let before: Vec<_> = folder
            .files()
            .iter()
            .map(|name| folder.read(name))
            .collect();
        for arguments in [
            "train --out x.csv --metrics ./x.csv",
            "train --resume r.safetensors --out b --metrics r.safetensors",
            "train --resume r.safetensors --out b --metrics link",
            "train --data list.png --out list.png --force",
            "train --data list.png --plot hard.png",
            "train --plot p.svg --metrics p.svg",
            "heatmap --data list.png list.png",
            "heatmap list.svg --data list.svg",
            "heatmap hard.png --data list.png",
            "heatmap --model m.svg m.svg",
        ] {
            let error = folder.error(arguments, 1);
            assert!(
                error.ends_with("; name different files"),
                "{arguments}: {error}"
            );
        }
        let after: Vec<_> = folder
            .files()
            .iter()
            .map(|name| folder.read(name))
            .collect();
        assert_eq!(before, after);
        // What is resumed is replaced, by whatever name.
        folder.stdout("train --resume r.safetensors --epochs 1 --out link");
        let epochs = match Checkpoint::load(&folder.path("r.safetensors"))
            .unwrap()
            .model
        {
            Model::Bigram(trained) => trained.epochs,
            other => panic!("a model of type {}", other.kind()),
        };
        assert_eq!(epochs, 2);
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
                "names.csv is an input, which would be overwritten; name different files",
            ),
            ("train --plot a.png --metrics a.png", "a.png is given twice"),
        ] {
            let error = folder.error(arguments, 1);
            assert!(error.contains(expected), "{arguments}: {error}");
        }
        assert_eq!(folder.files(), ["names.csv"]);
        assert_eq!(folder.read("names.csv"), b"emma\n");
    }
}
