//! Numbers as Python prints them in the notes, and text escaped for a terminal.

/// Python's `repr` of a float: the shortest digits that read back as the same number.
///
/// ```
/// # use makemore_tch::format::float;
/// assert_eq!(float(f64::from(0.00054912525_f32)), "0.0005491252522915602");
/// assert_eq!(float(3.90183367926511e-06), "3.90183367926511e-06");
/// assert_eq!(float(50.0), "50.0");
/// ```
pub fn float(value: f64) -> String {
    if !value.is_finite() {
        return value.to_string().to_lowercase();
    }
    let scientific = format!("{value:e}");
    let exponent = scientific
        .split_once('e')
        .map_or(0, |(_, e)| e.parse().unwrap_or(0));
    if (-4..16).contains(&exponent) || value == 0.0 {
        return format!("{value:?}");
    }
    python_exponent(&scientific)
}

/// Python's `f"{value:.4e}"`, with `digits` decimals.
///
/// ```
/// # use makemore_tch::format::scientific;
/// assert_eq!(scientific(2.93985e-8, 4), "2.9399e-08");
/// ```
pub fn scientific(value: f64, digits: usize) -> String {
    python_exponent(&format!("{value:.digits$e}"))
}

/// `exp(ln)` with four decimals and a power of ten, also outside the range of floats.
///
/// ```
/// # use makemore_tch::format::exponential;
/// assert_eq!(exponential(-1000.0 * 10_f64.ln()), "1.0000e-1000");
/// ```
pub fn exponential(ln: f64) -> String {
    let log10 = ln / std::f64::consts::LN_10;
    let digits = format!("{:.4}", 10_f64.powf(log10 - log10.floor()));
    // Just below a power of ten, the digits are rounded up to it.
    let (digits, exponent) = match digits.as_str() {
        "10.0000" => ("1.0000", log10.floor() + 1.0),
        digits => (digits, log10.floor()),
    };
    python_exponent(&format!("{digits}e{exponent}"))
}

/// A number above 0, rounded down to two digits.
///
/// ```
/// # use makemore_tch::format::rounded_down;
/// assert_eq!(rounded_down(5.799), "5.7");
/// assert_eq!(rounded_down(0.00123), "0.0012");
/// assert_eq!(rounded_down(1234.5), "1200");
/// ```
pub fn rounded_down(value: f64) -> String {
    if !(1e-4..1e6).contains(&value) {
        // A little less, because the format may round up.
        return python_exponent(&format!("{:.1e}", 0.95 * value));
    }
    let unit = 10_f64.powf(value.log10().floor() - 1.0);
    let rounded = (value / unit).floor() * unit;
    let decimals = (-unit.log10()).max(0.0).round() as usize;
    format!("{rounded:.decimals$}")
}

/// Escapes control characters, line breaks and changes of direction, which would steer a terminal.
///
/// ```
/// # use makemore_tch::format::visible;
/// assert_eq!(visible("a\u{1B}[31m\nb"), "a\\u{1b}[31m\\nb");
/// ```
pub fn visible(text: &str) -> String {
    let mut visible = String::with_capacity(text.len());
    for character in text.chars() {
        if steers(character) {
            visible.extend(character.escape_default());
        } else {
            visible.push(character);
        }
    }
    visible
}

/// Escapes the same characters in JSON, which keeps its meaning.
///
/// ```
/// # use makemore_tch::format::visible_json;
/// assert_eq!(visible_json("[\"a\u{202E}\"]"), r#"["a\u202e"]"#);
/// ```
pub fn visible_json(json: &str) -> String {
    let mut visible = String::with_capacity(json.len());
    for character in json.chars() {
        match steers(character) {
            // One escape is enough below U+10000, and JSON has these characters in strings only.
            true => visible.push_str(&format!("\\u{:04x}", u32::from(character))),
            false => visible.push(character),
        }
    }
    visible
}

/// Whether a character controls a terminal, breaks a line or changes the direction of the text.
fn steers(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{2028}'..='\u{202E}' | '\u{2066}'..='\u{2069}' | '\u{200E}' | '\u{200F}' | '\u{061C}')
}

/// Writes the exponent as Python does, with a sign and at least two digits; Rust writes `e-8`.
fn python_exponent(scientific: &str) -> String {
    match scientific.split_once('e') {
        Some((digits, exponent)) => match exponent.strip_prefix('-') {
            Some(exponent) => format!("{digits}e-{exponent:0>2}"),
            None => format!("{digits}e+{exponent:0>2}"),
        },
        None => scientific.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each printed by Python's `print(x)`.
    #[test]
    fn floats_are_written_as_python_writes_them() {
        let python = [
            (0.0, "0.0"),
            (1.0, "1.0"),
            (0.0001, "0.0001"),
            (0.00001, "1e-05"),
            (2.335933579900029e-8, "2.335933579900029e-08"),
            (1.5e-300, "1.5e-300"),
            (1e15, "1000000000000000.0"),
            (1e16, "1e+16"),
            (-2.5, "-2.5"),
            (f64::INFINITY, "inf"),
            (f64::NAN, "nan"),
        ];
        for (value, printed) in python {
            assert_eq!(float(value), printed);
        }
    }

    /// Python: `f"{decimal.Decimal(10) ** decimal.Decimal(x):.4e}"`.
    #[test]
    fn powers_are_written_with_four_decimals() {
        for (log10, written) in [
            (-400.0 + 1.2_f64.log10(), "1.2000e-400"),
            (-400.0 - 1e-9, "1.0000e-400"),
            (-12345.5, "3.1623e-12346"),
            (-8.0, "1.0000e-08"),
        ] {
            assert_eq!(exponential(log10 * std::f64::consts::LN_10), written);
        }
    }

    #[test]
    fn what_steers_a_terminal_is_escaped_and_letters_are_not() {
        assert_eq!(visible("zoë 東京 \\ \"'"), "zoë 東京 \\ \"'");
        assert_eq!(
            visible("\r\u{9B}\u{202E}\u{85}"),
            "\\r\\u{9b}\\u{202e}\\u{85}"
        );
    }

    #[test]
    fn scientific_has_four_decimals_and_two_digits_of_exponent() {
        assert_eq!(scientific(2.9399e-8, 4), "2.9399e-08");
        assert_eq!(scientific(0.0, 4), "0.0000e+00");
        assert_eq!(scientific(f64::INFINITY, 4), "inf");
    }
}
