//! Labels of characters: visible, and different for different characters.

use unicode_segmentation::UnicodeSegmentation;

use super::text::Font;

/// The label of a character: the character itself if it is visible on its own, `␣` for the space, else its
/// code point.
pub fn label(character: char, font: &Font) -> String {
    match character {
        ' ' => '␣'.to_string(),
        '␣' => code_point(character),
        _ => {
            let text = character.to_string();
            let is_drawn = stands_alone(character) && font.draws(&text);
            if is_drawn {
                text
            } else {
                code_point(character)
            }
        }
    }
}

/// The label of a context: its characters. If they are wider than `width` em, an ellipsis and the last
/// ones that fit.
pub fn of_context(context: &str, width: f64, font: &Font) -> String {
    let mut text = String::new();
    let mut before_code_point = false;
    for character in context.chars().rev() {
        let label = label(character, font);
        let is_code_point = !is_character(&label);
        let apart = !text.is_empty() && (is_code_point || before_code_point);
        let longer = format!("{label}{}{text}", if apart { " " } else { "" });
        if !text.is_empty() && font.width(&longer) > width {
            return format!("…{text}");
        }
        text = longer;
        before_code_point = is_code_point;
    }
    text
}

/// Whether a label is a character, not a code point.
pub fn is_character(label: &str) -> bool {
    label.chars().nth(1).is_none()
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

/// Whether a character is visible on its own and does not combine with the one before. The standard library
/// escapes the others, but also quotes and the backslash.
fn stands_alone(character: char) -> bool {
    matches!(character, '\'' | '"' | '\\') || character.escape_debug().len() == 1
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
        ] {
            assert_eq!(of_context(context, 6.0, &font), expected);
        }
        // The last character is there in any case.
        assert_eq!(of_context("ab", 0.1, &font), "…b");
    }

    #[test]
    fn combining_and_invisible_characters_have_a_visible_label() {
        let font = Font::alone();
        for (character, expected) in [
            ('\u{301}', "U+0301"),
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
    fn a_title_keeps_its_accents_and_names_what_cannot_be_drawn() {
        let font = Font::alone();
        assert_eq!(drawable("e\u{301} 一\n", &font), "e\u{301} U+4E00 U+000A");
    }
}
