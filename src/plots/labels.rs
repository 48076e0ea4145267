//! Labels of characters: visible, and different for different characters.

use unicode_bidi::{BidiClass, bidi_class};
use unicode_normalization::char::is_combining_mark;
use unicode_segmentation::UnicodeSegmentation;

use super::text::{Font, is_selector};

/// The label of a character: the character itself if it is visible on its own, a combining mark on a
/// dotted circle, `␣` for the space, else its code point.
pub fn label(character: char, font: &Font) -> String {
    let text = match character {
        ' ' => return '␣'.to_string(),
        '␣' => return code_point(character),
        _ => on_circle(character.encode_utf8(&mut [0; 4])),
    };
    if is_visible(character) && font.draws(&text) {
        text
    } else {
        code_point(character)
    }
}

/// Whether a character is labelled by its code point only since no font of the system has it.
pub fn lacks_font(character: char, font: &Font) -> bool {
    is_visible(character) && font.lacks(&on_circle(character.encode_utf8(&mut [0; 4])))
}

/// The label of a context: its graphemes. If they are wider than `width` em, an ellipsis and the last
/// ones that fit. A context in Arabic or Hebrew is read from the right, and begins there.
pub fn of_context(context: &str, width: f64, font: &Font) -> String {
    let graphemes = context.graphemes(true).rev().enumerate();
    let labels = graphemes.flat_map(|(from_end, grapheme)| {
        // What is drawn alike with it and without is visible where it is the last.
        let is_hidden = from_end == 0 && grapheme.ends_with(is_selector);
        match on_circle(grapheme) {
            text if grapheme.chars().nth(1).is_some() && !is_hidden && font.draws(&text) => {
                vec![text]
            }
            _ => grapheme
                .chars()
                .rev()
                .map(|character| label(character, font))
                .collect(),
        }
    });
    let mut text = String::new();
    let mut before_code_point = false;
    let mut labels = labels.peekable();
    while let Some(label) = labels.next() {
        let is_code_point = is_code_point(&label);
        let apart = !text.is_empty() && (is_code_point || before_code_point);
        let longer = format!("{label}{}{text}", if apart { " " } else { "" });
        if !text.is_empty() && font.width(&longer) > width {
            let cut = format!("…{text}");
            // The first character may be no wider than the dots.
            let is_shorter = labels.peek().is_some() || font.width(&cut) < font.width(&longer);
            return if is_shorter { cut } else { longer };
        }
        text = longer;
        before_code_point = is_code_point;
    }
    text
}

/// A number with so many decimals; what rounds to zero has no sign.
pub fn number(value: f64, decimals: usize) -> String {
    let text = format!("{value:.decimals$}");
    match text.strip_prefix('-') {
        Some(digits) if !digits.contains(|digit| matches!(digit, '1'..='9')) => digits.to_owned(),
        _ => text,
    }
}

/// Whether a label is a code point, not a character.
pub fn is_code_point(label: &str) -> bool {
    label.starts_with("U+")
}

/// Whether a label may stand on one line with another, after or before it. One that is read from the
/// right would change the order, and one that joins others would change its form.
pub fn stands_beside(label: &str) -> bool {
    let is_rtl = |character| {
        matches!(
            bidi_class(character),
            BidiClass::R | BidiClass::AL | BidiClass::AN
        )
    };
    let joins = |before: &str| format!("{before}{label}").graphemes(true).nth(1).is_none();
    let is_one = label.chars().nth(1).is_none();
    is_one && !label.contains(is_rtl) && !["a", label].into_iter().any(joins)
}

/// A text with code points in place of the characters that are not drawn, and spaces between two code
/// points.
pub fn drawable(text: &str, font: &Font) -> String {
    let mut drawable = String::new();
    let mut after_code_point = false;
    for grapheme in text.graphemes(true) {
        if grapheme == " " || font.draws(grapheme) {
            drawable.push_str(grapheme);
            after_code_point = false;
            continue;
        }
        for character in grapheme.chars() {
            if after_code_point {
                drawable.push(' ');
            }
            drawable.push_str(&code_point(character));
            after_code_point = true;
        }
    }
    drawable
}

/// Whether a character is seen, on its own or on another one.
fn is_visible(character: char) -> bool {
    is_mark(character) || stands_alone(character)
}

/// Whether a character is visible on its own and does not combine with the one before. The standard library
/// escapes the others, but also quotes and the backslash.
fn stands_alone(character: char) -> bool {
    matches!(character, '\'' | '"' | '\\') || character.escape_debug().len() == 1
}

/// Whether a character is drawn above, below or around the one before.
fn is_mark(character: char) -> bool {
    is_combining_mark(character) && !is_selector(character)
}

