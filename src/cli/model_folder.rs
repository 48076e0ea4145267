//! The folder of `more --save`, named in place of the models in it.

use std::path::Path;

use anyhow::bail;

use super::arguments::models::Several;
use super::more::paths_in;
use super::typed::file_name;

/// Refuses a folder in place of a model, and names the models in it as the command takes them.
pub fn refuse(path: &Path, several: Several) -> anyhow::Result<()> {
    if !path.is_dir() {
        return Ok(());
    }
    let models = paths_in(path).filter(|model| model.is_file());
    let models = models.map(|model| format!("--model {}", file_name(&model.to_string_lossy())));
    let models: Vec<String> = models.collect();
    let (folder, all) = (path.display(), models.join(" "));
    match (models.len(), several) {
        (0, _) => bail!("{folder} is a folder; --model takes the file of a model"),
        (1, _) => bail!("{folder} is a folder; {all} takes the model in it"),
        (_, Several::Apart { with }) => {
            bail!("{folder} is a folder; {all}{with} takes each of the models in it")
        }
        (number, Several::Mixed { flag, .. }) => bail!(
            "{folder} is a folder; {all} {flag} {} takes the models in it, all with the same weight, and the weights that `more --save` said are better",
            vec!["1"; number].join(",")
        ),
    }
}

#[cfg(test)]
mod tests {
    use crate::cli::testing::Folder;

    /// The system said that it is a directory.
    #[test]
    fn a_folder_of_more_is_no_model_and_its_models_are_named() {
        let folder = Folder::new();
        folder.write("list.txt", "anna\nhanna\nsusanna\njoanna\n");
        folder.stdout("more list.txt --quick -n 0 --save kept");
        std::fs::create_dir(folder.path("empty")).unwrap();
        for command in [
            "sample",
            "score anna",
            "next an",
            "heatmap out.png",
            "page out.html",
        ] {
            let refused = |model: &str| folder.error(&format!("{command} --model {model}"), 1);
            let one = refused("kept");
            let works = "--model kept/ngram.safetensors takes the model in it";
            assert_eq!(one, format!("error: kept is a folder; {works}"));
            let none = refused("empty");
            assert!(
                none.ends_with("empty is a folder; --model takes the file of a model"),
                "{none}"
            );
        }
        let ngram = folder.read("kept/ngram.safetensors");
        folder.write("kept/gru.safetensors", ngram);
        let error = folder.error("sample --model kept", 1);
        let (_, models) = error.split_once("folder; ").unwrap();
        let (models, _) = models.split_once(" takes").unwrap();
        assert_eq!(models.matches("--model").count(), 2, "{error}");
        assert_eq!(
            folder
                .stdout(&format!("sample {models} --plain -n 3"))
                .lines()
                .count(),
            3
        );
        // The weights that were advised were refused.
        for (command, with) in [
            ("next an", ""),
            ("heatmap out.png --word anna", ""),
            ("heatmap out.png", " --word WORD"),
        ] {
            let error = folder.error(&format!("{command} --model kept"), 1);
            let (_, models) = error.split_once("folder; ").unwrap();
            let (models, _) = models
                .split_once(" takes each of the models in it")
                .unwrap();
            assert_eq!(models.matches("--model").count(), 2, "{error}");
            assert!(models.ends_with(with), "{error}");
            folder.stdout(&format!("{command} {}", models.replace("WORD", "anna")));
        }
    }
}
