//! Numbers as the notes print them, which is as Python does.

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

/// Python's `f"{value:.4e}"`.
///
/// ```
/// # use makemore_tch::format::scientific;
/// assert_eq!(scientific(2.93985e-8), "2.9399e-08");
/// ```
pub fn scientific(value: f64) -> String {
    python_exponent(&format!("{value:.4e}"))
}

/// At least two digits and a sign, where Rust writes `e-8`.
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

    #[test]
    fn scientific_has_four_decimals_and_two_digits_of_exponent() {
        assert_eq!(scientific(2.9399e-8), "2.9399e-08");
        assert_eq!(scientific(0.0), "0.0000e+00");
        assert_eq!(scientific(f64::INFINITY), "inf");
    }
}
