//! `makemore-tch heatmap`; its pictures are looked at in the unit tests of the command.

use crate::common::Folder;

#[test]
fn svg_has_every_bigram_as_text() {
    let folder = Folder::new();
    folder.stdout("heatmap out.svg");
    let svg = String::from_utf8(folder.read("out.svg")).unwrap();
    assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"));
    for text in [
        "6763",
        "n.",
        "first character",
        "next character",
        "Bigrams of the built-in names",
    ] {
        assert!(svg.contains(text), "{text}");
    }
    assert!(svg.matches("<text").count() > 2 * 27 * 27);
}