/// A text; a mark at its start stands on a dotted circle.
fn on_circle(text: &str) -> String {
    let circle = if text.starts_with(is_mark) { "◌" } else { "" };
    format!("{circle}{text}")
}

fn code_point(character: char) -> String {
    format!("U+{:04X}", u32::from(character))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_that_the_font_lacks_are_labelled_by_their_code_point() {
        let font = Font::alone();
        for (character, expected) in [
            ('a', "a"),
            ('é', "é"),
            ('Ж', "Ж"),
            ('א', "א"),
            ('\'', "'"),
            ('\\', "\\"),
            (' ', "␣"),
            ('␣', "U+2423"),
            ('一', "U+4E00"),
            ('ก', "U+0E01"),
            ('क', "U+0915"),
            ('\u{1F9E0}', "U+1F9E0"),
        ] {
            assert_eq!(label(character, &font), expected);
        }
    }

    /// Code points stood in pictures, and nothing said which fonts would help.
    #[test]
    fn characters_without_a_font_are_told_from_those_that_are_not_seen() {
        let lacking = |font: &Font| {
            let characters =
                "aé ␣א一क\u{93F}\u{1F9E0}\u{200D}\u{FE0F}\u{AD}\u{A0}\u{2800}\u{E000}".chars();
            let lacking = characters.filter(|&character| lacks_font(character, font));
            lacking.collect::<String>()
        };
        assert_eq!(lacking(&Font::alone()), "一क\u{93F}\u{1F9E0}");
        assert_eq!(lacking(&Font::for_svg().unwrap()), "");
    }

    #[test]
    fn zero_has_no_sign() {
        for (value, decimals, expected) in [
            (-0.0, 0, "0"),
            (-0.004, 2, "0.00"),
            (-0.006, 2, "-0.01"),
            (-10.0, 0, "-10"),
            (0.25, 1, "0.2"),
        ] {
            assert_eq!(number(value, decimals), expected);
        }
    }

    #[test]
    fn a_context_keeps_its_end() {
        let font = Font::alone();
        for (context, expected) in [
            (".", "."),
            (".emma", ".emma"),
            (".alexanderina", "…lexanderina"),
            ("a b", "a␣b"),
            ("a一二b", "…U+4E8C b"),
            ("a一", "a U+4E00"),
            ("e\u{301}e\u{301}", "e\u{301}e\u{301}"),
            ("e\u{301}\u{301}", "e\u{301}\u{301}"),
            ("\u{301}e", "◌\u{301}e"),
            ("l\u{200D}", "l U+200D"),
            ("l\u{200D}a", "l\u{200D}a"),
            (".سل", ".سل"),
        ] {
            assert_eq!(of_context(context, 6.0, &font), expected);
        }
        // A grapheme is cut as a whole.
        let accents = "e\u{301}".repeat(12);
        let cut = of_context(&accents, 6.0, &font);
        assert_eq!(cut, format!("…{}", "e\u{301}".repeat(9)));
        // The last character is there in any case.
        assert_eq!(of_context("abc", 0.1, &font), "…c");
        // Dots that take as much room tell less: ".annabellelo" was "…annabellelo".
        let room = font.width("emma");
        assert_eq!(of_context(".emma", room, &font), ".emma");
    }

    #[test]
    fn combining_and_invisible_characters_have_a_visible_label() {
        let font = Font::alone();
        for (character, expected) in [
            ('\u{301}', "◌\u{301}"),
            ('\u{64E}', "◌\u{64E}"),
            ('\u{93F}', "U+093F"),
            ('\u{200D}', "U+200D"),
            ('\u{FE0F}', "U+FE0F"),
            ('\u{AD}', "U+00AD"),
            ('\u{A0}', "U+00A0"),
            ('\u{3000}', "U+3000"),
            ('\u{2800}', "U+2800"),
            ('\u{3164}', "U+3164"),
        ] {
            assert_eq!(label(character, &font), expected);
        }
    }

    #[test]
    fn labels_that_mislead_on_one_line_stand_on_two() {
        for label in ["a", ".", "␣", "ж", "一", "하", "각", "ก", "क", "\u{1F9E0}"] {
            assert!(stands_beside(label), "{label}");
        }
        let regional_d = "\u{1F1E9}";
        for label in ["U+0301", "◌\u{301}", "א", "س", "٣", regional_d] {
            assert!(!stands_beside(label), "{label}");
        }
        // Parts of a Hangul syllable, and a skin tone.
        for label in ["\u{1100}", "\u{1161}", "\u{11A8}", "\u{1F3FD}"] {
            assert!(!stands_beside(label), "{label}");
        }
    }

    #[test]
    fn a_title_keeps_its_accents_and_names_what_cannot_be_drawn() {
        let font = Font::alone();
        assert_eq!(drawable("e\u{301} 一\n", &font), "e\u{301} U+4E00 U+000A");
    }
}
